#pragma once
#include <fulmen/kernels/cuda/gemm_problem.h>
#include <fulmen/kernels/cuda/ptx.h>

// Products of float16 and bfloat16 on the matrix units of compute capability 8.0 and later (mma.sync), summed in float.
//
// A block computes a tile of c, each warp a part of it in registers, in steps of 32 along the depth. Three steps lie in
// shared memory: one is multiplied while the next two are copied there (cp.async, 16 bytes at a time). A tile keeps the
// operand's own order: its rows run along the depth, or across it, in which case ldmatrix transposes on the way to
// registers. So no layout needs a copy. Chunks of 16 bytes are permuted within their row, so that the 8 rows that
// ldmatrix reads at a time lie in different banks.
//
// Operands that are not aligned to 16 bytes, or have no contiguous dimension, are copied element by element.
// Cost: rows * cols * depth multiply-adds; the 128 x 128 tile multiplies 128 times per byte that it copies.
namespace fulmen::cuda {

/// Rows, Cols: of the block's tile of c; WarpRows, WarpCols: of a warp's part of it.
template <int Rows, int Cols, int WarpRows, int WarpCols>
struct MmaTile {
  static constexpr int rows = Rows, cols = Cols, depth = 32, stages = 3;
  static constexpr int warp_rows = WarpRows, warp_cols = WarpCols, warps_down = Rows / WarpRows;
  static constexpr int threads = warps_down * (Cols / WarpCols) * gpu::warp_size;
  static constexpr int a_bytes = Rows * depth * 2, b_bytes = Cols * depth * 2, stage_bytes = a_bytes + b_bytes;
};

inline constexpr int chunk = 8;  // elements of 16 bytes
/// Where a chunk lies in a tile of `Span` elements across the depth and 32 along it. Rows of 64 bytes share 128 bytes
/// of banks in pairs, so there the pair's number is mixed in.
template <int Span, bool AlongDepth>
GPU_INLINE int chunk_offset(int row, int column) {
  if constexpr (AlongDepth) return row * 64 + (column ^ (row >> 1 & 3)) * 16;
  return row * Span * 2 + (column ^ (row & 7)) * 16;
}

/// Copies one operand's part of a step to shared memory.
template <class S, int Span, int Threads, bool AlongDepth>
struct ChunkCopy {
  static constexpr int depth = 32, row_chunks = (AlongDepth ? depth : Span) / chunk;
  static constexpr int pieces = Span * depth / chunk / Threads, apart = Threads / row_chunks;

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
    data = tile + row * row_stride + column * chunk * element_stride;
  }

  /// Zeros stand for what is outside of the operand. Then on to the next step.
  GPU_INLINE void start(unsigned char* tile, int64_t depth_left) {
    const int inside = depth_left < depth ? static_cast<int>(depth_left) : depth;
    const int rows = AlongDepth ? across_left : inside, elements = AlongDepth ? inside : across_left;
    int valid = elements - column * chunk;
    valid = valid < 0 ? 0 : valid > chunk ? chunk : valid;
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      const int r = row + i * apart;
      unsigned char* place = tile + chunk_offset<Span, AlongDepth>(r, column);
      copy_chunk(place, data + i * apart * row_stride, r < rows ? valid : 0);
    }
    data += step_stride;
  }

 private:
  GPU_INLINE void copy_chunk(unsigned char* place, const S* from, int valid) const {
    if (aligned) return ptx::cp_async<16>(place, from, valid * 2);
    gpu::Vec<S, chunk> values{};
#pragma unroll
    for (int e = 0; e < chunk; ++e) {
      if (e < valid) values[e] = from[e * element_stride];
    }
    gpu::store_vec(reinterpret_cast<S*>(place), values);
  }
};

