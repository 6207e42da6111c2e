#include <fulmen/kernels/cuda.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/cuda/faults.h>
#include <fulmen/tensor/error.h>

#include <array>
#include <atomic>
#include <mutex>

namespace fulmen::cuda {

namespace {

/// One word per device, made when the first kernel that checks its data runs there.
std::array<std::atomic<Fault*>, max_devices> words{};
std::mutex making;

Fault* word_of(int device) {
  std::atomic<Fault*>& word = words[static_cast<size_t>(device)];
  if (Fault* fault = word.load(std::memory_order_acquire)) return fault;
  std::lock_guard lock(making);
  if (Fault* fault = word.load(std::memory_order_acquire)) return fault;
  const OnDevice guard(device);
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;  // also while a graph is captured
  FULMEN_CUDA_TRY(cudaThreadExchangeStreamCaptureMode(&mode));
  void* memory = nullptr;
  const cudaError_t result = cudaHostAlloc(&memory, sizeof(Fault), cudaHostAllocMapped | cudaHostAllocPortable);
  FULMEN_CUDA_TRY(cudaThreadExchangeStreamCaptureMode(&mode));
  FULMEN_CUDA_TRY(result);
  auto* fault = new (memory) Fault{};
  word.store(fault, std::memory_order_release);
  return fault;
}

}  // namespace

FaultWord fault_word(const Launch& launch, const char* kernel) {
  // With unified addressing the device reads locked memory under the host's address.
  return {word_of(launch.device()), kernel, launch.op()};
}

void throw_faults(int device) {
  Fault* fault = words[static_cast<size_t>(device)].load(std::memory_order_acquire);
  if (!fault) return;
  const FaultKind kind = std::atomic_ref(fault->kind).load(std::memory_order_acquire);
  if (kind == FaultKind::None) [[likely]]
    return;
  const Fault found = *fault;
  fault->kind = FaultKind::None;
  __atomic_store_n(&fault->taken, 0, __ATOMIC_RELEASE);
  const std::string where =
      str("; found by kernel ", found.kernel, " on cuda:", device, ", at the synchronisation after it");
  if (kind == FaultKind::Label) {
    throw Error("E008",
                str(found.op, ": Target ", found.value, " is out of bounds: labels of ", found.limit,
                    " classes are 0..", found.limit - 1, "; got ", found.value, " at row ", found.position, where),
                str("labels must be 0..classes-1; for ", found.value + 1, " classes the scores need ", found.value + 1,
                    " columns"));
  }
  fail_index(str(found.op, ": index ", found.value, " is out of bounds for dimension with size ", found.limit,
                 ": index out of range in self: index ", found.value, " at position ", found.position,
                 " of the flattened indices", where));
}

}  // namespace fulmen::cuda
