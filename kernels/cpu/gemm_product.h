#pragma once
#include <fulmen/kernels/cpu/gemm_tile.h>
#include <fulmen/kernels/cpu/rows.h>

// One matrix product of float or double: which loops run around the tiles. The choice depends on the shape and the
// layout only.
namespace fulmen::FULMEN_ISA {

/// c = epilogue(a b). S is the type of a and b in memory, T that of the arithmetic and of c.
template <class S, class T>
struct Product {
  int64_t rows, cols, depth;
  Matrix<const S> a, b;
  Matrix<T> c;
  Epilogue<T> end;
  /// The same as c^T = b^T a^T.
  Product transposed() const {
    Epilogue<T> e = end;
    e.add = end.add.transposed();
    return {cols, rows, depth, b.transposed(), a.transposed(), c.transposed(), e};
  }
};

/// Depth that is at most summed in registers before it goes to c: packed, a sliver of b of that depth stays near.
inline constexpr int64_t depth_block = 384;
/// Multiply-adds from which a second thread pays (about 40 microseconds of one).
inline constexpr int64_t parallel_work = 1 << 21;

template <class T>
FULMEN_INLINE Epilogue<T> epilogue_at(const Epilogue<T>& end, int64_t i, int64_t j, bool first_part) {
  Epilogue<T> e = end;
  if (end.add.data) e.add = end.add.from(i, j);
  e.accumulate = end.accumulate || !first_part;
  return e;
}

FULMEN_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
FULMEN_INLINE int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// --- Without packing a: small products and those with few rows ------------------------------------------------------

inline constexpr int direct_rows = 6;

template <class T>
using TileFn = void (*)(int64_t, const T*, int64_t, int64_t, const T*, int64_t, Matrix<T>, const Epilogue<T>&, int64_t,
                        int64_t);
template <class T>
static constexpr TileFn<T> direct_tiles[2][direct_rows] = {
    {tile<T, 1, 1>, tile<T, 2, 1>, tile<T, 3, 1>, tile<T, 4, 1>, tile<T, 5, 1>, tile<T, 6, 1>},
    {tile<T, 1, 2>, tile<T, 2, 2>, tile<T, 3, 2>, tile<T, 4, 2>, tile<T, 5, 2>, tile<T, 6, 2>}};

/// Columns [begin, end) of c; `begin` is a multiple of packed_cols.
template <class T>
static void multiply_direct(const Product<T, T>& p, int64_t begin, int64_t end) {
  T packed[depth_block * packed_cols<T>];
  for (int64_t k = 0; k < p.depth || k == 0; k += depth_block) {
    int64_t depth = smaller(depth_block, p.depth - k);
    for (int64_t j = begin; j < end; j += packed_cols<T>) {
      int64_t used = smaller(packed_cols<T>, end - j);
      int vectors = used > lanes<T> ? 2 : 1;
      Matrix<const T> b = p.b.from(k, j);
      if (b.col != 1 || used != vectors * lanes<T>) {
        pack_columns(depth, used, vectors * lanes<T>, b, packed);
        b = {packed, vectors * lanes<T>, 1};
      }
      for (int64_t i = 0; i < p.rows; i += direct_rows) {
        int64_t count = smaller(direct_rows, p.rows - i);
        direct_tiles<T>[vectors - 1][count - 1](depth, p.a.at(i, k), p.a.row, p.a.col, b.data, b.row, p.c.from(i, j),
                                                epilogue_at(p.end, i, j, k == 0), count, used);
      }
    }
  }
}

// --- With both operands packed: everything large --------------------------------------------------------------------

inline constexpr int64_t row_block = 16 * packed_rows, row_chunk = 16 * row_block;
template <class T>
inline constexpr int64_t col_block = 8192 / static_cast<int64_t>(sizeof(T)) / packed_cols<T>* packed_cols<T>;

/// One part of a product: rows [i, i + rows), columns [j, j + cols), depth [k, k + depth), and its packed operands.
template <class S, class T>
struct Part {
  const Product<S, T>& p;
  int64_t i, rows, j, cols, k, depth;
  T *block, *panel;  ///< tiles of packed_rows rows of a, slivers of packed_cols columns of b

