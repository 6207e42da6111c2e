#include <emulator/control.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "block.h"
#include "check.h"
#include "runtime.h"
#include "runtime_stream.h"

// The emulated device, and launches.
namespace emulator {

const CheckHooks* check_hooks = nullptr;
uint64_t device_bytes_now();
uint64_t device_bytes_peak();

namespace {

constexpr int shared_without_asking = 48 * 1024, shared_per_multiprocessor = 228 * 1024, reserved_shared = 1024;
constexpr int threads_per_multiprocessor = 2048, blocks_per_multiprocessor = 32;

// cudaFuncAttributeMaxDynamicSharedMemorySize of a kernel, on each device.
std::map<std::pair<const void*, int>, int> shared_limits;
int shared_limit(const void* kernel) {
  auto limit = shared_limits.find({kernel, current_device()});
  return limit == shared_limits.end() ? shared_without_asking : limit->second;
}
uint64_t launches = 0, blocks = 0;

struct Attribute {
  cudaDeviceAttr attribute;
  int value;
};
constexpr Attribute attributes[] = {
    {cudaDevAttrMaxThreadsPerBlock, most_threads},
    {cudaDevAttrMaxBlockDimX, most_threads},
    {cudaDevAttrMaxBlockDimY, most_threads},
    {cudaDevAttrMaxBlockDimZ, 64},
    {cudaDevAttrMaxGridDimX, 0x7fffffff},
    {cudaDevAttrMaxGridDimY, 65535},
    {cudaDevAttrMaxGridDimZ, 65535},
    {cudaDevAttrMaxSharedMemoryPerBlock, shared_without_asking},
    {cudaDevAttrMaxSharedMemoryPerBlockOptin, most_shared_bytes},
    {cudaDevAttrMaxSharedMemoryPerMultiprocessor, shared_per_multiprocessor},
    {cudaDevAttrReservedSharedMemoryPerBlock, reserved_shared},
    {cudaDevAttrTotalConstantMemory, 64 * 1024},
    {cudaDevAttrWarpSize, 32},
    {cudaDevAttrMaxPitch, 0x7fffffff},
    {cudaDevAttrMaxRegistersPerBlock, 65536},
    {cudaDevAttrMaxRegistersPerMultiprocessor, 65536},
    {cudaDevAttrClockRate, 1000000},
    {cudaDevAttrMemoryClockRate, 1000000},
    {cudaDevAttrGlobalMemoryBusWidth, 64},
    {cudaDevAttrMultiProcessorCount, 8},  // few, so that persistent kernels take several tiles per block
    {cudaDevAttrL2CacheSize, 4 << 20},
    {cudaDevAttrMaxThreadsPerMultiProcessor, threads_per_multiprocessor},
    {cudaDevAttrMaxBlocksPerMultiprocessor, blocks_per_multiprocessor},
    {cudaDevAttrUnifiedAddressing, 1},
    {cudaDevAttrConcurrentKernels, 1},
    {cudaDevAttrAsyncEngineCount, 1},
};

int attribute_value(cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      return settings().capability / 10;
    case cudaDevAttrComputeCapabilityMinor:
      return settings().capability % 10;
    case cudaDevAttrClusterLaunch:
      return settings().capability >= 90;
    default:
      break;
  }
  for (const Attribute& known : attributes) {
    if (known.attribute == attribute) return known.value;
  }
  return 0;
}

cudaError_t check_launch(const KernelCall& call, dim3 grid, dim3 block, size_t shared_bytes) {
  uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  if (threads == 0 || threads > most_threads || block.z > 64) return cudaErrorInvalidConfiguration;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  auto allowed = static_cast<size_t>(shared_limit(call.kernel));
  if (shared_bytes > allowed || call.bytes > 32764) return cudaErrorInvalidValue;
  return cudaSuccess;
}

}  // namespace

bool checked() { return check_hooks != nullptr; }

Counters counters() {
  std::lock_guard lock(runtime_mutex());
  Counters now;
  now.launches = launches;
  now.blocks = blocks;
  now.device_bytes = device_bytes_now();
  now.device_peak = device_bytes_peak();
  now.matrix_phases = matrix_phases;
  now.matrix_conflicts = matrix_conflicts;
  return now;
}
void reset_counters() {
  std::lock_guard lock(runtime_mutex());
  launches = blocks = 0;
  matrix_phases = matrix_conflicts = 0;
}

void note_access(const void* p, size_t bytes, Access access, Site site) {
  if (check_hooks && current) check_hooks->access(p, bytes, access, site, false);
}

