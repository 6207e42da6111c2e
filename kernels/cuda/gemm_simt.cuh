#pragma once
#include <fulmen/kernels/cuda/gemm_problem.h>

// Matrix products on the ordinary cores, for every type and every layout.
//
// A block of 256 threads computes a tile of c. It walks along the depth in steps: the two tiles of a step lie in shared
// memory as [depth][rows of c] and [depth][columns of c], so that a thread reads 4 neighbours of each in one load and
// makes 4 x 4 (or 2 x 2 times 4 x 4) products of them. While a step is computed, the next one is on its way from global
// memory to registers; shared memory holds two steps, so there is one barrier per step.
//
// Cost: rows * cols * depth multiply-adds; every operand is read once per tile across it. The 128 x 128 tile of float
// has 512 multiply-adds per 32 loads of 16 bytes from shared memory and 2 from global memory.
namespace fulmen::cuda {

/// Rows, Cols: of the block's tile of c. Depth: of a step; `Unrolled` of it at a time, as many as registers hold. Each
/// thread has Rows / 16 x Cols / 16 elements of c.
template <int Rows, int Cols, int Depth, int Unrolled>
struct SimtTile {
  static constexpr int rows = Rows, cols = Cols, depth = Depth, threads = 256, blocks = 2, unrolled = Unrolled;
  static constexpr int thread_rows = Rows / 16, thread_cols = Cols / 16;
  static constexpr bool sums_a = Rows <= sums_a_rows;
  /// Elements from one row of shared memory to the next: 4 more than used, so that writes down a column and reads along
  /// a row both touch all banks.
  static constexpr int pitch_a = Rows + 4, pitch_b = Cols + 4;
  template <class T>
  static constexpr size_t shared_bytes = 2 * Depth*(pitch_a + pitch_b) * sizeof(T);
};

/// Carries one operand's part of a step: `Span` elements across the depth times `Depth` along it, in pieces of V.
/// Threads run along the depth first or across it first.
template <class S, int Span, int Depth, int Threads, bool AlongDepth, int V>
struct StepCopy {
  static constexpr int pieces = Span * Depth / V / Threads;
  /// How far a thread's pieces lie apart: across the depth if AlongDepth, else along it.
  static constexpr int apart = AlongDepth ? Threads / (Depth / V) : Threads / (Span / V);
  static_assert(pieces * V * Threads == Span * Depth);

  const S* data;    ///< this thread's first piece of the next step
  int across_left;  ///< elements of the operand across the depth, from the first piece on
  gpu::Vec<S, V> held[pieces];

  /// Place of the first piece in the tile. Computed where it is used: registers are scarce.
  static GPU_INLINE int across() {
    const int i = static_cast<int>(threadIdx.x);
    return AlongDepth ? i / (Depth / V) : i % (Span / V) * V;
  }
  static GPU_INLINE int along() {
    const int i = static_cast<int>(threadIdx.x);
    return AlongDepth ? i % (Depth / V) * V : i / (Span / V);
  }

  /// `tile`: the first element of the first step. `left`: elements of the operand from there on, across the depth.
  GPU_INLINE StepCopy(const S* tile, int64_t across_stride, int64_t depth_stride, int64_t left)
      : data(tile + across() * across_stride + along() * depth_stride),
        across_left((left < Span ? static_cast<int>(left) : Span) - across()) {}

  /// From global memory to registers, zeros for what is outside; then on to the next step. A piece lies inside or
  /// outside as a whole.
  GPU_INLINE void load(int depth_left, int64_t across_stride, int64_t depth_stride) {
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      bool inside = AlongDepth ? i * apart < across_left && along() < depth_left
                               : 0 < across_left && along() + i * apart < depth_left;
      if (inside) {
        held[i] = gpu::load_vec<V>(data + i * apart * (AlongDepth ? across_stride : depth_stride));
      } else {
        held[i] = {};
      }
    }
    data += Depth * depth_stride;
  }
  /// From registers to shared memory.
  template <int Pitch, class T>
  GPU_INLINE void store(T* tile) const {
#pragma unroll
    for (int i = 0; i < pieces; ++i) {
      T* place = tile + along() * Pitch + across() + i * apart * (AlongDepth ? 1 : Pitch);
      if constexpr (AlongDepth || V == 1) {
#pragma unroll
        for (int v = 0; v < V; ++v) place[v * Pitch] = static_cast<T>(held[i][v]);
      } else {
        gpu::Vec<T, V> values;
#pragma unroll
        for (int v = 0; v < V; ++v) values[v] = static_cast<T>(held[i][v]);
        gpu::store_vec(place, values);
      }
    }
  }
};

/// This thread's elements of a row of shared memory: groups of 4, 64 apart.
template <int N, class T>
GPU_INLINE void read_fragment(T (&fragment)[N], const T* row, int index) {
#pragma unroll
  for (int group = 0; group < N / 4; ++group) {
    auto values = gpu::load_vec<4>(row + group * 64 + index * 4);
#pragma unroll
    for (int i = 0; i < 4; ++i) fragment[group * 4 + i] = values[i];
  }
}

