// A block loads tiles of a and b into shared memory, where 32 threads each use every element: a 32nd of the traffic.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int tile = 32, threads = tile * tile;

__global__ void __launch_bounds__(threads) gemm_shared_tiles(float* c, const float* a, const float* b, GemmSize size) {
  __shared__ float tile_a[tile][tile], tile_b[tile][tile];  // (row, k), (k, col)
  const int col_tiles = (size.cols + tile - 1) / tile, block = static_cast<int>(blockIdx.x);
  const int down = static_cast<int>(threadIdx.x) / tile, right = static_cast<int>(threadIdx.x) % tile;
  const int row = block / col_tiles * tile + down, col = block % col_tiles * tile + right;
  float sum = 0;
  for (int k = 0; k < size.depth; k += tile) {
    const bool a_inside = row < size.rows && k + right < size.depth;
    const bool b_inside = k + down < size.depth && col < size.cols;
    tile_a[down][right] = a_inside ? a[int64_t{row} * size.depth + k + right] : 0;
    tile_b[down][right] = b_inside ? b[int64_t{k + down} * size.cols + col] : 0;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < tile; ++i) sum += tile_a[down][i] * tile_b[i][right];
    __syncthreads();
  }
  if (row < size.rows && col < size.cols) c[int64_t{row} * size.cols + col] = sum;
}

void run(float* c, const float* a, const float* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_shared_tiles, static_cast<unsigned>(blocks), threads, 0, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<float> gemm_3_shared_tiles{"gemm_3_shared_tiles", "tiles of both operands in shared memory", 1, 0,
                                                 run};

}  // namespace fulmen::ladder
