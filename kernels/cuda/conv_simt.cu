#include <fulmen/kernels/cuda/conv_problem.h>

#include <fulmen/kernels/cuda/gemm_simt.cuh>

// Convolutions on the ordinary cores: float32 and double. The walk along the depth and the products of a step are those
// of gemm_simt.cuh; only what fills shared memory differs. Cost: the multiply-adds of the product, and about 25 integer
// operations for every element that a tile gathers, which then meets 64 rows (or columns).
namespace fulmen::cuda {

namespace {

/// The weight's part of a step.
template <class S, int Span, int Depth, int Threads, int V>
struct WeightRows : StepCopy<S, Span, Depth, Threads, true, V> {
  using Copy = StepCopy<S, Span, Depth, Threads, true, V>;
  int64_t row;
  GPU_INLINE WeightRows(const GemmProblem& p, const ConvSource&, const GemmTile& tile)
      : Copy(static_cast<const S*>(p.a) + a_offset(p, tile, Span), p.a_strides.row, 1,
             p.rows - int64_t{tile.row} * Span),
        row(p.a_strides.row) {}
  GPU_INLINE void load(int left) { Copy::load(left, row, 1); }
};

/// Patches, places across the depth and taps along it: a thread stays with its place.
template <class S, int Span, int Depth, int Threads>
struct PatchColumns {
  static constexpr int pieces = Span * Depth / Threads, apart = Threads / Span;
  const ConvSource& s;
  const S* base;
  ConvPlace place;
  bool inside;
  int depth;
  S held[pieces];

  static GPU_INLINE int across() { return static_cast<int>(threadIdx.x) % Span; }
  static GPU_INLINE int along() { return static_cast<int>(threadIdx.x) / Span; }
  GPU_INLINE PatchColumns(const GemmProblem& p, const ConvSource& source, const GemmTile& tile)
      : s(source), base(source.group_base<S>(tile.batch)), depth(static_cast<int>(depth_begin(p, tile.split))) {
    const int64_t column = int64_t{tile.col} * Span + across();
    inside = column < p.cols;
    place = s.place(inside ? column : 0);
  }
  GPU_INLINE void load(int left) {
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      const int k = along() + i * apart;
      held[i] = inside && k < left ? s.read(base, place, s.tap(depth + k)) : S(0);
    }
    depth += Depth;
  }
  template <int Pitch, class T>
  GPU_INLINE void store(T* tile) const {
#pragma unroll
    for (int i = 0; i < pieces; ++i) tile[(along() + i * apart) * Pitch + across()] = held[i];
  }
};

/// What runs along places of all images, `pieces` rows of it per thread: neighbouring threads have neighbouring places.
template <class S, int Span, int Depth, int Threads>
struct AlongPlaces {
  static constexpr int pieces = Span * Depth / Threads, apart = Threads / Depth;
  const ConvSource& s;
  int64_t place;
  S held[pieces];

