#pragma once
#include <fulmen/kernels/cpu/vec.h>

// The innermost loops of a matrix product: a tile of c that fits the registers, and the copies that bring operands into
// the order in which a tile reads them. Every element of c is one chain of multiply-adds in ascending order of depth,
// whatever tile it falls into, so results do not depend on how the work is cut.
namespace fulmen::FULMEN_ISA {

/// An operand in memory: element (i, j) is data[i * row + j * col].
template <class T>
struct Matrix {
  T* data;
  int64_t row, col;
  FULMEN_INLINE T* at(int64_t i, int64_t j) const { return data + i * row + j * col; }
  FULMEN_INLINE Matrix from(int64_t i, int64_t j) const { return {at(i, j), row, col}; }
  FULMEN_INLINE Matrix transposed() const { return {data, col, row}; }
};

/// What becomes of a finished sum: c = alpha sum + beta add, or c += alpha sum for the later parts of a long depth.
template <class T>
struct Epilogue {
  Matrix<const T> add;  ///< data == nullptr: nothing to add
  T alpha, beta;
  bool accumulate;
};

/// Rows and registers per row of a tile with packed operands. 16 registers: 12 sums, 2 of b, one of a.
inline constexpr int packed_rows = FULMEN_ISA_LEVEL >= 4 ? 12 : FULMEN_ISA_LEVEL == 3 ? 6 : 4;
inline constexpr int packed_vectors = 2;
template <class T>
inline constexpr int packed_cols = packed_vectors* lanes<T>;

/// sum[r][:] = a(r, 0..depth) b(0..depth, :), where a(r, p) = a[r * a_row + p * a_step] and row p of b begins at
/// b + p * b_step.
template <class T, int rows, int vectors>
FULMEN_INLINE void multiply(int64_t depth, const T* a, int64_t a_row, int64_t a_step, const T* b, int64_t b_step,
                            Vec<T> (&sum)[rows][vectors]) {
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sum[r][v] = Vec<T>{};
  }
  for (int64_t p = 0; p < depth; ++p) {
    Vec<T> row[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) row[v] = load<Vec<T>>(b + v * lanes<T>);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      Vec<T> factor = splat<Vec<T>>(a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] += factor * row[v];
    }
    a += a_step;
    b += b_step;
  }
}

/// c(0..rows, 0..cols) from the sums of a tile, element by element: borders of c, and layouts that are not row-major.
template <class T>
static void finish_elements(const T* sums, int64_t sum_row, int64_t rows, int64_t cols, Matrix<T> c,
                            const Epilogue<T>& end) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      T value = end.alpha * sums[i * sum_row + j];
      T* to = c.at(i, j);
      if (end.accumulate) {
        value += *to;
      } else if (end.add.data) {
        value += end.beta * *end.add.at(i, j);
      }
      *to = value;
    }
  }
}

template <class T, int rows, int vectors>
FULMEN_INLINE void finish_vectors(Vec<T> (&sum)[rows][vectors], Matrix<T> c, const Epilogue<T>& end) {
  Vec<T> alpha = splat<Vec<T>>(end.alpha), beta = splat<Vec<T>>(end.beta);
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    T* to = c.data + r * c.row;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      Vec<T> value = alpha * sum[r][v];
      if (end.accumulate) {
        value += load<Vec<T>>(to + v * lanes<T>);
      } else if (end.add.data) {
        value += beta * load<Vec<T>>(end.add.data + r * end.add.row + v * lanes<T>);
      }
      store(to + v * lanes<T>, value);
    }
  }
}

