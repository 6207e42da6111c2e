#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/storage.h>

// What Storage and the op machine ask of tensor/cuda. Only <fulmen/tensor/cuda.h> is meant for programs.
namespace fulmen::cuda {

/// The handle of the current stream of a device, for a Launch.
void* launch_stream(int device);

/// Memory of a device, on its current stream, from the caching allocator; `data` is null for 0 bytes. Deleting the
/// owner gives it back.
struct DeviceMemory {
  void* data;
  MemoryOwner* owner;
};
DeviceMemory allocate(size_t nbytes, Device device);
/// The same for locked host memory.
DeviceMemory allocate_pinned(size_t nbytes);
bool is_pinned(const Storage& storage);

/// Copies bytes between any two devices (host memory included) in the order of the current stream of the CUDA device.
/// Returns when `from` may change and, unless `non_blocking`, when `to` holds the bytes. Host memory that is not locked
/// is always waited for. The storages may be freed as soon as this returns.
void copy_bytes(const Storage& to, void* to_data, const Storage& from, const void* from_data, size_t bytes,
                bool non_blocking);

/// The calling thread's current device and streams, for a thread that works for it.
class ThreadPlace {
 public:
  ThreadPlace();
  /// Makes them the current ones of the calling thread.
  void take() const;

 private:
  [[maybe_unused]] int device_ = -1;  ///< -1 if no CUDA device was ever asked for
  std::vector<Stream> chosen_;
};

/// While one lives, this thread's memory does not come from the graph that it captures. What is written before a replay
/// must not lie in the graph's memory, whose earlier work may use the same block.
class OutsideGraph {
 public:
  OutsideGraph();
  ~OutsideGraph();
  OutsideGraph(const OutsideGraph&) = delete;

 private:
  void* pool_;
};
/// While this thread captures a graph: `hook` runs before every replay. It can upload what changes from replay to
/// replay.
void on_replay(AnyFunction<void()> hook);

}  // namespace fulmen::cuda
