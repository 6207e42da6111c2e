// Hopper: one thread asks the copy engine for whole tiles, and 128 threads multiply them from shared memory (wgmma).
//
// No thread computes an address of an element and no operand passes through registers. Two stages: the next step's
// tiles arrive while this one is multiplied. What the library's gemm_wgmma.cu adds: a group of threads that does
// nothing but ask, four stages, a tile twice as wide, all layouts.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/wgmma.h>

namespace fulmen::ladder {

namespace {

using S = BFloat16;
constexpr int tile = 128, step = 64, stages = 2, threads = 256;
constexpr int span = 64;  // elements of 128 bytes, a row of the swizzle
constexpr int span_bytes = span * step * 2, stage_bytes = 4 * span_bytes;

/// Tiles of a (row, k) and b (k, col), each in two spans of 64 rows of 128 bytes.
[[maybe_unused]] GPU_INLINE void ask(unsigned char* stage, const CUtensorMap* a, const CUtensorMap* b, uint64_t* full,
                                     int row, int col, int k) {
  ptx::mbarrier_expect(full, stage_bytes);
  ptx::tma_load(stage, a, full, k, row);
  ptx::tma_load(stage + 2 * span_bytes, b, full, col, k);
  ptx::tma_load(stage + 3 * span_bytes, b, full, col + span, k);
}

__global__ void __launch_bounds__(threads, 1)
    gemm_with_wgmma(S* c, GemmSize size, const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b) {
#if GPU_HOPPER_CODE
  GPU_DYNAMIC_SHARED(unsigned char, shared);  // [stages][tile of a, tile of b]
  __shared__ uint64_t full[stages];
  const int thread = static_cast<int>(threadIdx.x), col_tiles = (size.cols + tile - 1) / tile;
  const int first_row = static_cast<int>(blockIdx.x) / col_tiles * tile;
  const int first_col = static_cast<int>(blockIdx.x) % col_tiles * tile;
  const int steps = (size.depth + step - 1) / step;
  if (thread == 0) {
    for (int s = 0; s < stages; ++s) ptx::mbarrier_init(&full[s], 1);
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  if (thread == 0) ask(shared, &a, &b, &full[0], first_row, first_col, 0);

  const int group = thread / 128;  // of 64 rows
  float sums[tile / 2];
#pragma unroll
  for (float& sum : sums) sum = 0;
  for (int i = 0; i < steps; ++i) {
    const int stage = i % stages, next = (i + 1) % stages;
    const unsigned char* place = shared + stage * stage_bytes;
    if (thread == 0 && i + 1 < steps) {
      ask(shared + next * stage_bytes, &a, &b, &full[next], first_row, first_col, (i + 1) * step);
    }
    ptx::mbarrier_wait(&full[stage], i / stages & 1);
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < step; k += 16) {
      const uint64_t from_a =
          ptx::wgmma_descriptor(place + group * span_bytes + k * 2, ptx::Swizzle::bytes128, 0, 1024);
      const uint64_t from_b =
          ptx::wgmma_descriptor(place + 2 * span_bytes + k * 128, ptx::Swizzle::bytes128, span_bytes, 1024);
      ptx::wgmma<S, tile, ptx::Major::k, ptx::Major::mn>(sums, from_a, from_b, true);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
    __syncthreads();  // both groups have read this stage
  }
  const int lane = thread % 32, row = first_row + group * 64 + thread % 128 / 32 * 16 + lane / 4;
#pragma unroll
  for (int i = 0; i < tile / 8 * 2; ++i) {
    const int r = row + i % 2 * 8, col = first_col + i / 2 * 8 + lane % 4 * 2;
    const gpu::Vec<S, 2> two{sums[i * 2], sums[i * 2 + 1]};
    if (r < size.rows && col < size.cols) gpu::store_vec(c + int64_t{r} * size.cols + col, two);
  }
#endif
}

/// Boxes of `box_rows` rows of 64 elements of x[rows, cols].
CUtensorMap boxes_of(const S* x, int rows, int cols, int box_rows) {
  ptx::TensorBox box{x, ScalarType::BFloat16, 2, {}, {}, {}, ptx::Swizzle::bytes128};
  box.sizes[0] = static_cast<uint64_t>(cols), box.sizes[1] = static_cast<uint64_t>(rows);
  box.stride_bytes[0] = static_cast<uint64_t>(cols) * 2;
  box.box[0] = span, box.box[1] = static_cast<uint32_t>(box_rows);
  CUtensorMap map{};
  ptx::encode_tensor_map(&map, box);
  return map;
}

void run(S* c, const S* a, const S* b, GemmSize size, cudaStream_t stream) {
  const int64_t blocks = int64_t{(size.rows + tile - 1) / tile} * ((size.cols + tile - 1) / tile);
  GPU_LAUNCH(gemm_with_wgmma, static_cast<unsigned>(blocks), threads, stages * stage_bytes, stream, c, size,
             boxes_of(a, size.rows, size.depth, tile), boxes_of(b, size.depth, size.cols, step));
}

}  // namespace

extern const GemmRung<BFloat16> gemm_8_wgmma_tma{
    "gemm_8_wgmma_tma", "the copy engine brings tiles, warpgroups multiply", 8, ptx::has_hopper_code ? 90 : -1, run};

}  // namespace fulmen::ladder