/// A thread's sums, from registers to where `result` puts them.
template <class Tile, class T, class Result>
GPU_INLINE void put_sums(const Result& result, const GemmTile& tile,
                         const T (&sums)[Tile::thread_rows][Tile::thread_cols]) {
  const int thread_col = static_cast<int>(threadIdx.x) % 16, thread_row = static_cast<int>(threadIdx.x) / 16;
#pragma unroll
  for (int i = 0; i < Tile::thread_rows; ++i) {
    int64_t row = int64_t{tile.row} * Tile::rows + i / 4 * 64 + thread_row * 4 + i % 4;
#pragma unroll
    for (int group = 0; group < Tile::thread_cols / 4; ++group) {
      const T four[4] = {sums[i][group * 4], sums[i][group * 4 + 1], sums[i][group * 4 + 2], sums[i][group * 4 + 3]};
      result.put(row, int64_t{tile.col} * Tile::cols + group * 64 + thread_col * 4, four);
    }
  }
}

/// Adds the products of one step, whose tiles lie in shared memory.
template <class Tile, class T>
GPU_INLINE void multiply_step(T (&sums)[Tile::thread_rows][Tile::thread_cols], const T* stage_a, const T* stage_b) {
  const int thread_col = static_cast<int>(threadIdx.x) % 16, thread_row = static_cast<int>(threadIdx.x) / 16;
#pragma unroll Tile::unrolled
  for (int k = 0; k < Tile::depth; ++k) {
    T x[Tile::thread_rows], y[Tile::thread_cols];
    read_fragment(x, stage_a + k * Tile::pitch_a, thread_row);
    read_fragment(y, stage_b + k * Tile::pitch_b, thread_col);
#pragma unroll
    for (int i = 0; i < Tile::thread_rows; ++i) {
#pragma unroll
      for (int j = 0; j < Tile::thread_cols; ++j) sums[i][j] += x[i] * y[j];
    }
  }
}

/// S: the type in memory, T: that of the sums. ADepth, BDepth: along which dimension threads read a and b; VA, VB: how
/// many elements at a time.
template <class S, class T, class Tile, bool ADepth, bool BDepth, int VA, int VB>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks) gemm_simt(const GemmProblem p) {
  constexpr int depth = Tile::depth, pitch_a = Tile::pitch_a, pitch_b = Tile::pitch_b;
  GPU_DYNAMIC_SHARED(T, shared);
  T* tile_a = shared;                        // [2][depth][pitch_a]
  T* tile_b = shared + 2 * depth * pitch_a;  // [2][depth][pitch_b]

  const GemmTile tile = tile_of_block(p);
  int left = static_cast<int>(depth_end(p, tile.split) - depth_begin(p, tile.split));
  StepCopy<S, Tile::rows, depth, Tile::threads, ADepth, VA> copy_a(
      static_cast<const S*>(p.a) + a_offset(p, tile, Tile::rows), p.a_strides.row, p.a_strides.col,
      p.rows - int64_t{tile.row} * Tile::rows);
  StepCopy<S, Tile::cols, depth, Tile::threads, BDepth, VB> copy_b(
      static_cast<const S*>(p.b) + b_offset(p, tile, Tile::cols), p.b_strides.col, p.b_strides.row,
      p.cols - int64_t{tile.col} * Tile::cols);

  T sums[Tile::thread_rows][Tile::thread_cols] = {};
  [[maybe_unused]] T row_sum{};
  int stage = 0;
  copy_a.load(left, p.a_strides.row, p.a_strides.col);
  copy_b.load(left, p.b_strides.col, p.b_strides.row);
  while (true) {
    T* stage_a = tile_a + stage * depth * pitch_a;
    T* stage_b = tile_b + stage * depth * pitch_b;
    copy_a.template store<pitch_a>(stage_a);
    copy_b.template store<pitch_b>(stage_b);
    __syncthreads();  // this stage is written, and the other one has been read
    left -= depth;
    if (left > 0) {
      copy_a.load(left, p.a_strides.row, p.a_strides.col);
      copy_b.load(left, p.b_strides.col, p.b_strides.row);
    }
    if constexpr (Tile::sums_a && !std::is_integral_v<T>) {
      if (sums_a_row(p, tile, Tile::rows)) {
#pragma unroll
        for (int k = 0; k < depth; ++k) row_sum += stage_a[k * pitch_a + threadIdx.x];
      }
    }
    multiply_step<Tile>(sums, stage_a, stage_b);
    if (left <= 0) break;
    stage ^= 1;
  }

  if constexpr (Tile::sums_a && !std::is_integral_v<T>) {
    if (sums_a_row(p, tile, Tile::rows)) put_row_sum<S>(p, tile, Tile::rows, row_sum);
  }
  put_sums<Tile>(GemmResult<S, T>(p, tile.batch, tile.split), tile, sums);
}

/// Launches the variant for the operands' layouts. V: elements per load where both operands allow it.
template <class S, class T, class Tile, int V>
inline void launch_simt(const Launch& launch, const GemmProblem& p, bool a_depth, bool b_depth) {
  using Kernel = void (*)(GemmProblem);
  static constexpr Kernel kernels[4] = {
      gemm_simt<S, T, Tile, false, false, V, V>, gemm_simt<S, T, Tile, false, true, V, V>,
      gemm_simt<S, T, Tile, true, false, V, V>, gemm_simt<S, T, Tile, true, true, V, V>};
  launch_tiles<S, T>(launch, p, kernels[2 * a_depth + b_depth], Tile::threads, Tile::template shared_bytes<T>);
}

}  // namespace fulmen::cuda