/// 16 x 16 elements of a, rows from `row`, depth from `k` (0 or 16) of the step, as mma_m16n8k16 takes them.
template <int Span, bool AlongDepth>
GPU_INLINE void load_a(uint32_t (&fragment)[4], const unsigned char* tile, int row, int k) {
  const int lane = gpu::lane_index();
  if constexpr (AlongDepth) {
    ptx::ldmatrix<4>(fragment, tile + chunk_offset<Span, true>(row + lane % 16, k / chunk + lane / 16));
  } else {
    ptx::ldmatrix<4, true>(fragment,
                           tile + chunk_offset<Span, false>(k + lane % 8 + lane / 16 * 8, row / chunk + lane / 8 % 2));
  }
}
/// 16 x 16 elements of b, columns from `col`: two operands of mma_m16n8k16, one after the other.
template <int Span, bool AlongDepth>
GPU_INLINE void load_b(uint32_t (&fragment)[4], const unsigned char* tile, int col, int k) {
  const int lane = gpu::lane_index();
  if constexpr (AlongDepth) {
    ptx::ldmatrix<4>(fragment,
                     tile + chunk_offset<Span, true>(col + lane % 8 + lane / 16 * 8, k / chunk + lane / 8 % 2));
  } else {
    ptx::ldmatrix<4, true>(fragment, tile + chunk_offset<Span, false>(k + lane % 16, col / chunk + lane / 16));
  }
}

/// A warp's part of the tile, from registers to c.
template <class S, class Tile, int Down, int Right>
GPU_INLINE void put_sums(const GemmProblem& p, const GemmTile& tile, int warp_row, int warp_col,
                         const float (&sums)[Down][Right][4]) {
  const GemmResult<S, float> result(p, tile.batch, tile.split);
  const int64_t row = int64_t{tile.row} * Tile::rows + warp_row + gpu::lane_index() / 4;
  const int64_t col = int64_t{tile.col} * Tile::cols + warp_col + gpu::lane_index() % 4 * 2;
#pragma unroll
  for (int i = 0; i < Down; ++i) {
#pragma unroll
    for (int j = 0; j < Right; ++j) {
      const float upper[2] = {sums[i][j][0], sums[i][j][1]}, lower[2] = {sums[i][j][2], sums[i][j][3]};
      result.put(row + i * 16, col + j * 8, upper);
      result.put(row + i * 16 + 8, col + j * 8, lower);
    }
  }
}

/// ADepth, BDepth: whether the rows of the tiles of a and b run along the depth.
template <class S, class Tile, bool ADepth, bool BDepth>
__global__ void __launch_bounds__(Tile::threads, 2) gemm_mma(const GemmProblem p) {
  constexpr int depth = Tile::depth, stages = Tile::stages, down = Tile::warp_rows / 16, right = Tile::warp_cols / 16;
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
      copy_a.start(shared + stage * Tile::stage_bytes, left);
      copy_b.start(shared + stage * Tile::stage_bytes + Tile::a_bytes, left);
      left -= depth;
    }
    ptx::cp_async_commit();  // an empty group where nothing is left, so that waiting counts the same
  };

  const int warp_row = gpu::warp_index() % Tile::warps_down * Tile::warp_rows;
  const int warp_col = gpu::warp_index() / Tile::warps_down * Tile::warp_cols;
  float sums[down][right * 2][4] = {};
  int steps = static_cast<int>((left + depth - 1) / depth);
#pragma unroll
  for (int s = 0; s < stages - 1; ++s) start_step(s);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<stages - 2>();
    __syncthreads();  // this step is there, and the one before it has been read by all
    start_step((step + stages - 1) % stages);
    const unsigned char* tile_a = shared + step % stages * Tile::stage_bytes;
    const unsigned char* tile_b = tile_a + Tile::a_bytes;
#pragma unroll
    for (int k = 0; k < depth; k += 16) {
      uint32_t a[down][4], b[right][4];
#pragma unroll
      for (int i = 0; i < down; ++i) load_a<Tile::rows, ADepth>(a[i], tile_a, warp_row + i * 16, k);
#pragma unroll
      for (int j = 0; j < right; ++j) load_b<Tile::cols, BDepth>(b[j], tile_b, warp_col + j * 16, k);
#pragma unroll
      for (int i = 0; i < down; ++i) {
#pragma unroll
        for (int j = 0; j < right * 2; ++j) {
          const uint32_t pair[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
          ptx::mma_m16n8k16<S>(sums[i][j], a[i], pair);
        }
      }
    }
  }
  ptx::cp_async_wait<0>();

  put_sums<S, Tile>(p, tile, warp_row, warp_col, sums);
}

}  // namespace fulmen::cuda
