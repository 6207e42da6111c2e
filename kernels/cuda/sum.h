#pragma once
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/gpu.h>

// Sums of an array to one number of a loss: partial sums by a fixed number of blocks, then one block adds those.
namespace fulmen::gpu {

/// What becomes of a sum: y = sum * scale, or sum * scale / *divisor if there is one.
struct Scale {
  double scale;
  const double* divisor;  ///< in device memory, or null
  __device__ FULMEN_INLINE double of(double sum) const { return divisor ? sum * scale / *divisor : sum * scale; }
};

inline constexpr int sum_threads = 256;
/// The blocks that sum n numbers: at most 1024, each with some thousands.
inline unsigned sum_blocks(int64_t n) { return blocks_for(n, sum_threads * 16, 1024); }

/// y = the sum of x[0..n), scaled. One block.
template <class S, class T>
__global__ void __launch_bounds__(sum_threads) finish_sum(S* y, const T* x, int64_t n, Scale scale) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += sum_threads) sum += static_cast<double>(x[i]);
  sum = block_sum(sum);
  if (threadIdx.x == 0)
    *y = static_cast<S>(static_cast<std::conditional_t<sizeof(S) == 8, double, float>>(scale.of(sum)));
}
/// parts[block] = the sum of the block's share of x[0..n).
template <class T>
__global__ void __launch_bounds__(sum_threads) sum_parts(double* parts, const T* x, int64_t n) {
  T sum = 0;
  for (int64_t i = thread_index(); i < n; i += thread_count()) sum += x[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = static_cast<double>(sum);
}

/// *y = the sum of x[0..n) in device memory, scaled.
template <class S, class T>
inline void sum_to(const Launch& launch, S* y, const T* x, int64_t n, Scale scale) {
  if (sum_blocks(n) == 1) {
    GPU_LAUNCH((finish_sum<S, T>), 1, sum_threads, 0, launch, y, x, n, scale);
    return;
  }
  unsigned blocks = sum_blocks(n);
  cuda::Workspace parts(launch, sizeof(double) * blocks);
  GPU_LAUNCH(sum_parts<T>, blocks, sum_threads, 0, launch, parts.as<double>(), x, n);
  GPU_LAUNCH((finish_sum<S, double>), 1, sum_threads, 0, launch, y, parts.as<const double>(), blocks, scale);
}

}  // namespace fulmen::gpu
