#pragma once
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

#include <type_traits>

// Work on rows of numbers: x is [outer, cols, inner], contiguous, and row (o, j) is x[o, :, j]. The threads of a block
// form teams, one per row. How many threads a team has depends on the shape alone, and so does every sum.
namespace fulmen::gpu {

/// The smallest power of two that is not below n, at most `most` (a power of two).
inline int power_of_two(int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}

/// The rows of a launch and the teams that work on them.
struct Rows {
  int64_t outer, cols, inner;
  int threads;     ///< of a block
  int lanes;       ///< threads of a team, a power of two
  int teams;       ///< of a block: threads / lanes
  unsigned tiles;  ///< inner > 1: blocks beside each other for one o
  unsigned blocks;

  int64_t count() const { return outer * inner; }
  /// Shared memory that holds `arrays` numbers of type T for every element of a block's rows.
  template <class T>
  size_t bytes_of_rows(int arrays) const {
    return sizeof(T) * static_cast<size_t>(arrays) * static_cast<size_t>(cols) * static_cast<size_t>(teams);
  }
};

/// Rows whose columns lie apart: neighbouring threads have neighbouring rows, so that they read neighbouring memory.
inline Rows teams_across(int64_t outer, int64_t cols, int64_t inner) {
  constexpr int threads = 256;
  int teams = power_of_two(inner, 32), lanes = power_of_two((cols + 1) / 2, threads / teams);
  while (teams * lanes < warp_size) lanes *= 2;
  while (teams * lanes < threads && teams < inner) teams *= 2;
  unsigned tiles = blocks_for(inner, teams);
  return {outer, cols, inner, teams * lanes, lanes, teams, tiles, blocks_for(outer * tiles, 1)};
}
/// For the launch bounds of kernels on rows: with more, the widest loads would not fit into the registers.
inline constexpr int most_row_threads = 512;

/// Rows in one piece, read in vectors of `width`: a few lanes for short rows, a warp up to 1024 columns, beyond that a
/// block of 128 to 512 threads.
inline Rows teams_along(int64_t rows, int64_t cols, int width) {
  int threads = 256, lanes = power_of_two((cols + 2 * width - 1) / (2 * width), warp_size);
  if (cols > 1024) threads = lanes = cols <= 4096 ? 128 : cols <= 16384 ? 256 : most_row_threads;
  int teams = threads / lanes;
  return {rows, cols, 1, threads, lanes, teams, 1, blocks_for(rows, teams)};
}
inline Rows teams_for(int64_t outer, int64_t cols, int64_t inner, int width) {
  return inner == 1 ? teams_along(outer, cols, width) : teams_across(outer, cols, inner);
}

/// Whether a block keeps `bytes` of its rows in shared memory. Rows that lie apart are read again instead where that
/// would leave room for few blocks.
inline bool keeps_rows(const Launch& launch, const Rows& rows, size_t bytes) {
  constexpr int reductions = 4096;  // what Team needs
  auto most = static_cast<size_t>(cuda::processor(launch).shared_memory_per_block - reductions);
  return bytes <= (rows.inner > 1 ? size_t{32} << 10 : most);
}

/// A thread's place: its row, and its number in the team of that row. Element i of the row is at `base + i * inner`.
/// Every thread of the block makes one and calls its reductions, also those whose row is not `valid`.
struct Team {
  int lanes, lane, index;
  bool across, valid;
  int64_t row;   ///< in [outer, inner]
  int64_t base;  ///< of element 0

  __device__ FULMEN_INLINE explicit Team(const Rows& rows) : lanes(rows.lanes), across(rows.inner > 1) {
    int thread = static_cast<int>(threadIdx.x);
    index = across ? thread % rows.teams : thread / lanes;
    lane = across ? thread / rows.teams : thread % lanes;
    if (across) {
      int64_t o = blockIdx.x / rows.tiles, j = static_cast<int64_t>(blockIdx.x % rows.tiles) * rows.teams + index;
      valid = j < rows.inner;
      row = o * rows.inner + j;
      base = o * rows.cols * rows.inner + j;
    } else {
      row = static_cast<int64_t>(blockIdx.x) * rows.teams + index;
      valid = row < rows.outer;
      base = row * rows.cols;
    }
  }

