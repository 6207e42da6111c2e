// The same with neighbouring threads in neighbouring columns: a warp reads one piece of b and writes one piece of c.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int tile_rows = 8, tile_cols = 32, threads = tile_rows * tile_cols;

__global__ void __launch_bounds__(threads) gemm_along_rows(float* c, const float* a, const float* b, GemmSize size) {
  const int col_tiles = (size.cols + tile_cols - 1) / tile_cols, block = static_cast<int>(blockIdx.x);
  const int row = block / col_tiles * tile_rows + static_cast<int>(threadIdx.x) / tile_cols;
  const int col = block % col_tiles * tile_cols + static_cast<int>(threadIdx.x) % tile_cols;
  if (row >= size.rows || col >= size.cols) return;
  float sum = 0;
  for (int k = 0; k < size.depth; ++k) {
    sum += a[int64_t{row} * size.depth + k] * b[int64_t{k} * size.cols + col];
  }
  c[int64_t{row} * size.cols + col] = sum;
}

void run(float* c, const float* a, const float* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile_rows - 1) / tile_rows} * ((size.cols + tile_cols - 1) / tile_cols);
  GPU_LAUNCH(gemm_along_rows, static_cast<unsigned>(blocks), threads, 0, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<float> gemm_2_coalesced{"gemm_2_coalesced", "neighbouring threads in neighbouring columns", 1, 0,
                                              run};

}  // namespace fulmen::ladder