/// One tile of c, of which the first `used_rows` rows and `used_cols` columns exist. Never inlined: mixed into a loop
/// of its caller, g++ 12 rearranges the sums across registers and halves the speed.
template <class T, int rows, int vectors>
__attribute__((noinline)) static void tile(int64_t depth, const T* a, int64_t a_row, int64_t a_step, const T* b,
                                           int64_t b_step, Matrix<T> c, const Epilogue<T>& end, int64_t used_rows,
                                           int64_t used_cols) {
  Vec<T> sum[rows][vectors];
  multiply<T, rows, vectors>(depth, a, a_row, a_step, b, b_step, sum);
  bool whole = used_rows == rows && used_cols == vectors * lanes<T>;
  if (whole && c.col == 1 && (!end.add.data || end.add.col == 1)) {
    finish_vectors<T, rows, vectors>(sum, c, end);
    return;
  }
  T sums[rows * vectors * lanes<T>];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store(sums + (r * vectors + v) * lanes<T>, sum[r][v]);
  }
  finish_elements(sums, vectors * lanes<T>, used_rows, used_cols, c, end);
}

/// A 4x4 block of floats or a 2x2 block of doubles: `to` rows of `to_step` from columns that are `from_col` apart.
FULMEN_INLINE void transpose_block(const float* from, int64_t from_col, float* to, int64_t to_step) {
  using V = VecOf<float, 4>::type;
  V a = load<V>(from), b = load<V>(from + from_col), c = load<V>(from + 2 * from_col), d = load<V>(from + 3 * from_col);
  V ac0 = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac1 = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  V bd0 = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd1 = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  store(to, __builtin_shufflevector(ac0, bd0, 0, 4, 1, 5));
  store(to + to_step, __builtin_shufflevector(ac0, bd0, 2, 6, 3, 7));
  store(to + 2 * to_step, __builtin_shufflevector(ac1, bd1, 0, 4, 1, 5));
  store(to + 3 * to_step, __builtin_shufflevector(ac1, bd1, 2, 6, 3, 7));
}
FULMEN_INLINE void transpose_block(const double* from, int64_t from_col, double* to, int64_t to_step) {
  using V = VecOf<double, 2>::type;
  V a = load<V>(from), b = load<V>(from + from_col);
  store(to, __builtin_shufflevector(a, b, 0, 2));
  store(to + to_step, __builtin_shufflevector(a, b, 1, 3));
}

/// Copies b(0..depth, 0..cols) into `to`, row after row of `width` numbers; columns from `cols` on become 0.
/// S is the type in memory, T the one that is multiplied.
template <class S, class T>
static void pack_columns(int64_t depth, int64_t cols, int64_t width, Matrix<const S> b, T* to) {
  int64_t done = 0;
  if constexpr (std::is_same_v<S, T>) {
    constexpr int64_t block = 16 / sizeof(T);
    if (b.row == 1 && cols >= block) {  // columns lie in memory one after the other: transpose block by block
      int64_t whole = depth / block * block;
      for (; done < cols; done += block) {
        int64_t j0 = done + block <= cols ? done : cols - block;  // the last block may write some columns twice
        for (int64_t p = 0; p < whole; p += block) transpose_block(b.at(p, j0), b.col, to + p * width + j0, width);
        for (int64_t p = whole; p < depth; ++p) {
          for (int64_t j = j0; j < j0 + block; ++j) to[p * width + j] = *b.at(p, j);
        }
      }
      done = cols;
    } else if (b.col == 1 && cols == width && width % lanes<T> == 0) {
      for (int64_t p = 0; p < depth; ++p) {
        for (int64_t j = 0; j < width; j += lanes<T>) store(to + p * width + j, load<Vec<T>>(b.at(p, j)));
      }
      return;
    } else if (b.col == 1 && cols == width && width % block == 0) {  // a tile's rows
      using V = typename VecOf<T, block>::type;
      for (int64_t p = 0; p < depth; ++p) {
        for (int64_t j = 0; j < width; j += block) store(to + p * width + j, load<V>(b.at(p, j)));
      }
      return;
    }
  }
  if (done == width) return;
  for (int64_t p = 0; p < depth; ++p) {
    T* row = to + p * width;
    for (int64_t j = done; j < cols; ++j) row[j] = static_cast<T>(*b.at(p, j));
    for (int64_t j = cols; j < width; ++j) row[j] = T(0);
  }
}

}  // namespace fulmen::FULMEN_ISA