  /// `op` over the team's threads, in a fixed order; every one gets the result. op is commutative.
  template <class T, class Op>
  __device__ FULMEN_INLINE T reduce(T value, Op op, T identity) const {
    if (lanes == 1) return value;
    if (across) return reduce_apart(value, op);
    if (lanes > warp_size) return block_reduce(value, op, identity);
    for (int mask = lanes / 2; mask > 0; mask /= 2) value = op(value, shuffle_xor(value, mask));
    return value;
  }
  template <class T>
  __device__ FULMEN_INLINE T sum(T value) const {
    return reduce(value, Sum{}, T(0));
  }
  template <class T>
  __device__ FULMEN_INLINE T max(T value) const {
    return reduce(value, Max{}, lowest<T>);
  }

 private:
  template <class T, class Op>
  __device__ FULMEN_INLINE T reduce_apart(T value, Op op) const {
    __shared__ T values[256];
    int thread = static_cast<int>(threadIdx.x), teams = static_cast<int>(blockDim.x) / lanes;
    values[thread] = value;
    for (int half = lanes / 2; half > 0; half /= 2) {
      __syncthreads();
      if (lane < half) values[thread] = op(values[thread], values[thread + half * teams]);
    }
    __syncthreads();
    value = values[index];
    __syncthreads();  // `values` may be written again
    return value;
  }
};

/// Where a thread finds the vectors of V elements that are its own: vector e of its team's row, in memory and in
/// shared memory that holds all rows of the block.
template <int V>
struct RowVectors {
  int64_t count, first, step;  ///< vectors of a row; this thread's are first, first + step, ...
  int64_t base, apart;         ///< in memory: vector e is at base + e * apart
  int64_t slot, slots_apart;   ///< in shared memory, counted in vectors

  __device__ FULMEN_INLINE RowVectors(const Rows& rows, const Team& team)
      : count(team.valid ? rows.cols / V : 0),
        first(team.lane),
        step(team.lanes),
        base(team.base),
        apart(V * rows.inner),
        slot(team.across ? team.index : team.index * (rows.cols / V)),
        slots_apart(team.across ? rows.teams : 1) {}
  __device__ FULMEN_INLINE int64_t at(int64_t e) const { return base + e * apart; }
  __device__ FULMEN_INLINE int64_t slot_of(int64_t e) const { return slot + e * slots_apart; }
};

/// The largest number so far, and the sum of exp(x - most): log(sum(exp(x))) of a row that is read once.
template <class T>
struct RunningSum {
  T most = lowest<T>, sum = 0;
  template <class S, int V>
  GPU_INLINE void add(const Vec<S, V>& x) {
    T above = most;
    for (int v = 0; v < V; ++v) above = Max{}(above, static_cast<T>(x[v]));
    if (above != most) sum *= math::exp(most - above), most = above;
    // exp(-inf - -inf) is NaN; what is -inf adds nothing as long as something larger may come.
    for (int v = 0; v < V; ++v) {
      T value = static_cast<T>(x[v]);
      if (value != lowest<T>) sum += math::exp(value - most);
    }
  }
  /// Those of the whole row.
  GPU_INLINE void join(const Team& team) {
    T above = team.max(most);
    if (above != most) sum *= math::exp(most - above), most = above;
    sum = team.sum(sum);
  }
};

/// Calls f<V>(std::integral_constant<int, V>) with the width of the loads: 16 bytes if all of the arrays allow it (rows
/// in one piece, a multiple of the width, aligned), else one element.
template <class S, class F, class... P>
inline void with_width(int64_t cols, int64_t inner, const F& f, const P*... arrays) {
  constexpr int width = vec_width<S>;
  bool wide = inner == 1 && cols % width == 0 && (... && aligned_for<width>(static_cast<const S*>(arrays)));
  if (wide) {
    f(std::integral_constant<int, width>());
  } else {
    f(std::integral_constant<int, 1>());
  }
}

}  // namespace fulmen::gpu
