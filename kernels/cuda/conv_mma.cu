#include <fulmen/kernels/cuda/conv_problem.h>

#include <fulmen/kernels/cuda/gemm_mma.cuh>

// Convolutions on the matrix units (mma.sync): float16, bfloat16, and float32 rounded to TF32, summed in float. Stages,
// order of chunks and products are those of gemm_mma.cuh. The weight comes by cp.async; patches are gathered element by
// element into chunks of 16 bytes, which run along neighbouring places, and stored by ordinary instructions.
namespace fulmen::cuda {

namespace {

/// The weight's part of a step; its rows are padded to whole chunks.
template <class S, int Span, int Threads>
struct WeightChunks : ChunkCopy<S, Span, Threads, true> {
  static constexpr bool along_depth = true;
  GPU_INLINE WeightChunks(const GemmProblem& p, const ConvSource&, const GemmTile& tile)
      : ChunkCopy<S, Span, Threads, true>(static_cast<const S*>(p.a) + a_offset(p, tile, Span), p.a_strides.row, 1,
                                          p.rows - int64_t{tile.row} * Span, true) {}
};

/// Patches with places across the depth: a chunk is one tap at neighbouring places.
template <class S, int Span, int Threads>
struct PatchChunks {
  static constexpr bool along_depth = false;
  static constexpr int depth = step_depth<S>, row_chunks = Span / chunk<S>, pieces = Span * step_chunks / Threads,
                       apart = Threads / row_chunks;
  const ConvSource& s;
  const S* base;
  ConvPlace first;
  int at, row, column, valid;  ///< depth of the next step; the first chunk in the tile; places that exist

  GPU_INLINE PatchChunks(const GemmProblem& p, const ConvSource& source, const GemmTile& tile)
      : s(source),
        base(source.group_base<S>(tile.batch)),
        at(static_cast<int>(depth_begin(p, tile.split))),
        row(static_cast<int>(threadIdx.x) / row_chunks),
        column(static_cast<int>(threadIdx.x) % row_chunks) {
    const int64_t place = int64_t{tile.col} * Span + column * chunk<S>, left = p.cols - place;
    valid = left < 0 ? 0 : left < chunk<S> ? static_cast<int>(left) : chunk<S>;
    first = s.place(valid > 0 ? place : 0);
  }
  GPU_INLINE void start(unsigned char* tile, int64_t depth_left) {
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      const int r = row + i * apart;
      const ConvTap tap = s.tap(at + r);
      gpu::Vec<S, chunk<S>> values{};
      ConvPlace place = first;
#pragma unroll
      for (int e = 0; e < chunk<S>; ++e) {
        if (e < valid && r < depth_left) values[e] = s.read(base, place, tap);
        s.next(place);
      }
      gpu::store_vec(reinterpret_cast<S*>(tile + chunk_offset<S, Span, false>(r, column)), values);
    }
    at += depth;
  }
};

/// What runs along places of all images: a chunk is neighbouring places of one row. Row gives an element by its place.
template <class S, int Span, int Threads, class Row>
struct PlaceChunks {
  static constexpr bool along_depth = true;
  static constexpr int depth = step_depth<S>, pieces = Span * step_chunks / Threads, apart = Threads / step_chunks;
  const ConvSource& s;
  int64_t at;
  int row, column;
  Row rows[pieces];

  GPU_INLINE PlaceChunks(const GemmProblem& p, const ConvSource& source, const GemmTile& tile)
      : s(source),
        at(depth_begin(p, tile.split)),
        row(static_cast<int>(threadIdx.x) / step_chunks),
        column(static_cast<int>(threadIdx.x) % step_chunks) {
#pragma unroll
    for (int i = 0; i < pieces; ++i) rows[i].begin(p, s, tile, row + i * apart);
  }
  GPU_INLINE void start(unsigned char* tile, int64_t depth_left) {
    int valid = static_cast<int>(depth_left < depth ? depth_left : depth) - column * chunk<S>;
    const ConvPlace first = s.place(valid > 0 ? at + column * chunk<S> : 0);
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      gpu::Vec<S, chunk<S>> values{};
      ConvPlace place = first;
#pragma unroll
      for (int e = 0; e < chunk<S>; ++e) {
        if (e < valid) values[e] = rows[i].at(s, place);
        s.next(place);
      }
      gpu::store_vec(reinterpret_cast<S*>(tile + chunk_offset<S, Span, true>(row + i * apart, column)), values);
    }
    at += depth;
  }
};
/// A channel of y.
template <class S, int Span>
struct ResultRow {
  const S* base;  ///< null if there is no such channel
  GPU_INLINE void begin(const GemmProblem& p, const ConvSource& s, const GemmTile& tile, int row) {
    const int64_t channel = int64_t{tile.row} * Span + row;
    base = channel < p.rows ? static_cast<const S*>(p.a) + (tile.batch * p.rows + channel) * s.result_plane : nullptr;
  }
  GPU_INLINE S at(const ConvSource& s, const ConvPlace& place) const {
    return base ? base[s.result_offset(place)] : S(0.0f);
  }
};
/// Patches at one tap.
template <class S, int Span>
struct PatchRow {
  const S* base;
  ConvTap tap;
  GPU_INLINE void begin(const GemmProblem&, const ConvSource& s, const GemmTile& tile, int row) {
    base = s.group_base<S>(tile.batch);
    tap = s.tap(tile.col * Span + row);
  }
  GPU_INLINE S at(const ConvSource& s, const ConvPlace& place) const { return s.read(base, place, tap); }
};

