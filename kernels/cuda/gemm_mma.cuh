#pragma once
#include <fulmen/kernels/cuda/gemm_piece.h>
#include <fulmen/kernels/cuda/ptx.h>

// Products on the matrix units of compute capability 8.0 and later (mma.sync), summed in float: of float16, of
// bfloat16, and of float rounded to TF32 (10 bits of mantissa, to nearest) on the way to the units.
//
// A block computes a tile of c, each warp a part of it in registers, in steps of 64 bytes along the depth: 32 elements
// of 16 bits, 16 of float. Three steps lie in shared memory: one is multiplied while the next two are copied there
// (cp.async, 16 bytes at a time). A tile keeps the operand's own order: its rows run along the depth, or across it, in
// which case ldmatrix transposes on the way to registers (float: plain loads do). So no layout needs a copy. Chunks of
// 16 bytes are permuted within their row, so that what a warp reads at a time lies in different banks.
//
// Operands that are not aligned to 16 bytes, or have no contiguous dimension, are copied element by element.
// Cost: rows * cols * depth multiply-adds; the 128 x 128 tile multiplies 32 times per byte that it copies (16 bits).
namespace fulmen::cuda {

inline constexpr int step_bytes = 64, chunk_bytes = 16, step_chunks = step_bytes / chunk_bytes;
template <class S>
inline constexpr int step_depth = step_bytes / static_cast<int>(sizeof(S));
template <class S>
inline constexpr int chunk = chunk_bytes / static_cast<int>(sizeof(S));

/// Rows, Cols: of the block's tile of c; WarpRows, WarpCols: of a warp's part of it.
template <int Rows, int Cols, int WarpRows, int WarpCols>
struct MmaTile {
  static constexpr int rows = Rows, cols = Cols, stages = 3;
  static constexpr int warp_rows = WarpRows, warp_cols = WarpCols, warps_down = Rows / WarpRows;
  static constexpr bool sums_a = Rows <= sums_a_rows;
  static constexpr int threads = warps_down * (Cols / WarpCols) * gpu::warp_size;
};

/// Bytes from one row to the next of a tile whose rows run across the depth. With float, a warp's plain loads touch 8
/// elements of 4 rows: these begin 8 banks apart.
template <class S, int Span>
inline constexpr int across_pitch = Span* static_cast<int>(sizeof(S)) + (sizeof(S) == 4 ? 32 : 0);

/// Bytes of a tile in whichever order.
template <class S, int Span>
inline constexpr int tile_bytes = across_pitch<S, Span>* step_depth<S>;
template <class S, class Tile>
inline constexpr int stage_bytes = tile_bytes<S, Tile::rows> + tile_bytes<S, Tile::cols>;

/// Where a chunk lies in a tile of `Span` elements across the depth and one step along it. Rows of 64 bytes share 128
/// bytes of banks in pairs, so there the pair's number is mixed in; across the depth ldmatrix reads a chunk of 8 rows.
template <class S, int Span, bool AlongDepth>
GPU_INLINE int chunk_offset(int row, int column) {
  if constexpr (AlongDepth) {
    return row * step_bytes + (column ^ (row >> 1 & 3)) * chunk_bytes;
  } else {
    return row * across_pitch<S, Span> + (sizeof(S) == 2 ? column ^ (row & 7) : column) * chunk_bytes;
  }
}

/// Copies one operand's part of a step to shared memory.
template <class S, int Span, int Threads, bool AlongDepth>
struct ChunkCopy {
  static constexpr int depth = step_depth<S>, row_chunks = (AlongDepth ? depth : Span) / chunk<S>;
  static constexpr int pieces = Span * step_chunks / Threads, apart = Threads / row_chunks;

  const S* data;  ///< this thread's first chunk of the next step
  int64_t row_stride, element_stride, step_stride;
  int row, column;  ///< of the first chunk in the tile
  int across_left;  ///< elements of the operand across the depth, from the tile's first one on
  bool aligned;     ///< chunks are contiguous and aligned

  GPU_INLINE ChunkCopy(const S* tile, int64_t across_stride, int64_t depth_stride, int64_t left, bool chunks_aligned)
      : row_stride(AlongDepth ? across_stride : depth_stride),
        element_stride(AlongDepth ? depth_stride : across_stride),
        step_stride(depth * depth_stride),
        row(static_cast<int>(threadIdx.x) / row_chunks),
        column(static_cast<int>(threadIdx.x) % row_chunks),
        across_left(left < Span ? static_cast<int>(left) : Span),
        aligned(chunks_aligned) {
    data = tile + row * row_stride + column * chunk<S> * element_stride;
  }

