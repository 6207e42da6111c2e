#pragma once
#include <emulator/runtime_api.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

// The runtime's state. One lock guards all of it; kernels run while their launching host thread holds it.
namespace emulator {

std::recursive_mutex& runtime_mutex();

/// Remembers `error` for cudaGetLastError and returns it; a sticky error comes instead of success.
cudaError_t result(cudaError_t error);
/// From now on every call fails with it, until reset().
void make_sticky(cudaError_t error);
cudaError_t sticky_error();

inline constexpr int most_devices = 8;
/// The device that this host thread works with: cudaSetDevice.
int current_device();
bool valid_device(int device);
/// Whether kernels of a device may use memory of another (cudaDeviceEnablePeerAccess), or of their own.
bool may_access(int device, int owner);
/// The device of the kernel that runs, or ran last.
extern int running_device;

/// Adds work to a stream: it runs now, later, or with the graph that the stream records.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);
/// Adds work that begins when all of these streams have come to it and that all of them wait for; none may be
/// recording.
void enqueue_across(const std::vector<cudaStream_t>& streams, std::function<void()> work);
/// Runs all work of one stream; of all streams of a device, or of all.
void finish_stream(cudaStream_t stream);
void finish_device(int device);
void finish_all_streams();
/// True for a handle that this runtime made and has not destroyed.
bool valid_stream(cudaStream_t stream);
int device_of(cudaStream_t stream);
bool is_recording(cudaStream_t stream);
/// Success, or cudaErrorStreamCaptureUnsupported if this host thread may not make calls now that a graph cannot record
/// (the recording is then invalid).
cudaError_t unless_recording();

struct Allocation {
  uintptr_t start = 0;
  size_t bytes = 0;
  int device = 0;
};
/// The last device allocation that starts at or before `p`; `bytes` is 0 if there is none. Does not lock: kernels run
/// while the launching host thread holds the lock.
Allocation device_allocation_before(const void* p);
bool in_device_memory(const void* p, size_t bytes);
bool in_memory_of(int device, const void* p, size_t bytes);
bool in_pinned_memory(const void* p);
void free_all_memory();

/// While one lives, a kernel of the device runs: memory that it may not use cannot be read or written.
class OnlyMemoryOf {
 public:
  explicit OnlyMemoryOf(int device);
  ~OnlyMemoryOf();
  OnlyMemoryOf(const OnlyMemoryOf&) = delete;
};

}  // namespace emulator
