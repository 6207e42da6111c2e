#pragma once

// CUDA's declaration specifiers. At block scope `thread_local` means static storage, so `__shared__ T x[N]` becomes one
// array per host thread, and a host thread runs one block at a time.
#define __global__
#define __device__
#define __host__
#define __shared__ thread_local
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __cluster_dims__(...)