  /// Zeros stand for what is outside of the operand. Then on to the next step.
  GPU_INLINE void start(unsigned char* tile, int64_t depth_left) {
    const int inside = depth_left < depth ? static_cast<int>(depth_left) : depth;
    const int rows = AlongDepth ? across_left : inside, elements = AlongDepth ? inside : across_left;
    int valid = elements - column * chunk<S>;
    valid = valid < 0 ? 0 : valid > chunk<S> ? chunk<S> : valid;
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      const int r = row + i * apart;
      unsigned char* place = tile + chunk_offset<S, Span, AlongDepth>(r, column);
      copy_chunk(place, data + i * apart * row_stride, r < rows ? valid : 0);
    }
    data += step_stride;
  }

 private:
  GPU_INLINE void copy_chunk(unsigned char* place, const S* from, int valid) const {
    if (aligned) return ptx::cp_async<chunk_bytes>(place, from, valid * static_cast<int>(sizeof(S)));
    gpu::Vec<S, chunk<S>> values{};
#pragma unroll
    for (int e = 0; e < chunk<S>; ++e) {
      if (e < valid) values[e] = from[e * element_stride];
    }
    gpu::store_vec(reinterpret_cast<S*>(place), values);
  }
};

/// One element of float of a tile whose rows run across the depth.
template <int Span>
GPU_INLINE uint32_t load_element(const unsigned char* tile, int depth, int across) {
  const unsigned char* place = tile + chunk_offset<float, Span, false>(depth, across / chunk<float>);
  return *reinterpret_cast<const uint32_t*>(place + across % chunk<float> * 4);
}
/// float to TF32; elements of 16 bits stay as they are.
template <class S>
GPU_INLINE void round_fragment(uint32_t (&fragment)[4]) {
  if constexpr (sizeof(S) == 4) {
#pragma unroll
    for (uint32_t& bits : fragment) bits = ptx::to_tf32(__uint_as_float(bits));
  }
}
/// 16 rows of a from `row`, and 32 bytes along the depth (two chunks of the step, from `first` on), as the matrix units
/// take them.
template <class S, int Span, bool AlongDepth>
GPU_INLINE void load_a(uint32_t (&fragment)[4], const unsigned char* tile, int row, int first) {
  const int lane = gpu::lane_index();
  if constexpr (AlongDepth) {
    ptx::ldmatrix<4>(fragment, tile + chunk_offset<S, Span, true>(row + lane % 16, first + lane / 16));
  } else if constexpr (sizeof(S) == 2) {
    ptx::ldmatrix<4, true>(fragment, tile + chunk_offset<S, Span, false>(first * chunk<S> + lane % 8 + lane / 16 * 8,
                                                                         row / chunk<S> + lane / 8 % 2));
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      fragment[i] = load_element<Span>(tile, (first + i / 2) * chunk<S> + lane % 4, row + lane / 4 + i % 2 * 8);
    }
  }
  round_fragment<S>(fragment);
}
/// 16 columns of b from `col`: two operands of the matrix units, one after the other.
template <class S, int Span, bool AlongDepth>
GPU_INLINE void load_b(uint32_t (&fragment)[4], const unsigned char* tile, int col, int first) {
  const int lane = gpu::lane_index();
  if constexpr (AlongDepth) {
    ptx::ldmatrix<4>(fragment,
                     tile + chunk_offset<S, Span, true>(col + lane % 8 + lane / 16 * 8, first + lane / 8 % 2));
  } else if constexpr (sizeof(S) == 2) {
    ptx::ldmatrix<4, true>(
        fragment, tile + chunk_offset<S, Span, false>(first * chunk<S> + lane % 16, col / chunk<S> + lane / 16));
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      fragment[i] = load_element<Span>(tile, (first + i % 2) * chunk<S> + lane % 4, col + lane / 4 + i / 2 * 8);
    }
  }
  round_fragment<S>(fragment);
}
template <class S>
GPU_INLINE void multiply(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  if constexpr (sizeof(S) == 4) {
    ptx::mma_m16n8k8_tf32(sums, a, b);
  } else {
    ptx::mma_m16n8k16<S>(sums, a, b);
  }
}

