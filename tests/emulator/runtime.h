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

/// Adds work to a stream: it runs now, later, or with the graph that the stream records.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);
/// Runs all work of one stream; of all streams.
void finish_stream(cudaStream_t stream);
void finish_all_streams();
/// True for a handle that this runtime made and has not destroyed.
bool valid_stream(cudaStream_t stream);
/// Success, or cudaErrorStreamCaptureUnsupported if this host thread may not make calls now that a graph cannot record
/// (the recording is then invalid).
cudaError_t unless_recording();

struct Allocation {
  uintptr_t start = 0;
  size_t bytes = 0;
};
/// The last device allocation that starts at or before `p`; `bytes` is 0 if there is none. Does not lock: kernels run
/// while the launching host thread holds the lock.
Allocation device_allocation_before(const void* p);
bool in_device_memory(const void* p, size_t bytes);
bool in_pinned_memory(const void* p);
void free_all_memory();

}  // namespace emulator
