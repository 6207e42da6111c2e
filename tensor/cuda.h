#pragma once
#include <fulmen/kernels/conv_settings.h>
#include <fulmen/kernels/gemm_settings.h>
#include <fulmen/tensor/device.h>

#include <cstddef>
#include <string>
#include <vector>

// CUDA devices, their memory, streams, events and graphs. Every function may be called in a build without CUDA and on a
// machine without a driver: is_available() is false there, and what needs a device throws an Error that says what is
// missing. Nothing touches the driver before the first of these calls. `device` -1 is the calling thread's current one.
namespace fulmen {

class Storage;
class Tensor;

namespace cuda {

/// Why there is no CUDA device: not built in, no driver, no device. Empty if there is one.
std::string why_not_available();
/// cuda:N for "cuda" (the current device) and "cuda:N"; throws if that device does not exist. A CPU device stays.
Device exact(Device device);

struct DeviceProperties {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int64_t total_memory = 0;  ///< bytes
  int multi_processor_count = 0;
  int max_threads_per_multi_processor = 0;
  int shared_memory_per_block = 0;  ///< bytes, with opt-in
  int64_t l2_cache_size = 0;        ///< bytes
};
DeviceProperties get_device_properties(int device = -1);

/// Seed the default generator of the current device, or of every device; nothing happens without CUDA.
void manual_seed(uint64_t seed);
void manual_seed_all(uint64_t seed);

int current_device();
void set_device(int device);
/// Waits for all work of a device; throws what its kernels found wrong (bad indices, failed launches).
void synchronize(int device = -1);

/// Makes a device the current one of this thread until the end of the scope.
class DeviceGuard {
 public:
  explicit DeviceGuard(Device device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;

 private:
  int before_;
};

/// A queue of work on a device. Work of one stream runs in order; streams run beside each other. Streams of the library
/// never wait for the default stream of the CUDA runtime, nor it for them. A handle: copying it means the same stream.
class Stream {
 public:
  /// A new stream, which lives as long as the program; there are 32 per device, handed out in turn.
  explicit Stream(int device = -1);
  int device() const { return device_; }
  /// cudaStream_t
  void* handle() const { return handle_; }
  /// Waits for the work enqueued so far; throws what its kernels found wrong.
  void synchronize() const;
  /// Whether all work enqueued so far is done.
  bool query() const;
  /// What is enqueued here from now on waits for the work enqueued so far on `other`.
  void wait_stream(const Stream& other) const;
  friend bool operator==(const Stream&, const Stream&) = default;

 private:
  friend Stream stream_of_handle(int device, void* handle);
  Stream(int device, void* handle) : device_(device), handle_(handle) {}
  int device_;
  void* handle_;
};
/// A stream made by somebody else (cudaStream_t).
Stream stream_of_handle(int device, void* handle);
/// Where this thread's operations on a device are enqueued; at first default_stream().
Stream current_stream(int device = -1);
void set_current_stream(const Stream& stream);
Stream default_stream(int device = -1);
/// Where loaders copy batches, beside the computation.
Stream copy_stream(int device = -1);

/// Makes a stream the current one of its device, and its device the current one, until the end of the scope.
class StreamGuard {
 public:
  explicit StreamGuard(const Stream& stream);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;

 private:
  Stream before_;
  [[maybe_unused]] int device_before_;
};

/// A mark in a stream.
class Event {
 public:
  /// `timing`: whether elapsed_time() will be asked for.
  explicit Event(bool timing = false);
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&& other) noexcept;
  void record(const Stream& stream);
  void record() { record(current_stream()); }
  /// What is enqueued on `stream` from now on waits for this mark.
  void block(const Stream& stream) const;
  /// Whether the mark was reached (or never set).
  bool query() const;
  void synchronize() const;
  /// Milliseconds from this mark to `end`; both reached, both with timing.
  float elapsed_time(const Event& end) const;