/// Where a warp's part of the tile begins.
template <class Tile>
GPU_INLINE int warp_row_of() {
  return gpu::warp_index() % Tile::warps_down * Tile::warp_rows;
}
template <class Tile>
GPU_INLINE int warp_col_of() {
  return gpu::warp_index() / Tile::warps_down * Tile::warp_cols;
}

/// Adds the products of one step, whose tiles lie in shared memory.
template <class S, class Tile, bool ADepth, bool BDepth, int Down, int Right>
GPU_INLINE void multiply_step(float (&sums)[Down][Right][4], const unsigned char* tile_a, const unsigned char* tile_b) {
  [[maybe_unused]] constexpr int unrolled = sizeof(S) == 4 ? 1 : 2;  // as many at a time as registers hold
  const int warp_row = warp_row_of<Tile>(), warp_col = warp_col_of<Tile>();
#pragma unroll unrolled
  for (int k = 0; k < step_chunks; k += 2) {
    uint32_t b[Right / 2][4];
#pragma unroll
    for (int j = 0; j < Right / 2; ++j) load_b<S, Tile::cols, BDepth>(b[j], tile_b, warp_col + j * 16, k);
#pragma unroll
    for (int i = 0; i < Down; ++i) {
      uint32_t a[4];
      load_a<S, Tile::rows, ADepth>(a, tile_a, warp_row + i * 16, k);
#pragma unroll
      for (int j = 0; j < Right; ++j) {
        const uint32_t pair[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        multiply<S>(sums[i][j], a, pair);
      }
    }
  }
}

/// A warp's part of the tile, from registers to where `result` puts it. `shared`: no warp reads tiles any more.
template <class S, class Tile, int Down, int Right, class Result>
GPU_INLINE void put_sums(const Result& result, const GemmTile& tile, unsigned char* shared,
                         const float (&sums)[Down][Right][4]) {
  static_assert(Right * 8 == piece_cols && Tile::threads / gpu::warp_size * piece_bytes <= stage_bytes<S, Tile> * 2);
  auto* piece = reinterpret_cast<float*>(shared + gpu::warp_index() * piece_bytes);
  const int64_t row = int64_t{tile.row} * Tile::rows + warp_row_of<Tile>();
  const int64_t col = int64_t{tile.col} * Tile::cols + warp_col_of<Tile>();
#pragma unroll
  for (int i = 0; i < Down; ++i) put_piece(result, piece, row + i * piece_rows, col, sums[i]);
}

/// What a step adds to the sum of row `row` of a.
template <class S, int Span, bool AlongDepth>
GPU_INLINE float sum_of_step(const unsigned char* tile, int row) {
  float sum = 0;
  if constexpr (AlongDepth) {
#pragma unroll 1
    for (int c = 0; c < step_chunks; ++c) {
      const auto* values = reinterpret_cast<const S*>(tile + chunk_offset<S, Span, true>(row, c));
      const auto eight = gpu::load_vec<chunk<S>>(values);
#pragma unroll
      for (int e = 0; e < chunk<S>; ++e) sum += static_cast<float>(eight[e]);
    }
  } else {
#pragma unroll 4
    for (int k = 0; k < step_depth<S>; ++k) {
      const auto* values = reinterpret_cast<const S*>(tile + chunk_offset<S, Span, false>(k, row / chunk<S>));
      sum += static_cast<float>(values[row % chunk<S>]);
    }
  }
  return sum;
}

/// ADepth, BDepth: whether the rows of the tiles of a and b run along the depth.
template <class S, class Tile, bool ADepth, bool BDepth>
__global__ void __launch_bounds__(Tile::threads, 2) gemm_mma(const GemmProblem p) {
  constexpr int depth = step_depth<S>, stages = Tile::stages, down = Tile::warp_rows / 16, right = Tile::warp_cols / 16;
  GPU_DYNAMIC_SHARED(unsigned char, shared);  // [stages][tile of a, tile of b]

  const GemmTile tile = tile_of_block(p);
  int64_t left = depth_end(p, tile.split) - depth_begin(p, tile.split);
  ChunkCopy<S, Tile::rows, Tile::threads, ADepth> copy_a(static_cast<const S*>(p.a) + a_offset(p, tile, Tile::rows),
                                                         p.a_strides.row, p.a_strides.col,
                                                         p.rows - int64_t{tile.row} * Tile::rows, p.a_aligned);
  ChunkCopy<S, Tile::cols, Tile::threads, BDepth> copy_b(static_cast<const S*>(p.b) + b_offset(p, tile, Tile::cols),
                                                         p.b_strides.col, p.b_strides.row,
                                                         p.cols - int64_t{tile.col} * Tile::cols, p.b_aligned);
  auto start_step = [&](int stage) {
    if (left > 0) {
      copy_a.start(shared + stage * stage_bytes<S, Tile>, left);
      copy_b.start(shared + stage * stage_bytes<S, Tile> + tile_bytes<S, Tile::rows>, left);
      left -= depth;
    }
    ptx::cp_async_commit();  // an empty group where nothing is left, so that waiting counts the same
  };

  float sums[down][right * 2][4] = {};
  float row_sum = 0;
  int steps = static_cast<int>((left + depth - 1) / depth);
#pragma unroll
  for (int s = 0; s < stages - 1; ++s) start_step(s);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<stages - 2>();
    __syncthreads();  // this step is there, and the one before it has been read by all
    start_step((step + stages - 1) % stages);
    const unsigned char* tile_a = shared + step % stages * stage_bytes<S, Tile>;
    const unsigned char* tile_b = tile_a + tile_bytes<S, Tile::rows>;
    if (Tile::sums_a && sums_a_row(p, tile, Tile::rows)) {
      row_sum += sum_of_step<S, Tile::rows, ADepth>(tile_a, static_cast<int>(threadIdx.x));
    }
    multiply_step<S, Tile, ADepth, BDepth>(sums, tile_a, tile_b);
  }
  ptx::cp_async_wait<0>();
  __syncthreads();
  if (Tile::sums_a && sums_a_row(p, tile, Tile::rows)) put_row_sum<S>(p, tile, Tile::rows, row_sum);
  const GemmTile end = tile_of_block(p);  // once more: it need not stay in registers
  put_sums<S, Tile>(GemmResult<S, float>(p, end.batch, end.split), end, shared, sums);
}

