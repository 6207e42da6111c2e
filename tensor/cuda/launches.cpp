// What surrounds the call of a kernel, and what kernels ask for.
#include <fulmen/kernels/cuda.h>
#include <fulmen/tensor/cuda/allocator.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/cuda/faults.h>
#include <fulmen/tensor/error.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace fulmen {

namespace {

/// FULMEN_CUDA_SYNC=1: wait for every kernel, so that an error is thrown where it happened.
bool waits_for_kernels() {
  static const bool on = [] {
    const char* text = std::getenv("FULMEN_CUDA_SYNC");
    return text && std::strcmp(text, "0") != 0;
  }();
  return on;
}

[[noreturn]] void launch_failed(const Launch& launch, const char* kernel, cudaError_t error) {
  (void)cudaGetLastError();
  fail(str(launch.op(), ": CUDA kernel ", kernel, " failed on cuda:", launch.device(), ": ", cudaGetErrorName(error),
           ": ", cudaGetErrorString(error)));
}

}  // namespace

CudaCall::CudaCall(const Launch& launch, const char* kernel) : launch_(launch), kernel_(kernel), device_before_(-1) {
  int now = 0;
  FULMEN_CUDA_TRY(cudaGetDevice(&now));
  if (now != launch.device()) [[unlikely]] {
    FULMEN_CUDA_TRY(cudaSetDevice(launch.device()));
    device_before_ = now;
  }
  if (cuda::nvtx_enabled()) [[unlikely]]
    cuda::nvtx_push(kernel);
}

CudaCall::~CudaCall() {
  if (cuda::nvtx_enabled()) [[unlikely]]
    cuda::nvtx_pop();
  if (device_before_ >= 0) [[unlikely]]
    cuda::ignore(cudaSetDevice(device_before_));
}

void CudaCall::finish() const {
  const cudaError_t error = cudaPeekAtLastError();
  if (error != cudaSuccess) [[unlikely]]
    launch_failed(launch_, kernel_, error);
  if (waits_for_kernels() && !cuda::is_capturing()) [[unlikely]] {
    const cudaError_t result = cudaStreamSynchronize(static_cast<cudaStream_t>(launch_.stream()));
    if (result != cudaSuccess) launch_failed(launch_, kernel_, result);
    cuda::throw_faults(launch_.device());
  }
}

namespace cuda {

Workspace::Workspace(const Launch& launch, size_t bytes) : device_(launch.device()) {
  if (bytes == 0) return;
  Block* block = allocator_of(device_).allocate(bytes, static_cast<cudaStream_t>(launch.stream()));
  data_ = block->data;
  block_ = block;
}
Workspace::~Workspace() {
  if (block_) allocator_of(device_).free(static_cast<Block*>(block_));
}

void library_failed(const Launch& launch, const char* call, const char* status, const char* what) {
  fail(str(launch.op(), ": ", call, " failed on cuda:", launch.device(), ": ", status, " (", what, ")"));
}

const Processor& processor(const Launch& launch) {
  static std::array<std::once_flag, max_devices> once;
  static std::array<Processor, max_devices> known;
  const auto device = static_cast<size_t>(launch.device());
  std::call_once(once[device], [&] {
    const DeviceProperties p = get_device_properties(launch.device());
    known[device] = {10 * p.major + p.minor, p.multi_processor_count, p.shared_memory_per_block,
                     p.max_threads_per_multi_processor, p.l2_cache_size};
  });
  return known[device];
}

}  // namespace cuda
}  // namespace fulmen