  static GPU_INLINE int across() { return static_cast<int>(threadIdx.x) / Depth; }
  static GPU_INLINE int along() { return static_cast<int>(threadIdx.x) % Depth; }
  GPU_INLINE AlongPlaces(const GemmProblem& p, const ConvSource& source, const GemmTile& tile)
      : s(source), place(depth_begin(p, tile.split) + along()) {}
  template <int Pitch, class T>
  GPU_INLINE void store(T* tile) const {
#pragma unroll
    for (int i = 0; i < pieces; ++i) tile[along() * Pitch + across() + i * apart] = held[i];
  }
};
/// y: rows are channels.
template <class S, int Span, int Depth, int Threads>
struct ResultRows : AlongPlaces<S, Span, Depth, Threads> {
  using Along = AlongPlaces<S, Span, Depth, Threads>;
  const S* base;
  int rows_left;
  GPU_INLINE ResultRows(const GemmProblem& p, const ConvSource& source, const GemmTile& tile)
      : Along(p, source, tile),
        base(static_cast<const S*>(p.a) + (tile.batch * p.rows + int64_t{tile.row} * Span) * source.result_plane),
        rows_left(p.rows - int64_t{tile.row} * Span < Span ? static_cast<int>(p.rows - int64_t{tile.row} * Span)
                                                           : Span) {}
  GPU_INLINE void load(int left) {
    const ConvPlace at = this->s.place(Along::along() < left ? this->place : 0);
    const S* from = base + this->s.result_offset(at);
#pragma unroll
    for (int i = 0; i < Along::pieces; ++i) {
      const int row = Along::across() + i * Along::apart;
      this->held[i] = Along::along() < left && row < rows_left ? from[row * this->s.result_plane] : S(0);
    }
    this->place += Depth;
  }
};
/// Patches: rows are taps.
template <class S, int Span, int Depth, int Threads>
struct PatchRows : AlongPlaces<S, Span, Depth, Threads> {
  using Along = AlongPlaces<S, Span, Depth, Threads>;
  const S* base;
  ConvTap taps[Along::pieces];
  GPU_INLINE PatchRows(const GemmProblem& p, const ConvSource& source, const GemmTile& tile)
      : Along(p, source, tile), base(source.group_base<S>(tile.batch)) {
#pragma unroll
    for (int i = 0; i < Along::pieces; ++i) taps[i] = source.tap(tile.col * Span + Along::across() + i * Along::apart);
  }
  GPU_INLINE void load(int left) {
    const bool inside = Along::along() < left;
    const ConvPlace at = this->s.place(inside ? this->place : 0);
#pragma unroll
    for (int i = 0; i < Along::pieces; ++i) this->held[i] = inside ? this->s.read(base, at, taps[i]) : S(0);
    this->place += Depth;
  }
};

template <class T, class Tile, bool Weight, class LoadA, class LoadB>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks) conv_simt(const GemmProblem p, const ConvSource s) {
  constexpr int depth = Tile::depth, pitch_a = Tile::pitch_a, pitch_b = Tile::pitch_b;
  GPU_DYNAMIC_SHARED(T, shared);
  T* tile_a = shared;                        // [2][depth][pitch_a]
  T* tile_b = shared + 2 * depth * pitch_a;  // [2][depth][pitch_b]
  const GemmTile tile = tile_of_block(p);
  int left = static_cast<int>(depth_end(p, tile.split) - depth_begin(p, tile.split));
  LoadA copy_a(p, s, tile);
  LoadB copy_b(p, s, tile);
  T sums[Tile::thread_rows][Tile::thread_cols] = {};
  int stage = 0;
  copy_a.load(left);
  copy_b.load(left);
  while (true) {
    T* stage_a = tile_a + stage * depth * pitch_a;
    T* stage_b = tile_b + stage * depth * pitch_b;
    copy_a.template store<pitch_a>(stage_a);
    copy_b.template store<pitch_b>(stage_b);
    __syncthreads();  // this stage is written, and the other one has been read
    left -= depth;
    if (left > 0) {
      copy_a.load(left);
      copy_b.load(left);
    }
    multiply_step<Tile>(sums, stage_a, stage_b);
    if (left <= 0) break;
    stage ^= 1;
  }
  if constexpr (Weight) {
    put_sums<Tile>(GemmResult<T, T>(p, tile.batch, tile.split), tile, sums);
  } else {
    put_sums<Tile>(ConvResult<T, T>(p, s, tile.batch, tile.split), tile, sums);
  }
}

using Tile = SimtTile<64, 64, 16, 8>;

template <class T>
void launch_simt(const Launch& launch, GemmProblem& p, const ConvSource& s, bool weight) {
  constexpr int rows = Tile::rows, cols = Tile::cols, depth = Tile::depth, threads = Tile::threads;
  cut_into_tiles(p, rows, cols, depth, 256);
  if (weight) {
    launch_conv<T, T, true>(
        launch, p, s, conv_simt<T, Tile, true, ResultRows<T, rows, depth, threads>, PatchRows<T, cols, depth, threads>>,
        threads, Tile::template shared_bytes<T>);
  } else {
    constexpr int V = sizeof(T) == 4 ? 4 : 1;
    launch_conv<T, T, false>(
        launch, p, s,
        conv_simt<T, Tile, false, WeightRows<T, rows, depth, threads, V>, PatchColumns<T, cols, depth, threads>>,
        threads, Tile::template shared_bytes<T>);
  }
}

}  // namespace

void conv_of_floats(const Launch& launch, GemmProblem p, const ConvSource& s, bool weight) {
  launch_simt<float>(launch, p, s, weight);
}
void conv_of_doubles(const Launch& launch, GemmProblem p, const ConvSource& s, bool weight) {
  launch_simt<double>(launch, p, s, weight);
}

}  // namespace fulmen::cuda