using LargeMmaTile = MmaTile<128, 128, 64, 32>;
using SmallMmaTile = MmaTile<64, 64, 32, 32>;

template <class S, class Tile>
inline void launch_mma(const Launch& launch, GemmProblem& p, bool a_depth, bool b_depth) {
  using Kernel = void (*)(GemmProblem);
  static constexpr Kernel kernels[4] = {gemm_mma<S, Tile, false, false>, gemm_mma<S, Tile, false, true>,
                                        gemm_mma<S, Tile, true, false>, gemm_mma<S, Tile, true, true>};
  cut_into_tiles(p, Tile::rows, Tile::cols, step_depth<S>, 512);
  launch_tiles<S, float>(launch, p, kernels[2 * a_depth + b_depth], Tile::threads, Tile::stages * stage_bytes<S, Tile>);
}

/// Chooses the tile and the variant for the operands' layouts.
template <class S>
inline void mma_products(const Launch& launch, GemmProblem& p, ScalarType dtype) {
  const GemmStrides &a = p.a_strides, &b = p.b_strides;
  bool a_depth = runs_along_depth(a.col, a.row, p.depth, p.rows);
  bool b_depth = runs_along_depth(b.row, b.col, p.depth, p.cols);
  p.a_aligned = reads_in_vectors<S>(p, p.a, a, a_depth ? a.col : a.row, a_depth ? a.row : a.col);
  p.b_aligned = reads_in_vectors<S>(p, p.b, b, b_depth ? b.row : b.col, b_depth ? b.col : b.row);
  int64_t large_tiles = (p.rows / LargeMmaTile::rows) * (p.cols / LargeMmaTile::cols) * p.batches;
  if (large_tiles >= enough_large_tiles && !p.a_sums) {
    if (sizeof(S) == 2 && gemm_on_copy_engine(launch, p, dtype, a_depth, b_depth)) return;
    launch_mma<S, LargeMmaTile>(launch, p, a_depth, b_depth);
  } else {
    launch_mma<S, SmallMmaTile>(launch, p, a_depth, b_depth);
  }
}

}  // namespace fulmen::cuda