 private:
  bool timing_;
  [[maybe_unused]] int device_ = -1;
  [[maybe_unused]] void* handle_ = nullptr;
};

/// A count, or a number of bytes, with its history.
struct Stat {
  int64_t current = 0;
  int64_t peak = 0;       ///< since the last reset_peak_memory_stats()
  int64_t allocated = 0;  ///< all increases together
  int64_t freed = 0;      ///< all decreases together
};
/// What the caching allocator of one device holds, with the names of PyTorch's memory_stats.
struct MemoryStats {
  Stat allocation;                ///< tensors' blocks
  Stat segment;                   ///< pieces of memory taken from the driver
  Stat active;                    ///< blocks in use, or freed while another stream may still use them
  Stat inactive_split;            ///< free rests of segments that are in use
  Stat allocated_bytes;           ///< in blocks of tensors
  Stat reserved_bytes;            ///< in segments
  Stat active_bytes;              ///< in active blocks
  Stat inactive_split_bytes;      ///< in free rests
  Stat requested_bytes;           ///< as asked for, before rounding
  int64_t num_alloc_retries = 0;  ///< times that the cache was given back because the driver had no more
  int64_t num_ooms = 0;           ///< times that this did not help
};
MemoryStats memory_stats(int device = -1);
int64_t memory_allocated(int device = -1);
int64_t max_memory_allocated(int device = -1);
int64_t memory_reserved(int device = -1);
int64_t max_memory_reserved(int device = -1);
void reset_peak_memory_stats(int device = -1);
/// Gives memory that no tensor uses back to the driver.
void empty_cache();
/// Part of the device's memory, 0 to 1, that this process may take.
void set_per_process_memory_fraction(double fraction, int device = -1);
/// The tensor is used on `stream`: its memory is not reused before the work enqueued there so far, when the tensor is
/// freed, is done. Needed for streams other than the one on which it was made.
void record_stream(const Tensor& tensor, const Stream& stream);

/// Work recorded once and replayed with one call: a captured training step runs without the host's cost per kernel.
/// What is captured must not wait for the device (item(), copies to pageable memory: these throw meanwhile), and works
/// on the same memory in every replay. Random numbers go on from replay to replay.
class CUDAGraph {
 public:
  CUDAGraph();
  ~CUDAGraph();
  CUDAGraph(const CUDAGraph&) = delete;
  /// Between the two, what this thread enqueues is recorded, not run. Memory comes from a pool of the graph's own.
  void capture_begin();
  void capture_end();
  /// Drops a capture that failed.
  void capture_abandon() noexcept;
  /// Enqueues the recorded work on the current stream.
  void replay();
  /// Gives the recorded work and its memory back; the tensors made in it must not be used any more.
  void reset();
  bool captured() const;

  struct Impl;

 private:
  Impl* impl_;
};
/// Whether this thread is between capture_begin() and capture_end().
bool is_capturing();

/// Chooses who multiplies matrices from now on, for the whole program; at first the environment variable FULMEN_GEMM
/// does: own, cublas or auto (the default). What cuBLASLt has no product for (integers, operands without a contiguous
/// dimension) is computed by the library's own kernels in any case. With `cublas`, a product throws an Error (E018) if
/// libcublasLt cannot be loaded.
void set_gemm_backend(GemmBackend backend);
GemmBackend gemm_backend();

/// Chooses who computes convolutions from now on, as set_gemm_backend does for matrix products; at first the
/// environment variable FULMEN_CONV does: own, cudnn or auto (the default, own until measurements say otherwise). What
/// cuDNN does not have (more than 2^31 elements, two sides padded differently) is computed by the library's own kernels
/// in any case.
void set_conv_backend(ConvBackend backend);
ConvBackend conv_backend();

/// Ranges for NVIDIA's profilers around every kernel call and wherever a program wants one. Off unless switched on here
/// or by the environment variable FULMEN_NVTX=1; then they cost about 100 ns.
void set_nvtx(bool on);
bool nvtx_enabled();
class NvtxRange {
 public:
  explicit NvtxRange(const char* name);
  ~NvtxRange();
  NvtxRange(const NvtxRange&) = delete;

 private:
  [[maybe_unused]] bool on_;
};

}  // namespace cuda
}  // namespace fulmen
