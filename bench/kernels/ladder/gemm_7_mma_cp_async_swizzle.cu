// Copies run beside the products: cp.async fills two stages ahead; ldmatrix reads what a swizzle has spread over banks.
//
// 16-byte chunks go from global to shared memory without a register between. A chunk's place in its row is XORed with
// the row's number, so that the 8 rows that ldmatrix reads at a time lie in different banks without padding. ldmatrix
// also turns b, pair by pair, on its way to registers. A warp has 64 x 32 elements of c. The library's gemm_mma.cuh is
// this for all layouts and types.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/ptx.h>

namespace fulmen::ladder {

namespace {

using S = BFloat16;
constexpr int tile = 128, depth = 32, stages = 3, threads = 256, chunk = 8;
constexpr int tile_bytes = tile * depth * 2, stage_bytes = 2 * tile_bytes;

/// a: rows of 32 elements, 64 bytes; two of them share all banks.
GPU_INLINE int place_a(int row, int column) { return row * 64 + (column ^ (row >> 1 & 3)) * 16; }
/// b: rows of 128 elements, 256 bytes.
GPU_INLINE int place_b(int row, int column) { return row * 256 + (column ^ (row & 7)) * 16; }

/// Starts the copies of one step: 512 chunks of each operand, 2 per thread. Zeros stand for what is outside.
GPU_INLINE void start_step(unsigned char* stage, const S* a, const S* b, const GemmSize& size, int rows_left,
                           int cols_left, int depth_left) {
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < tile * depth / chunk; i += threads) {
    const int a_row = i / 4, a_chunk = i % 4, b_row = i / 16, b_chunk = i % 16;
    const bool a_inside = a_row < rows_left && a_chunk * chunk < depth_left;
    const bool b_inside = b_row < depth_left && b_chunk * chunk < cols_left;
    ptx::cp_async<16>(stage + place_a(a_row, a_chunk), a_inside ? a + int64_t{a_row} * size.depth + a_chunk * chunk : a,
                      a_inside ? 16 : 0);
    ptx::cp_async<16>(stage + tile_bytes + place_b(b_row, b_chunk),
                      b_inside ? b + int64_t{b_row} * size.cols + b_chunk * chunk : b, b_inside ? 16 : 0);
  }
}

/// The products of one step.
GPU_INLINE void multiply_step(float (&sums)[4][4][4], const unsigned char* stage, int warp_row, int warp_col) {
  const int lane = gpu::lane_index();
#pragma unroll
  for (int k = 0; k < depth; k += 16) {
    uint32_t x[4][4], y[2][4];
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      ptx::ldmatrix<4>(x[r], stage + place_a(warp_row + r * 16 + lane % 16, k / chunk + lane / 16));
    }
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      const int column = (warp_col + s * 16) / chunk + lane / 16;
      ptx::ldmatrix<4, true>(y[s], stage + tile_bytes + place_b(k + lane % 16, column));
    }
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
      for (int s = 0; s < 4; ++s) {
        const uint32_t pair[2] = {y[s / 2][s % 2 * 2], y[s / 2][s % 2 * 2 + 1]};
        ptx::mma_m16n8k16<S>(sums[r][s], x[r], pair);
      }
    }
  }
}

__global__ void __launch_bounds__(threads, 2) gemm_with_stages(S* c, const S* a, const S* b, GemmSize size) {
  GPU_DYNAMIC_SHARED(unsigned char, shared);  // [stages][tile of a, tile of b]
  const int col_tiles = (size.cols + tile - 1) / tile, block = static_cast<int>(blockIdx.x);
  const int first_row = block / col_tiles * tile, first_col = block % col_tiles * tile;
  const int warp_row = gpu::warp_index() / 4 * 64, warp_col = gpu::warp_index() % 4 * 32;
  const S* from_a = a + int64_t{first_row} * size.depth;
  const S* from_b = b + first_col;
  const int steps = (size.depth + depth - 1) / depth;
  auto start = [&](int step) {
    if (step < steps) {
      start_step(shared + step % stages * stage_bytes, from_a + step * depth,
                 from_b + int64_t{step} * depth * size.cols, size, size.rows - first_row, size.cols - first_col,
                 size.depth - step * depth);
    }
    ptx::cp_async_commit();  // an empty group where nothing is left, so that waiting counts the same
  };
  float sums[4][4][4] = {};  // (16 rows, 8 columns) each
#pragma unroll
  for (int s = 0; s < stages - 1; ++s) start(s);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<stages - 2>();
    __syncthreads();  // this step is there, and the one before it has been read by all
    start(step + stages - 1);
    multiply_step(sums, shared + step % stages * stage_bytes, warp_row, warp_col);
  }
  ptx::cp_async_wait<0>();
#pragma unroll
  for (int i = 0; i < 4 * 4 * 2; ++i) {
    const int r = i / 8, s = i / 2 % 4, lower = i % 2, lane = gpu::lane_index();
    const int row = first_row + warp_row + r * 16 + lower * 8 + lane / 4,
              col = first_col + warp_col + s * 8 + lane % 4 * 2;
    const gpu::Vec<S, 2> two{sums[r][s][lower * 2], sums[r][s][lower * 2 + 1]};
    if (row < size.rows && col < size.cols) gpu::store_vec(c + int64_t{row} * size.cols + col, two);
  }
}

void run(S* c, const S* a, const S* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_with_stages, static_cast<unsigned>(blocks), threads, stages * stage_bytes, stream, c, a, b, size);
}

}  // namespace

extern const GemmRung<BFloat16> gemm_7_mma_cp_async_swizzle{
    "gemm_7_mma_cp_async_swizzle", "three stages of asynchronous copies, ldmatrix from swizzled rows", chunk, 0, run};

}  // namespace fulmen::ladder
