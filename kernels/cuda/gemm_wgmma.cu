#include <fulmen/kernels/cuda/gemm_piece.h>
#include <fulmen/kernels/cuda/wgmma.h>

// Large products of float16 and bfloat16 on compute capability 9.0, summed in float.
//
// A block has three groups of 128 threads. One thread of the first group asks the copy engine for the tiles of a and b,
// four steps of 64 along the depth ahead; the other two groups multiply 64 rows each, with both operands in shared
// memory and the sums in registers. Per stage one barrier says that the tiles are there, another that both groups have
// read them. Tiles lie in shared memory in spans of 128 bytes along the operand's contiguous dimension, whichever that
// is, so no layout needs a copy; what is outside of the operand arrives as zeros.
//
// The operands are aligned to 16 bytes, with one batch dimension at most; others take gemm_mma.
namespace fulmen::cuda {

namespace {

constexpr int tile_rows = 128, step = 64, stages = 4, group_threads = 128;
constexpr int span = 64;                                      // elements of 16 bits
[[maybe_unused]] constexpr int span_bytes = span * step * 2;  // of 64 lines
template <int Cols>
constexpr int stage_bytes = (tile_rows + Cols) * step * 2;
template <int Cols>
constexpr int shared_bytes = stages* stage_bytes<Cols> + tile_rows / piece_rows* piece_bytes;

/// Loads the step's tile of one operand, `Extent` elements across the depth from `first` on.
template <int Extent, ptx::Major M>
GPU_INLINE void load_tile(unsigned char* to, const CUtensorMap* map, uint64_t* barrier, int first, int depth,
                          int batch) {
  if constexpr (M == ptx::Major::k) {
    ptx::tma_load(to, map, barrier, depth, first, batch);
  } else {
#pragma unroll
    for (int i = 0; i < Extent / span; ++i) {
      ptx::tma_load(to + i * span_bytes, map, barrier, first + i * span, depth, batch);
    }
  }
}
/// The operand from depth `k` of the step on: 16 further are 32 bytes within the spans, or 16 lines of 128 bytes.
template <ptx::Major M>
GPU_INLINE uint64_t describe(const unsigned char* tile, int k) {
  constexpr int bytes = M == ptx::Major::k ? 2 : 128;
  return ptx::wgmma_descriptor(tile + k * bytes, ptx::Swizzle::bytes128, span_bytes, 8 * 128);
}

/// A group's 64 rows of the tile from `group_row` on, from registers to c. `pieces`: piece_bytes for each warp of both
/// groups.
template <class S, int Cols>
GPU_INLINE void put_sums(const GemmProblem& p, const GemmTile& tile, unsigned char* pieces, int group_row,
                         const float (&sums)[Cols / 2]) {
  const GemmResult<S, float> result(p, tile.batch, tile.split);
  const int warp_row = group_row + gpu::warp_index() % 4 * piece_rows;
  auto* piece = reinterpret_cast<float*>(pieces + warp_row / piece_rows * piece_bytes);
  const int64_t row = int64_t{tile.row} * tile_rows + warp_row, col = int64_t{tile.col} * Cols;
#pragma unroll
  for (int first = 0; first < Cols; first += piece_cols) {
    float part[piece_cols / 8][4];
#pragma unroll
    for (int i = 0; i < piece_cols / 2; ++i) part[i / 4][i % 4] = sums[first / 2 + i];
    put_piece(result, piece, row, col + first, part);
  }
}

template <class S, int Cols, ptx::Major A, ptx::Major B>
__global__ void __launch_bounds__(3 * group_threads, 1)
    gemm_wgmma(const GemmProblem p, const __grid_constant__ CUtensorMap a_map,
               const __grid_constant__ CUtensorMap b_map) {
#if GPU_HOPPER_CODE
  GPU_DYNAMIC_SHARED(unsigned char, shared);  // [stages][tile of a, tile of b], [warps][piece of c]
  __shared__ uint64_t full[stages], empty[stages];
  const int thread = static_cast<int>(threadIdx.x), group = thread / group_threads;
  if (thread == 0) {
    for (int s = 0; s < stages; ++s) {
      ptx::mbarrier_init(&full[s], 1);
      ptx::mbarrier_init(&empty[s], 2);
    }
    ptx::mbarrier_fence_init();
  }
  __syncthreads();

  const GemmTile tile = tile_of_block(p);
  const int first = static_cast<int>(depth_begin(p, tile.split)), end = static_cast<int>(depth_end(p, tile.split));
  const int steps = (end - first + step - 1) / step;
  if (group == 0) {
    ptx::give_registers<40>();
    if (thread > 0) return;
    for (int i = 0; i < steps; ++i) {
      const int stage = i % stages, round = i / stages;
      unsigned char* place = shared + stage * stage_bytes<Cols>;
      if (round > 0) ptx::mbarrier_wait(&empty[stage], (round - 1) & 1);
      ptx::mbarrier_expect(&full[stage], stage_bytes<Cols>);
      load_tile<tile_rows, A>(place, &a_map, &full[stage], tile.row * tile_rows, first + i * step,
                              p.a_strides.batch[0] ? tile.batch : 0);
      load_tile<Cols, B>(place + 2 * span_bytes, &b_map, &full[stage], tile.col * Cols, first + i * step,
                         p.b_strides.batch[0] ? tile.batch : 0);
    }
    return;
  }
  ptx::take_registers<232>();
  float sums[Cols / 2];
#pragma unroll
  for (float& sum : sums) sum = 0;
  for (int i = 0; i < steps; ++i) {
    const int stage = i % stages;
    const unsigned char* place = shared + stage * stage_bytes<Cols>;
    ptx::mbarrier_wait(&full[stage], i / stages & 1);
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < step; k += 16) {
      ptx::wgmma<S, Cols, A, B>(sums, describe<A>(place + (group - 1) * span_bytes, k),
                                describe<B>(place + 2 * span_bytes, k), true);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();  // the step before this one has been read
    if (i > 0 && thread % group_threads == 0) ptx::mbarrier_arrive(&empty[(i - 1) % stages]);
  }
  ptx::wgmma_wait<0>();

  put_sums<S, Cols>(p, tile, shared + stages * stage_bytes<Cols>, (group - 1) * 64, sums);
#endif
}

/// How the copy engine walks through an operand: (contiguous dimension, other dimension, product). `extent`: rows of a
/// or columns of b, `tile_extent` of them in a tile.
bool encode_operand(CUtensorMap* map, const GemmProblem& p, ScalarType dtype, const void* data,
                    const GemmStrides& strides, bool along_depth, int64_t extent, int64_t depth_stride,
                    int64_t other_stride, int tile_extent) {
  const int64_t across = along_depth ? other_stride : depth_stride;
  const int64_t batch = p.batch_dims == 0 ? 0 : strides.batch[0];
  if (across <= 0 || batch < 0 || extent > INT32_MAX || p.depth > INT32_MAX) return false;
  ptx::TensorBox box{data, dtype, 3, {}, {}, {}, ptx::Swizzle::bytes128};
  box.sizes[0] = static_cast<uint64_t>(along_depth ? p.depth : extent);
  box.sizes[1] = static_cast<uint64_t>(along_depth ? extent : p.depth);
  box.sizes[2] = batch == 0 ? 1 : static_cast<uint64_t>(p.batches);
  box.stride_bytes[0] = static_cast<uint64_t>(across) * 2;
  box.stride_bytes[1] = static_cast<uint64_t>(batch == 0 ? across : batch) * 2;
  box.box[0] = span;
  box.box[1] = along_depth ? static_cast<uint32_t>(tile_extent) : step;
  box.box[2] = 1;
  return ptx::encode_tensor_map(map, box);
}

template <class S, int Cols>
bool launch_wgmma(const Launch& launch, GemmProblem p, ScalarType dtype, bool a_depth, bool b_depth) {
  using ptx::Major;
  using Kernel = void (*)(GemmProblem, CUtensorMap, CUtensorMap);
  static constexpr Kernel kernels[4] = {
      gemm_wgmma<S, Cols, Major::mn, Major::mn>, gemm_wgmma<S, Cols, Major::mn, Major::k>,
      gemm_wgmma<S, Cols, Major::k, Major::mn>, gemm_wgmma<S, Cols, Major::k, Major::k>};
  CUtensorMap a_map, b_map;
  const GemmStrides &a = p.a_strides, &b = p.b_strides;
  if (!encode_operand(&a_map, p, dtype, p.a, a, a_depth, p.rows, a.col, a.row, tile_rows) ||
      !encode_operand(&b_map, p, dtype, p.b, b, b_depth, p.cols, b.row, b.col, Cols)) {
    return false;
  }
  cut_into_tiles(p, tile_rows, Cols, step, 512);
  launch_tiles<S, float>(launch, p, kernels[2 * a_depth + b_depth], 3 * group_threads, shared_bytes<Cols>, a_map,
                         b_map);
  return true;
}

template <class S>
bool choose_width(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool a_depth, bool b_depth) {
  if ((p.rows / tile_rows) * (p.cols / 256) * p.batches >= enough_large_tiles) {
    return launch_wgmma<S, 256>(launch, p, dtype, a_depth, b_depth);
  }
  return launch_wgmma<S, 128>(launch, p, dtype, a_depth, b_depth);
}

}  // namespace

bool gemm_on_copy_engine(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool a_depth, bool b_depth) {
  // The kernels hold code for this very capability only.
  const bool has_code = ptx::has_hopper_code && processor(launch).capability == 90;
  if (!has_code || !p.a_aligned || !p.b_aligned || p.batch_dims > 1) return false;
  return dtype == ScalarType::Half ? choose_width<Half>(launch, p, dtype, a_depth, b_depth)
                                   : choose_width<BFloat16>(launch, p, dtype, a_depth, b_depth);
}

}  // namespace fulmen::cuda
