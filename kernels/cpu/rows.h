#pragma once
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/cpu/vec.h>
#include <fulmen/kernels/scratch.h>

// Work on rows of numbers: sums with a fixed tree, and buffers that hold rows which are not contiguous in memory, or
// not of a type for arithmetic.
namespace fulmen::FULMEN_ISA {

/// The type in which elements of type S are computed.
template <class S>
using Compute = std::conditional_t<sizeof(S) == 2, float, S>;

/// Elements that a thread should have at least, for work as dear as exp.
inline constexpr int64_t row_grain = 16384;
FULMEN_INLINE int64_t rows_per_task(int64_t cols) { return cols >= row_grain ? 1 : row_grain / (cols + 1) + 1; }

template <class T, int N>
FULMEN_INLINE T sum_lanes(typename VecOf<T, N>::type v) {
  if constexpr (N == 1) {
    return v[0];
  } else {
    typename VecOf<T, N / 2>::type half[2];
    __builtin_memcpy(half, &v, sizeof v);
    return sum_lanes<T, N / 2>(half[0] + half[1]);
  }
}

/// Sum of f(x[i]...) over i < n; f takes registers as well as numbers. The tree depends on n alone: four chains per
/// lane within a block, blocks in double, so the error does not grow with n.
template <class T, class F, class... P>
FULMEN_INLINE double sum_of(int64_t n, const F& f, const P*... x) {
  constexpr int64_t block = 64 * lanes<T>;
  using V = Vec<T>;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += block) {
    int64_t end = begin + block < n ? begin + block : n, i = begin;
    V sum[4] = {};
    for (; i + 4 * lanes<T> <= end; i += 4 * lanes<T>) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) sum[k] += f(load<V>(x + i + k * lanes<T>)...);
    }
    for (; i + lanes<T> <= end; i += lanes<T>) sum[0] += f(load<V>(x + i)...);
    T rest = 0;
    for (; i < end; ++i) rest += f(x[i]...);
    total += sum_lanes<T, lanes<T>>((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
  }
  return total;
}

/// The largest of n > 0 numbers; a NaN may or may not be seen.
template <class T>
FULMEN_INLINE T max_of(int64_t n, const T* x) {
  using V = Vec<T>;
  T most = x[0];
  int64_t i = 0;
  if (n >= 4 * lanes<T>) {
    V m[4] = {load<V>(x), load<V>(x + lanes<T>), load<V>(x + 2 * lanes<T>), load<V>(x + 3 * lanes<T>)};
    for (i = 4 * lanes<T>; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        V v = load<V>(x + i + k * lanes<T>);
        m[k] = v > m[k] ? v : m[k];
      }
    }
    T all[4 * lanes<T>];
    __builtin_memcpy(all, m, sizeof m);
    for (T v : all) most = v > most ? v : most;
  }
  for (; i < n; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

/// Calls f(group, first row, rows) for blocks of rows of [outer, cols, inner], where row (o, j) is x[o, :, j]; a block
/// has neighbouring j of one o = group, as many as make good use of what is read together.
template <class F>
FULMEN_INLINE void for_row_blocks(int64_t outer, int64_t cols, int64_t inner, const F& f) {
  int64_t block = inner == 1 ? 1 : 65536 / (cols + 1) < 8 ? 8 : 65536 / (cols + 1) > 64 ? 64 : 65536 / (cols + 1);
  int64_t blocks = (inner + block - 1) / block;
  parallel_for(outer * blocks, rows_per_task(cols * (inner < block ? inner : block)), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t j = t % blocks * block;
      f(t / blocks, j, inner - j < block ? inner - j : block);
    }
  });
}

/// rows[j * cols + i] = x[i * inner + j]
template <class T, class S>
FULMEN_INLINE void gather_rows(T* rows, const S* x, int64_t cols, int64_t inner, int64_t count) {
  for (int64_t i = 0; i < cols; ++i) {
    for (int64_t j = 0; j < count; ++j) rows[j * cols + i] = static_cast<T>(x[i * inner + j]);
  }
}
template <class T, class S>
FULMEN_INLINE void scatter_rows(S* y, const T* rows, int64_t cols, int64_t inner, int64_t count) {
  for (int64_t i = 0; i < cols; ++i) {
    for (int64_t j = 0; j < count; ++j) y[i * inner + j] = S(rows[j * cols + i]);
  }
}
template <class T>
FULMEN_INLINE T* scratch_rows(int64_t numbers) {
  return static_cast<T*>(thread_scratch(Scratch::Block, sizeof(T) * static_cast<size_t>(numbers)));
}

/// The row itself, or its numbers as T in `buffer`.
template <class T, class S>
FULMEN_INLINE const T* row_as(const S* x, int64_t n, T* buffer) {
  if constexpr (std::is_same_v<S, T>) {
    return x;
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = static_cast<T>(x[i]);
    return buffer;
  }
}

/// Where to compute a row that goes to y: y itself, or `buffer`, from which finish_row writes it.
template <class T, class S>
FULMEN_INLINE T* row_for(S* y, T* buffer) {
  if constexpr (std::is_same_v<S, T>) {
    return y;
  } else {
    return buffer;
  }
}
template <class T, class S>
FULMEN_INLINE void finish_row(S* y, int64_t n, const T* buffer) {
  if constexpr (!std::is_same_v<S, T>) {
    for (int64_t i = 0; i < n; ++i) y[i] = S(buffer[i]);
  }
}

}  // namespace fulmen::FULMEN_ISA
