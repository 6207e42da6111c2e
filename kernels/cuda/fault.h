#pragma once
#include <cuda_runtime.h>
#include <fulmen/kernels/cuda.h>

namespace fulmen::cuda {

/// Says that a kernel found `value` at `position` of its index tensor, where only numbers below `limit` are allowed.
/// The kernel goes on as its KERNEL line says; the host throws at its next synchronisation.
static __device__ inline void report(const FaultWord& word, FaultKind kind, int64_t value, int64_t limit,
                                     int64_t position) {
  Fault& fault = *word.fault;
  if (atomicCAS(&fault.taken, 0, 1) != 0) return;
  fault.value = value;
  fault.limit = limit;
  fault.position = position;
  fault.kernel = word.kernel;
  fault.op = word.op;
  __threadfence_system();
  fault.kind = kind;
}

}  // namespace fulmen::cuda
