#pragma once
#include <fulmen/kernels/cpu/gemm_product.h>

// The innermost loops of convolutions, over slabs (conv_slab.h): sums stay in registers, operands are read where they
// lie.
namespace fulmen::FULMEN_ISA {

/// Registers of neighbouring outputs that a tile of so many rows computes: enough chains of sums to keep the units
/// busy.
template <int rows>
inline constexpr int tile_vectors = rows <= 2 ? 4 : packed_vectors;
inline constexpr int most_tile_cols = 4;  ///< registers

/// sums[r][:] = sum over p of a[p][r] b[offsets[p] + :], in blocks of depth whose sums are added to `sums`.
template <class T, int rows, int vectors>
__attribute__((noinline)) static void conv_tile(int64_t depth, const T* a, const T* b, const int64_t* offsets,
                                                T* sums) {
  for (int64_t begin = 0; begin < depth || begin == 0; begin += depth_block) {
    const int64_t end = smaller(begin + depth_block, depth);
    Vec<T> sum[rows][vectors] = {};
    for (int64_t p = begin; p < end; ++p) {
      const T* from = b + offsets[p];
      Vec<T> row[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) row[v] = load<Vec<T>>(from + v * lanes<T>);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
        Vec<T> factor = splat<Vec<T>>(a[p * rows + r]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) sum[r][v] += factor * row[v];
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        T* to = sums + (r * vectors + v) * lanes<T>;
        store(to, begin == 0 ? sum[r][v] : load<Vec<T>>(to) + sum[r][v]);
      }
    }
  }
}

template <class T>
using ConvTileFn = void (*)(int64_t, const T*, const T*, const int64_t*, T*);
/// [rows - 1][0: one register per row, 1: tile_vectors].
template <class T>
static ConvTileFn<T> conv_tile_of(int64_t rows, bool whole) {
#define FULMEN_TILE(R) \
  case R:              \
    return whole ? conv_tile<T, R, tile_vectors<R>> : conv_tile<T, R, 1>;
  switch (rows) {
    FULMEN_TILE(1)
    FULMEN_TILE(2)
    FULMEN_TILE(3)
#if FULMEN_ISA_LEVEL >= 3
    FULMEN_TILE(4)
    FULMEN_TILE(5)
#endif
#if FULMEN_ISA_LEVEL >= 4
    FULMEN_TILE(6)
    FULMEN_TILE(7)
    FULMEN_TILE(8)
    FULMEN_TILE(9)
    FULMEN_TILE(10)
    FULMEN_TILE(11)
#endif
    default:
      return whole ? conv_tile<T, packed_rows, tile_vectors<packed_rows>> : conv_tile<T, packed_rows, 1>;
  }
#undef FULMEN_TILE
}
FULMEN_INLINE int64_t tile_cols_of(int64_t rows) { return rows <= 2 ? tile_vectors<2> : packed_vectors; }

// --- Sums along the outputs, for the gradient of a weight -----------------------------------------------------------

inline constexpr int dot_rows_most = FULMEN_ISA_LEVEL >= 4 ? 4 : 3, dot_cols = FULMEN_ISA_LEVEL >= 4 ? 6 : 4;

/// Where the operands of conv_dots lie: `units` boxes of `planes` planes each.
struct DotLayout {
  int64_t units, planes, run;      ///< run: elements of y in a plane, a multiple of a register
  int64_t y_unit, y_row, y_plane;  ///< distances
  int64_t x_unit, x_plane;
};
/// sums[r][c] = sum over all units, planes and i < run of y[r][i] x[offsets[c] + i].
template <class T, int rows>
__attribute__((noinline)) static void conv_dots(const DotLayout& at, const T* y, const T* x, const int64_t* offsets,
                                                T* sums) {
  Vec<T> sum[rows][dot_cols] = {};
  for (int64_t part = 0; part < at.units * at.planes; ++part) {
    const int64_t unit = part / at.planes, plane = part % at.planes;
    const T* left = y + unit * at.y_unit + plane * at.y_plane;
    const T* from[dot_cols];
#pragma GCC unroll 6
    for (int c = 0; c < dot_cols; ++c) from[c] = x + unit * at.x_unit + plane * at.x_plane + offsets[c];
    for (int64_t i = 0; i < at.run; i += lanes<T>) {
      Vec<T> factor[rows];
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) factor[r] = load<Vec<T>>(left + r * at.y_row + i);
#pragma GCC unroll 6
      for (int c = 0; c < dot_cols; ++c) {
        Vec<T> value = load<Vec<T>>(from[c] + i);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) sum[r][c] += factor[r] * value;
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 6
    for (int c = 0; c < dot_cols; ++c) sums[r * dot_cols + c] = sum_lanes<T, lanes<T>>(sum[r][c]);
  }
}

template <class T>
using ConvDotsFn = void (*)(const DotLayout&, const T*, const T*, const int64_t*, T*);
template <class T>
static ConvDotsFn<T> conv_dots_of(int64_t rows) {
  switch (rows) {
    case 1:
      return conv_dots<T, 1>;
    case 2:
      return conv_dots<T, 2>;
#if FULMEN_ISA_LEVEL >= 4
    case 3:
      return conv_dots<T, 3>;
#endif
    default:
      return conv_dots<T, dot_rows_most>;
  }
}

}  // namespace fulmen::FULMEN_ISA