  int64_t tiles() const { return divide_up(rows, packed_rows); }
  int64_t slivers() const { return divide_up(cols, packed_cols<T>); }
  void pack_tile(int64_t t) const {
    int64_t r = t * packed_rows;
    pack_columns(depth, smaller(packed_rows, rows - r), packed_rows, p.a.from(i + r, k).transposed(),
                 block + r * depth);
  }
  void pack_sliver(int64_t t) const {
    int64_t s = t * packed_cols<T>;
    pack_columns(depth, smaller(packed_cols<T>, cols - s), packed_cols<T>, p.b.from(k, j + s), panel + s * depth);
  }
  /// Rows [r0, r1) and columns [s0, s1) of this part; r0 and s0 are where tiles begin.
  void multiply(int64_t r0, int64_t r1, int64_t s0, int64_t s1) const {
    for (int64_t s = s0; s < s1; s += packed_cols<T>) {
      for (int64_t r = r0; r < r1; r += packed_rows) {
        tile<T, packed_rows, packed_vectors>(
            depth, block + r * depth, 1, packed_rows, panel + s * depth, packed_cols<T>, p.c.from(i + r, j + s),
            epilogue_at(p.end, i + r, j + s, k == 0), smaller(packed_rows, r1 - r), smaller(packed_cols<T>, s1 - s));
      }
    }
  }
};

template <class S, class T>
static void multiply_part(const Part<S, T>& part, bool pack_b, bool alone) {
  int64_t tiles = part.tiles(), slivers = part.slivers(), copies = tiles + (pack_b ? slivers : 0);
  parallel_for(copies, alone ? copies : divide_up(1 << 14, packed_cols<T> * part.depth + 1),
               [&](int64_t first, int64_t last) {
                 for (int64_t t = first; t < last; ++t) t < tiles ? part.pack_tile(t) : part.pack_sliver(t - tiles);
               });
  // Blocks of about equal size; with few of them the columns are cut as well, so that every thread finds work.
  int64_t row_blocks = divide_up(part.rows, row_block), height = divide_up(tiles, row_blocks) * packed_rows;
  int64_t cuts = row_blocks >= 16 ? 1 : divide_up(16, row_blocks);
  int64_t width = divide_up(divide_up(slivers, cuts), 2) * 2 * packed_cols<T>;
  cuts = divide_up(part.cols, width);
  parallel_for(row_blocks * cuts, alone ? row_blocks * cuts : 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      int64_t r = task / cuts * height, s = task % cuts * width;
      part.multiply(r, smaller(r + height, part.rows), s, smaller(s + width, part.cols));
    }
  });
}

template <class S, class T>
static void multiply_packed(const Product<S, T>& p) {
  bool alone = p.rows * p.cols * p.depth < parallel_work;
  int64_t chunk = smaller(row_chunk, divide_up(p.rows, packed_rows) * packed_rows);
  int64_t width = smaller(col_block<T>, divide_up(p.cols, packed_cols<T>) * packed_cols<T>);
  int64_t step = p.depth == 0 ? 1 : divide_up(p.depth, divide_up(p.depth, depth_block));  // parts of about equal depth
  auto* block = static_cast<T*>(thread_scratch(Scratch::Block, sizeof(T) * static_cast<size_t>(chunk * step)));
  auto* panel = static_cast<T*>(thread_scratch(Scratch::Panel, sizeof(T) * static_cast<size_t>(width * step)));
  for (int64_t j = 0; j < p.cols; j += width) {
    for (int64_t k = 0; k < p.depth || k == 0; k += step) {
      for (int64_t i = 0; i < p.rows; i += chunk) {
        multiply_part<S, T>({p, i, smaller(chunk, p.rows - i), j, smaller(width, p.cols - j), k,
                             smaller(step, p.depth - k), block, panel},
                            i == 0, alone);
      }
    }
  }
}

// --- Matrix times vector, rows of the matrix contiguous --------------------------------------------------------------