void launch_call(const KernelCall& call, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream) {
  std::lock_guard lock(runtime_mutex());
  cudaError_t error = check_launch(call, grid, block, shared_bytes);
  const int device = current_device();
  const bool foreign = valid_stream(stream) && device_of(stream) != device;
  if (error == cudaSuccess && foreign) error = cudaErrorInvalidResourceHandle;
  if (error != cudaSuccess) {
    result(error);
    return;
  }
  struct Aligned {
    alignas(128) unsigned char bytes[128];  // tensor maps want 128
  };
  std::shared_ptr<Aligned[]> arguments(new Aligned[(call.bytes + sizeof(Aligned) - 1) / sizeof(Aligned)]);
  std::memcpy(arguments.get(), call.arguments, call.bytes);
  enqueue(stream, [=] {
    KernelCall own = call;
    own.arguments = arguments.get();
    ++launches;
    blocks += static_cast<uint64_t>(grid.x) * grid.y * grid.z;
    if (check_hooks) check_hooks->launch_begins(own.arguments, own.bytes);
    running_device = device;
    const OnlyMemoryOf memory(device);
    if (!run_grid(own, grid, block, shared_bytes)) make_sticky(cudaErrorLaunchFailure);
  });
  result(cudaSuccess);
}

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (value == nullptr) return result(cudaErrorInvalidValue);
  if (!valid_device(device)) return result(cudaErrorInvalidDevice);
  *value = attribute_value(attribute);
  return result(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (p == nullptr) return result(cudaErrorInvalidValue);
  if (!valid_device(device)) return result(cudaErrorInvalidDevice);
  constexpr auto get = attribute_value;
  *p = {};
  std::snprintf(p->name, sizeof p->name, "Emulated GPU");
  p->totalGlobalMem = settings().memory;
  p->sharedMemPerBlock = shared_without_asking;
  p->regsPerBlock = get(cudaDevAttrMaxRegistersPerBlock);
  p->warpSize = 32;
  p->memPitch = static_cast<size_t>(get(cudaDevAttrMaxPitch));
  p->maxThreadsPerBlock = most_threads;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = most_threads;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7fffffff;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->totalConstMem = static_cast<size_t>(get(cudaDevAttrTotalConstantMemory));
  p->major = settings().capability / 10;
  p->minor = settings().capability % 10;
  p->multiProcessorCount = get(cudaDevAttrMultiProcessorCount);
  p->concurrentKernels = p->asyncEngineCount = p->unifiedAddressing = 1;
  p->memoryBusWidth = get(cudaDevAttrGlobalMemoryBusWidth);
  p->l2CacheSize = get(cudaDevAttrL2CacheSize);
  p->maxThreadsPerMultiProcessor = get(cudaDevAttrMaxThreadsPerMultiProcessor);
  p->sharedMemPerMultiprocessor = static_cast<size_t>(get(cudaDevAttrMaxSharedMemoryPerMultiprocessor));
  p->regsPerMultiprocessor = get(cudaDevAttrMaxRegistersPerMultiprocessor);
  p->sharedMemPerBlockOptin = most_shared_bytes;
  p->maxBlocksPerMultiProcessor = get(cudaDevAttrMaxBlocksPerMultiprocessor);
  p->reservedSharedMemPerBlock = reserved_shared;
  p->clusterLaunch = get(cudaDevAttrClusterLaunch);
  return result(cudaSuccess);
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  if (!valid_device(device)) return result(cudaErrorInvalidDevice);
  std::snprintf(text, static_cast<size_t>(length), "0000:%02x:00.0", static_cast<unsigned>(device));
  return result(cudaSuccess);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return result(cudaSuccess);
}
cudaError_t cudaDeviceSynchronize() {
  std::lock_guard lock(runtime_mutex());
  if (cudaError_t error = unless_recording()) return error;
  finish_device(current_device());
  return result(cudaSuccess);
}
cudaError_t cudaDeviceReset() {
  std::lock_guard lock(runtime_mutex());
  finish_all_streams();
  free_all_memory();
  reset();
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return result(cudaSuccess);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  std::lock_guard lock(runtime_mutex());
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return result(cudaSuccess);
  if (value < 0 || static_cast<size_t>(value) > most_shared_bytes) return result(cudaErrorInvalidValue);
  shared_limits[{kernel, current_device()}] = value;
  return result(cudaSuccess);
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  std::lock_guard lock(runtime_mutex());
  if (attributes == nullptr) return result(cudaErrorInvalidValue);
  *attributes = {};
  attributes->maxThreadsPerBlock = most_threads;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = settings().capability;
  attributes->maxDynamicSharedSizeBytes = shared_limit(kernel);
  return result(cudaSuccess);
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* count, const void*, int block_size,
                                                          size_t shared_bytes) {
  if (count == nullptr || block_size <= 0 || block_size > most_threads) return result(cudaErrorInvalidValue);
  int by_threads = threads_per_multiprocessor / block_size;
  int by_shared = static_cast<int>(shared_per_multiprocessor / (shared_bytes + reserved_shared));
  *count = std::min({by_threads, by_shared, blocks_per_multiprocessor});
  return result(cudaSuccess);
}

}  // extern "C"
