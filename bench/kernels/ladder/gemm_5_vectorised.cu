// 8 x 8 elements per thread, and every load is 16 bytes wide, from global and from shared memory.
//
// Rows of a are turned into columns on the way to shared memory, so that a thread's 8 rows are two such loads there. A
// thread's elements are 4 + 4 rows and columns, 64 apart: then the loads of a warp touch every bank once. What the
// library's kernel (gemm_simt.cuh) adds is the next step on its way while this one is computed.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int tile = 128, depth = 8, threads = 256, width = 4, half = tile / 2;
constexpr int pitch = tile + 4;  // turned rows of a then reach different banks
using Four = gpu::Vec<float, width>;

GPU_INLINE Four load_or_zero(const float* from, bool inside) {
  if (inside) return gpu::load_vec<width>(from);
  return {};
}
/// Elements of a thread in a row of shared memory.
GPU_INLINE void read_eight(float (&values)[8], const float* row, int index) {
  const Four low = gpu::load_vec<width>(row + index * width), high = gpu::load_vec<width>(row + half + index * width);
#pragma unroll
  for (int i = 0; i < width; ++i) values[i] = low[i], values[width + i] = high[i];
}

__global__ void __launch_bounds__(threads) gemm_vectorised(float* c, const float* a, const float* b, GemmSize size) {
  __shared__ __align__(16) float tile_a[depth][pitch], tile_b[depth][tile];  // (k, row), (k, col)
  const int col_tiles = (size.cols + tile - 1) / tile, block = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x), down = thread / 16, right = thread % 16;
  const int first_row = block / col_tiles * tile, first_col = block % col_tiles * tile;
  const int a_row = thread / 2, a_k = thread % 2 * width, b_k = thread / 32, b_col = thread % 32 * width;
  float sums[8][8] = {};
  for (int k = 0; k < size.depth; k += depth) {
    const Four from_a = load_or_zero(a + int64_t{first_row + a_row} * size.depth + k + a_k,
                                     first_row + a_row < size.rows && k + a_k < size.depth);
    const Four from_b = load_or_zero(b + int64_t{k + b_k} * size.cols + first_col + b_col,
                                     k + b_k < size.depth && first_col + b_col < size.cols);
#pragma unroll
    for (int i = 0; i < width; ++i) tile_a[a_k + i][a_row] = from_a[i];
    gpu::store_vec(&tile_b[b_k][b_col], from_b);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < depth; ++i) {
      float x[8], y[8];
      read_eight(x, tile_a[i], down);
      read_eight(y, tile_b[i], right);
#pragma unroll
      for (int r = 0; r < 8; ++r) {
#pragma unroll
        for (int s = 0; s < 8; ++s) sums[r][s] += x[r] * y[s];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < 8; ++r) {
    const int row = first_row + r / width * half + down * width + r % width;
#pragma unroll
    for (int part = 0; part < 2; ++part) {
      const int col = first_col + part * half + right * width;
      const Four four{sums[r][part * 4], sums[r][part * 4 + 1], sums[r][part * 4 + 2], sums[r][part * 4 + 3]};
      if (row < size.rows && col < size.cols) gpu::store_vec(c + int64_t{row} * size.cols + col, four);
    }
  }
}

void run(float* c, const float* a, const float* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_vectorised, static_cast<unsigned>(blocks), threads, 0, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<float> gemm_5_vectorised{"gemm_5_vectorised", "8 x 8 elements per thread, 16 bytes per load",
                                               width, 0, run};

}  // namespace fulmen::ladder
