// A thread computes 4 x 4 elements: 8 loads from shared memory now feed 16 products in the place of one product per 2.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int tile = 64, depth = 16, own = 4, across = tile / own, threads = across * across;

__global__ void __launch_bounds__(threads)
    gemm_register_tiles(float* c, const float* a, const float* b, GemmSize size) {
  __shared__ float tile_a[depth][tile + 1], tile_b[depth][tile];  // (k, row), (k, col)
  const int col_tiles = (size.cols + tile - 1) / tile, block = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x), down = thread / across, right = thread % across;
  const int first_row = block / col_tiles * tile, first_col = block % col_tiles * tile;
  float sums[own][own] = {};
  for (int k = 0; k < size.depth; k += depth) {
#pragma unroll
    for (int i = thread; i < tile * depth; i += threads) {
      const int row = i / depth, a_k = i % depth, b_k = i / tile, col = i % tile;
      const bool a_inside = first_row + row < size.rows && k + a_k < size.depth;
      const bool b_inside = k + b_k < size.depth && first_col + col < size.cols;
      tile_a[a_k][row] = a_inside ? a[int64_t{first_row + row} * size.depth + k + a_k] : 0;
      tile_b[b_k][col] = b_inside ? b[int64_t{k + b_k} * size.cols + first_col + col] : 0;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < depth; ++i) {
      float x[own], y[own];
#pragma unroll
      for (int j = 0; j < own; ++j) x[j] = tile_a[i][down + j * across], y[j] = tile_b[i][right + j * across];
#pragma unroll
      for (int r = 0; r < own; ++r) {
#pragma unroll
        for (int s = 0; s < own; ++s) sums[r][s] += x[r] * y[s];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < own; ++r) {
#pragma unroll
    for (int s = 0; s < own; ++s) {
      const int row = first_row + down + r * across, col = first_col + right + s * across;
      if (row < size.rows && col < size.cols) c[int64_t{row} * size.cols + col] = sums[r][s];
    }
  }
}

void run(float* c, const float* a, const float* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_register_tiles, static_cast<unsigned>(blocks), threads, 0, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<float> gemm_4_register_tiles{"gemm_4_register_tiles", "4 x 4 elements of c per thread", 1, 0,
                                                   run};

}  // namespace fulmen::ladder