template <class S, class Tile, bool Weight, class LoadA, class LoadB>
__global__ void __launch_bounds__(Tile::threads, 2) conv_mma(const GemmProblem p, const ConvSource s) {
  constexpr int depth = step_depth<S>, stages = Tile::stages, down = Tile::warp_rows / 16, right = Tile::warp_cols / 16;
  GPU_DYNAMIC_SHARED(unsigned char, shared);  // [stages][tile of a, tile of b]
  const GemmTile tile = tile_of_block(p);
  int64_t left = depth_end(p, tile.split) - depth_begin(p, tile.split);
  LoadA copy_a(p, s, tile);
  LoadB copy_b(p, s, tile);
  auto start_step = [&](int stage) {
    if (left > 0) {
      copy_a.start(shared + stage * stage_bytes<S, Tile>, left);
      copy_b.start(shared + stage * stage_bytes<S, Tile> + tile_bytes<S, Tile::rows>, left);
      left -= depth;
    }
    ptx::cp_async_commit();  // an empty group where nothing is left, so that waiting counts the same
  };
  float sums[down][right * 2][4] = {};
  const int steps = static_cast<int>((left + depth - 1) / depth);
#pragma unroll
  for (int i = 0; i < stages - 1; ++i) start_step(i);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<stages - 2>();
    __syncthreads();  // this step is there, and the one before it has been read by all
    start_step((step + stages - 1) % stages);
    const unsigned char* tile_a = shared + step % stages * stage_bytes<S, Tile>;
    multiply_step<S, Tile, LoadA::along_depth, LoadB::along_depth>(sums, tile_a, tile_a + tile_bytes<S, Tile::rows>);
  }
  ptx::cp_async_wait<0>();
  __syncthreads();
  if constexpr (Weight) {
    put_sums<S, Tile>(GemmResult<S, float>(p, tile.batch, tile.split), tile, shared, sums);
  } else {
    put_sums<S, Tile>(ConvResult<S, float>(p, s, tile.batch, tile.split), tile, shared, sums);
  }
}

template <class S>
void launch_mma(const Launch& launch, GemmProblem& p, const ConvSource& s, bool weight) {
  using Tile = SmallMmaTile;
  constexpr int rows = Tile::rows, cols = Tile::cols, threads = Tile::threads;
  constexpr size_t shared_bytes = Tile::stages * stage_bytes<S, Tile>;
  cut_into_tiles(p, rows, cols, step_depth<S>, 512);
  if (weight) {
    launch_conv<S, float, true>(launch, p, s,
                                conv_mma<S, Tile, true, PlaceChunks<S, rows, threads, ResultRow<S, rows>>,
                                         PlaceChunks<S, cols, threads, PatchRow<S, cols>>>,
                                threads, shared_bytes);
  } else {
    launch_conv<S, float, false>(
        launch, p, s, conv_mma<S, Tile, false, WeightChunks<S, rows, threads>, PatchChunks<S, cols, threads>>, threads,
        shared_bytes);
  }
}

}  // namespace

void conv_on_matrix_units(const Launch& launch, GemmProblem p, const ConvSource& s, bool weight, ScalarType dtype) {
  if (dtype == ScalarType::Float) return launch_mma<float>(launch, p, s, weight);
  if (dtype == ScalarType::Half) return launch_mma<Half>(launch, p, s, weight);
  launch_mma<BFloat16>(launch, p, s, weight);
}

}  // namespace fulmen::cuda
