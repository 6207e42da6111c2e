// A thread computes one element of c, straight from global memory.
//
// Neighbouring threads have neighbouring rows, as somebody who thinks in mathematics' order might write it: each load
// of a warp from a, and each store, touches 32 lines of memory.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int tile = 16, threads = tile * tile;

__global__ void __launch_bounds__(threads) gemm_down_columns(float* c, const float* a, const float* b, GemmSize size) {
  const int col_tiles = (size.cols + tile - 1) / tile, block = static_cast<int>(blockIdx.x);
  const int row = block / col_tiles * tile + static_cast<int>(threadIdx.x) % tile;
  const int col = block % col_tiles * tile + static_cast<int>(threadIdx.x) / tile;
  if (row >= size.rows || col >= size.cols) return;
  float sum = 0;
  for (int k = 0; k < size.depth; ++k) {
    sum += a[int64_t{row} * size.depth + k] * b[int64_t{k} * size.cols + col];
  }
  c[int64_t{row} * size.cols + col] = sum;
}

void run(float* c, const float* a, const float* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_down_columns, static_cast<unsigned>(blocks), threads, 0, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<float> gemm_1_naive{"gemm_1_naive", "a thread per element of c", 1, 0, run};

}  // namespace fulmen::ladder
