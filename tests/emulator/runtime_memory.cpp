#include <cuda_runtime_api.h>
#include <emulator/control.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>

#include "check.h"
#include "runtime.h"

// Device and pinned memory, copies. Device memory is filled with 0xff (NaN) and followed by unmapped memory.
namespace emulator {

uint64_t device_bytes_now();

namespace {

constexpr size_t alignment = 256, page = 4096;

struct Mapping {
  size_t bytes;
  void* memory;  // of the mapping, guard page included
  size_t mapped;
  int device;
};
std::map<uintptr_t, Mapping> device_memory;
std::map<uintptr_t, size_t> pinned_memory, registered_memory;
uint64_t device_bytes[most_devices] = {}, device_peak = 0;

/// Memory of the current device.
void* map_device(size_t bytes) {
  size_t used = (bytes + alignment - 1) / alignment * alignment, mapped = (used + page - 1) / page * page + page;
  void* place = check_hooks != nullptr ? check_hooks->reserve(mapped) : nullptr;
  if (check_hooks != nullptr && place == nullptr) return nullptr;
  int fixed = place == nullptr ? 0 : MAP_FIXED;
  void* memory =
      mmap(place, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* end = static_cast<unsigned char*>(memory) + mapped - page;
  mprotect(end, page, PROT_NONE);
  unsigned char* start = end - used;
  std::memset(start, 0xff, used);
  const int device = current_device();
  device_memory[reinterpret_cast<uintptr_t>(start)] = {bytes, memory, mapped, device};
  device_bytes[device] += bytes;
  device_peak = std::max(device_peak, device_bytes_now());
  return start;
}

bool release_device(void* pointer) {
  auto found = device_memory.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == device_memory.end()) return false;
  note_freed(pointer, found->second.bytes);
  device_bytes[found->second.device] -= found->second.bytes;
  if (check_hooks != nullptr) {  // the addresses stay taken
    mmap(found->second.memory, found->second.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
         -1, 0);
  } else {
    munmap(found->second.memory, found->second.mapped);
  }
  device_memory.erase(found);
  return true;
}

bool within(const std::map<uintptr_t, size_t>& ranges, const void* p) {
  auto address = reinterpret_cast<uintptr_t>(p);
  auto after = ranges.upper_bound(address);
  return after != ranges.begin() && address < std::prev(after)->first + std::prev(after)->second;
}

cudaError_t allocate(void** pointer, size_t bytes) {
  if (pointer == nullptr) return result(cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return result(cudaSuccess);
  const uint64_t used = device_bytes[current_device()], all = settings().memory;
  if (bytes > all || used > all - bytes) return result(cudaErrorMemoryAllocation);
  *pointer = map_device(bytes);
  return result(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

/// Rows of a copy; a plain copy has one.
struct Copy {
  void* to;
  const void* from;
  size_t to_pitch, from_pitch, width, height;

  size_t to_bytes() const { return (height - 1) * to_pitch + width; }
  size_t from_bytes() const { return (height - 1) * from_pitch + width; }
  void run(const void* source) const {
    for (size_t row = 0; row < height; ++row) {
      auto* target = static_cast<unsigned char*>(to) + row * to_pitch;
      const auto* origin = static_cast<const unsigned char*>(source) + row * from_pitch;
      std::memmove(target, origin, width);
      note_initialized(target, origin, width);
    }
  }
};

/// The direction as it must be for these addresses, or an error.
cudaError_t check_direction(const Copy& copy, cudaMemcpyKind kind) {
  bool to_device = in_device_memory(copy.to, copy.to_bytes());
  bool from_device = in_device_memory(copy.from, copy.from_bytes());
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  bool wants_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool wants_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return wants_to == to_device && wants_from == from_device ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t copy(const Copy& copy, cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
  std::lock_guard lock(runtime_mutex());
  if (copy.width == 0 || copy.height == 0) return result(cudaSuccess);
  if (copy.width > copy.to_pitch || copy.width > copy.from_pitch) return result(cudaErrorInvalidValue);
  if (cudaError_t error = check_direction(copy, kind)) return result(error);
  if (wait) {
    if (cudaError_t error = unless_recording()) return error;
  }
  bool pageable = !in_device_memory(copy.from, 1) && !in_pinned_memory(copy.from) && !wait;
  cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
  cudaStreamIsCapturing(stream, &recording);
  if (pageable && recording == cudaStreamCaptureStatusNone) {  // staged before the call returns
    const auto* bytes = static_cast<const char*>(copy.from);
    auto staged = std::make_shared<std::vector<char>>(bytes, bytes + copy.from_bytes());
    return enqueue(stream, [copy, staged] { copy.run(staged->data()); });
  }
  cudaError_t error = enqueue(stream, [copy] { copy.run(copy.from); });
  // A copy to pageable memory has ended when the call returns.
  bool to_pageable = !in_device_memory(copy.to, 1) && !in_pinned_memory(copy.to);
  if (error == cudaSuccess && (wait || (to_pageable && recording == cudaStreamCaptureStatusNone))) {
    finish_stream(stream);
    return result(cudaSuccess);
  }
  return error;
}

cudaError_t copy_to_peer(const Copy& c, int to_device, int from_device, cudaStream_t stream, bool wait) {
  std::lock_guard lock(runtime_mutex());
  if (!valid_device(to_device) || !valid_device(from_device)) return result(cudaErrorInvalidDevice);
  const bool theirs = in_memory_of(to_device, c.to, c.width) && in_memory_of(from_device, c.from, c.width);
  if (c.width > 0 && !theirs) return result(cudaErrorInvalidValue);
  return copy(c, cudaMemcpyDeviceToDevice, stream, wait);
}

}  // namespace

uint64_t device_bytes_now() { return std::accumulate(std::begin(device_bytes), std::end(device_bytes), uint64_t{0}); }

Allocation device_allocation_before(const void* p) {
  auto after = device_memory.upper_bound(reinterpret_cast<uintptr_t>(p));
  if (after == device_memory.begin()) return {};
  --after;
  return {after->first, after->second.bytes, after->second.device};
}
bool in_device_memory(const void* p, size_t bytes) {
  Allocation before = device_allocation_before(p);
  return before.bytes != 0 && reinterpret_cast<uintptr_t>(p) + bytes <= before.start + before.bytes;
}
bool in_memory_of(int device, const void* p, size_t bytes) {
  return in_device_memory(p, bytes) && device_allocation_before(p).device == device;
}
bool in_pinned_memory(const void* p) { return within(pinned_memory, p) || within(registered_memory, p); }

void free_all_memory() {
  while (!device_memory.empty()) release_device(reinterpret_cast<void*>(device_memory.begin()->first));
}
uint64_t device_bytes_peak() { return device_peak; }

// The checked build looks at every address, and says more than a fault could.
OnlyMemoryOf::OnlyMemoryOf(int device) {
  if (settings().devices == 1 || check_hooks != nullptr) return;
  for (const auto& [start, mapping] : device_memory) {
    if (!may_access(device, mapping.device)) mprotect(mapping.memory, mapping.mapped, PROT_NONE);
  }
}
OnlyMemoryOf::~OnlyMemoryOf() {
  if (settings().devices == 1 || check_hooks != nullptr) return;
  for (const auto& [start, mapping] : device_memory) {
    if (!may_access(running_device, mapping.device)) {
      mprotect(mapping.memory, mapping.mapped - page, PROT_READ | PROT_WRITE);
    }
  }
}

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  std::lock_guard lock(runtime_mutex());
  if (cudaError_t error = unless_recording()) return error;
  return allocate(pointer, bytes);
}
cudaError_t cudaFree(void* pointer) {
  std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr) return result(cudaSuccess);
  if (cudaError_t error = unless_recording()) return error;
  auto found = device_memory.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == device_memory.end()) return result(cudaErrorInvalidValue);
  finish_device(found->second.device);
  release_device(pointer);
  return result(cudaSuccess);
}
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) {
  std::lock_guard lock(runtime_mutex());
  if (cudaError_t error = unless_recording()) return error;
  return allocate(pointer, bytes);
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr) return result(cudaSuccess);
  if (cudaError_t error = unless_recording()) return error;
  if (device_memory.count(reinterpret_cast<uintptr_t>(pointer)) == 0) return result(cudaErrorInvalidValue);
  return enqueue(stream, [pointer] { release_device(pointer); });
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr) return result(cudaErrorInvalidValue);
  if (cudaError_t error = unless_recording()) return error;
  *pointer = nullptr;
  if (bytes == 0) return result(cudaSuccess);
  if (posix_memalign(pointer, page, bytes) != 0) return result(cudaErrorMemoryAllocation);
  pinned_memory[reinterpret_cast<uintptr_t>(*pointer)] = bytes;
  note_host_range(*pointer, bytes, true);
  return result(cudaSuccess);
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return cudaHostAlloc(pointer, bytes, 0); }
cudaError_t cudaFreeHost(void* pointer) {
  std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr) return result(cudaSuccess);
  if (cudaError_t error = unless_recording()) return error;
  finish_all_streams();
  auto found = pinned_memory.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == pinned_memory.end()) return result(cudaErrorInvalidValue);
  note_host_range(pointer, found->second, false);
  pinned_memory.erase(found);
  std::free(pointer);
  return result(cudaSuccess);
}
cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr || bytes == 0) return result(cudaErrorInvalidValue);
  if (in_pinned_memory(pointer)) return result(cudaErrorHostMemoryAlreadyRegistered);
  registered_memory[reinterpret_cast<uintptr_t>(pointer)] = bytes;
  note_host_range(pointer, bytes, true);
  return result(cudaSuccess);
}
cudaError_t cudaHostUnregister(void* pointer) {
  std::lock_guard lock(runtime_mutex());
  auto found = registered_memory.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == registered_memory.end()) return result(cudaErrorHostMemoryNotRegistered);
  finish_all_streams();
  note_host_range(pointer, found->second, false);
  registered_memory.erase(found);
  return result(cudaSuccess);
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  std::lock_guard lock(runtime_mutex());
  if (device == nullptr || !in_pinned_memory(host)) return result(cudaErrorInvalidValue);
  *device = host;
  return result(cudaSuccess);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  std::lock_guard lock(runtime_mutex());
  if (attributes == nullptr) return result(cudaErrorInvalidValue);
  auto* address = const_cast<void*>(pointer);
  if (in_device_memory(pointer, 1)) {
    *attributes = {cudaMemoryTypeDevice, device_allocation_before(pointer).device, address, nullptr};
  } else if (in_pinned_memory(pointer)) {
    *attributes = {cudaMemoryTypeHost, 0, address, address};
  } else {
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, address};
  }
  return result(cudaSuccess);
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  std::lock_guard lock(runtime_mutex());
  *total = settings().memory;
  *free = settings().memory - device_bytes[current_device()];
  return result(cudaSuccess);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return copy({to, from, bytes, bytes, bytes, 1}, kind, nullptr, true);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy({to, from, bytes, bytes, bytes, 1}, kind, stream, false);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream) {
  return copy_to_peer({to, from, bytes, bytes, bytes, 1}, to_device, from_device, stream, false);
}
cudaError_t cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device, size_t bytes) {
  return copy_to_peer({to, from, bytes, bytes, bytes, 1}, to_device, from_device, nullptr, true);
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
  return copy({to, from, to_pitch, from_pitch, width, height}, kind, nullptr, true);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy({to, from, to_pitch, from_pitch, width, height}, kind, stream, false);
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  if (bytes == 0) return result(cudaSuccess);
  if (!valid_stream(stream)) return result(cudaErrorInvalidResourceHandle);
  const bool reachable =
      in_device_memory(to, bytes) && may_access(device_of(stream), device_allocation_before(to).device);
  if (!reachable) return result(cudaErrorInvalidValue);
  return enqueue(stream, [=] {
    std::memset(to, value, bytes);
    note_initialized(to, nullptr, bytes);
  });
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }

}  // extern "C"
