// What memory can do on the day: a plain copy, and a sum that only reads. 16 bytes per load, four loads at a time.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256, width = gpu::vec_width<float>, loads = 4;
constexpr int per_block = threads * width * loads;
constexpr unsigned sum_blocks = 2048;

__global__ void __launch_bounds__(threads) copy_blocks(float* y, const float* x, int64_t n) {
  const int64_t first = blockIdx.x * int64_t{per_block} + threadIdx.x * width;
  gpu::Vec<float, width> values[loads];
#pragma unroll
  for (int i = 0; i < loads; ++i) {
    const int64_t at = first + i * threads * width;
    if (at < n) values[i] = gpu::load_vec<width>(x + at);
  }
#pragma unroll
  for (int i = 0; i < loads; ++i) {
    const int64_t at = first + i * threads * width;
    if (at < n) gpu::store_vec(y + at, values[i]);
  }
}

/// parts[block] = the sum of the block's share.
__global__ void __launch_bounds__(threads) sum_blocks_of(float* parts, const float* x, int64_t n) {
  float sums[loads] = {};
  const int64_t step = int64_t{per_block} * gridDim.x;
  for (int64_t first = blockIdx.x * int64_t{per_block} + threadIdx.x * width; first < n; first += step) {
    gpu::Vec<float, width> values[loads];
#pragma unroll
    for (int i = 0; i < loads; ++i) {
      const int64_t at = first + i * threads * width;
      if (at < n) {
        values[i] = gpu::load_vec<width>(x + at);
      } else {
        values[i] = {};
      }
    }
#pragma unroll
    for (int i = 0; i < loads; ++i) sums[i] += values[i][0] + values[i][1] + (values[i][2] + values[i][3]);
  }
  const float sum = gpu::block_sum(sums[0] + sums[1] + (sums[2] + sums[3]));
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(threads) sum_of_parts(float* y, const float* parts, int count) {
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += threads) sum += parts[i];
  sum = gpu::block_sum(sum);
  if (threadIdx.x == 0) *y = sum;
}

}  // namespace

void copy_floats(float* y, const float* x, int64_t n, cudaStream_t stream) {
  GPU_LAUNCH(copy_blocks, gpu::blocks_for(n, per_block), threads, 0, stream, y, x, n);
}

void sum_floats(float* y, float* parts, const float* x, int64_t n, cudaStream_t stream) {
  const unsigned blocks = gpu::blocks_for(n, per_block, sum_blocks);
  GPU_LAUNCH(sum_blocks_of, blocks, threads, 0, stream, parts, x, n);
  GPU_LAUNCH(sum_of_parts, 1, threads, 0, stream, y, parts, static_cast<int>(blocks));
}

}  // namespace fulmen::ladder
