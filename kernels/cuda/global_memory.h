#pragma once
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::gpu {

/// A pointer that was itself read from memory, for example from a table of tensors: the compiler does not see that it
/// points to global memory, and would use loads and stores that find out each time.
template <class T>
GPU_INLINE T* in_global_memory(T* pointer) {
#ifdef __CUDA_ARCH__
  __builtin_assume(__isGlobal(pointer));
#endif
  return pointer;
}

}  // namespace fulmen::gpu