/// Dot products of `rows` rows of a with x.
template <class T, int rows>
FULMEN_INLINE void dot_rows(int64_t depth, const T* a, int64_t a_row, const T* x, T* sums) {
  Vec<T> sum[rows][2] = {};
  int64_t p = 0;
  for (; p + 2 * lanes<T> <= depth; p += 2 * lanes<T>) {
    Vec<T> x0 = load<Vec<T>>(x + p), x1 = load<Vec<T>>(x + p + lanes<T>);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      sum[r][0] += load<Vec<T>>(a + r * a_row + p) * x0;
      sum[r][1] += load<Vec<T>>(a + r * a_row + p + lanes<T>) * x1;
    }
  }
  if (p + lanes<T> <= depth) {
    Vec<T> x0 = load<Vec<T>>(x + p);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) sum[r][0] += load<Vec<T>>(a + r * a_row + p) * x0;
    p += lanes<T>;
  }
  T rest[rows] = {};
  for (; p < depth; ++p) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) rest[r] += a[r * a_row + p] * x[p];
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) sums[r] = sum_lanes<T, lanes<T>>(sum[r][0] + sum[r][1]) + rest[r];
}

/// A long dot product adds the sums of its blocks in double, so its error does not grow with the length.
template <class T, int rows>
static void finish_dots(const Product<T, T>& p, int64_t i, const T* x) {
  constexpr int64_t dot_block = 4096;
  T sums[rows];
  if (p.depth <= dot_block) {
    dot_rows<T, rows>(p.depth, p.a.at(i, 0), p.a.row, x, sums);
  } else {
    double total[rows] = {};
    for (int64_t k = 0; k < p.depth; k += dot_block) {
      dot_rows<T, rows>(smaller(dot_block, p.depth - k), p.a.at(i, k), p.a.row, x + k, sums);
      for (int r = 0; r < rows; ++r) total[r] += sums[r];
    }
    for (int r = 0; r < rows; ++r) sums[r] = static_cast<T>(total[r]);
  }
  finish_elements(sums, 1, rows, 1, p.c.from(i, 0), epilogue_at(p.end, i, 0, true));
}

/// cols == 1 and a.col == 1.
template <class T>
static void multiply_vector(const Product<T, T>& p) {
  const T* x = p.b.data;
  if (p.b.row != 1 && p.depth > 1) {
    auto* copy = static_cast<T*>(thread_scratch(Scratch::Panel, sizeof(T) * p.depth));
    for (int64_t k = 0; k < p.depth; ++k) copy[k] = *p.b.at(k, 0);
    x = copy;
  }
  int64_t groups = divide_up(p.rows, 4);
  parallel_for(groups, divide_up(1 << 18, 4 * p.depth + 1), [&](int64_t first, int64_t last) {
    for (int64_t g = first; g < last; ++g) {
      if (4 * g + 4 <= p.rows) {
        finish_dots<T, 4>(p, 4 * g, x);
      } else {
        for (int64_t i = 4 * g; i < p.rows; ++i) finish_dots<T, 1>(p, i, x);
      }
    }
  });
}

/// The whole choice.
template <class T>
static void multiply(const Product<T, T>& given) {
  Product<T, T> p = given;
  // Columns run along the registers: a few of them would leave most lanes empty.
  if (p.cols < lanes<T> && p.rows >= 2 * p.cols && !(p.cols == 1 && p.a.col == 1)) p = p.transposed();
  if (p.rows == 1 && p.b.row == 1 && p.b.col != 1) p = p.transposed();
  if (p.cols == 1 && p.a.col == 1) {
    multiply_vector(p);
  } else if (p.rows <= 2 * direct_rows || p.rows * p.depth <= 1 << 15) {
    int64_t slivers = divide_up(p.cols, packed_cols<T>);
    int64_t work = p.rows * p.depth * packed_cols<T>;
    parallel_for(slivers, divide_up(parallel_work / 2, work + 1), [&](int64_t first, int64_t last) {
      multiply_direct(p, first * packed_cols<T>, smaller(last * packed_cols<T>, p.cols));
    });
  } else {
    multiply_packed(p);
  }
}

}  // namespace fulmen::FULMEN_ISA
