#pragma once
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::gpu {

/// The sum of `value` over the threads before this one, and over the block in `total`. One-dimensional blocks whose
/// size is a multiple of 32; the order of additions depends on the block's size only. Every thread of the block calls
/// it.
template <class T>
GPU_INLINE T block_sum_before(T value, T& total) {
  __shared__ T sums[warp_size];
  const int lane = lane_index(), warp = warp_index(), warps = static_cast<int>(blockDim.x) / warp_size;
  T inclusive = value;
#pragma unroll
  for (int distance = 1; distance < warp_size; distance *= 2) {
    const T before = __shfl_up_sync(all_lanes, inclusive, distance);
    if (lane >= distance) inclusive += before;
  }
  if (lane == warp_size - 1) sums[warp] = inclusive;
  __syncthreads();
  T offset = 0;
  total = 0;
  for (int w = 0; w < warps; ++w) {
    if (w == warp) offset = total;
    total += sums[w];
  }
  __syncthreads();  // `sums` may be written again
  const T before = __shfl_up_sync(all_lanes, inclusive, 1);
  return lane == 0 ? offset : offset + before;
}

}  // namespace fulmen::gpu
