// The matrix units: a warp multiplies 16 x 16 by 16 x 8 elements of bfloat16 in one instruction, mma.sync.
//
// Otherwise as before: tiles go through registers to shared memory and from there to registers by ordinary loads. The
// instruction wants pairs along the depth; those of b lie a row apart and are put together by hand. Rows of shared
// memory are 16 bytes longer than used, so that neighbouring rows begin in different banks.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/ptx.h>

namespace fulmen::ladder {

namespace {

using S = BFloat16;
constexpr int tile = 64, depth = 32, warp_tile = 32, threads = 128, width = 8;
constexpr int pitch_a = depth + width, pitch_b = tile + width;
using Eight = gpu::Vec<S, width>;

/// Moves a tile of Rows x Cols elements to shared memory; zeros stand for what is outside.
template <int Rows, int Cols, int Pitch>
GPU_INLINE void copy_tile(S* to, const S* from, int stride, int rows_left, int cols_left) {
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < Rows * Cols / width; i += threads) {
    const int row = i / (Cols / width), col = i % (Cols / width) * width;
    Eight values{};
    if (row < rows_left && col < cols_left) values = gpu::load_vec<width>(from + int64_t{row} * stride + col);
    gpu::store_vec(to + row * Pitch + col, values);
  }
}
GPU_INLINE uint32_t pair_of(S low, S high) { return static_cast<uint32_t>(high.bits) << 16 | low.bits; }

__global__ void __launch_bounds__(threads) gemm_with_mma(S* c, const S* a, const S* b, GemmSize size) {
  __shared__ __align__(16) unsigned char shared_a[tile * pitch_a * 2], shared_b[depth * pitch_b * 2];
  S* const tile_a = reinterpret_cast<S*>(shared_a);  // (row, k)
  S* const tile_b = reinterpret_cast<S*>(shared_b);  // (k, col)
  const int col_tiles = (size.cols + tile - 1) / tile, block = static_cast<int>(blockIdx.x);
  const int first_row = block / col_tiles * tile, first_col = block % col_tiles * tile;
  const int g = gpu::lane_index() / 4, t = gpu::lane_index() % 4;
  const int warp_row = gpu::warp_index() / 2 * warp_tile, warp_col = gpu::warp_index() % 2 * warp_tile;
  float sums[2][4][4] = {};  // (16 rows, 8 columns) each
  for (int k = 0; k < size.depth; k += depth) {
    copy_tile<tile, depth, pitch_a>(tile_a, a + int64_t{first_row} * size.depth + k, size.depth, size.rows - first_row,
                                    size.depth - k);
    copy_tile<depth, tile, pitch_b>(tile_b, b + int64_t{k} * size.cols + first_col, size.cols, size.depth - k,
                                    size.cols - first_col);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < depth; i += 16) {
      uint32_t x[2][4], y[4][2];
#pragma unroll
      for (int part = 0; part < 4; ++part) {
        const int k_of = i + t * 2 + part / 2 * 8;
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const S* from = tile_a + (warp_row + r * 16 + g + part % 2 * 8) * pitch_a + k_of;
          x[r][part] = *reinterpret_cast<const uint32_t*>(from);
        }
      }
#pragma unroll
      for (int s = 0; s < 4; ++s) {
#pragma unroll
        for (int part = 0; part < 2; ++part) {
          const S* from = tile_b + (i + t * 2 + part * 8) * pitch_b + warp_col + s * 8 + g;
          y[s][part] = pair_of(from[0], from[pitch_b]);
        }
      }
#pragma unroll
      for (int r = 0; r < 2; ++r) {
#pragma unroll
        for (int s = 0; s < 4; ++s) ptx::mma_m16n8k16<S>(sums[r][s], x[r], y[s]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 2 * 4 * 2; ++i) {
    const int r = i / 8, s = i / 2 % 4, lower = i % 2;
    const int row = first_row + warp_row + r * 16 + lower * 8 + g, col = first_col + warp_col + s * 8 + t * 2;
    const gpu::Vec<S, 2> two{sums[r][s][lower * 2], sums[r][s][lower * 2 + 1]};
    if (row < size.rows && col < size.cols) gpu::store_vec(c + int64_t{row} * size.cols + col, two);
  }
}

void run(S* c, const S* a, const S* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_with_mma, static_cast<unsigned>(blocks), threads, 0, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<BFloat16> gemm_6_mma{"gemm_6_mma", "matrix units, operands by ordinary loads", width, 0, run};

}  // namespace fulmen::ladder
