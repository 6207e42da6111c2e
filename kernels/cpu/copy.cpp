#include <fulmen/kernels/copy.h>
#include <fulmen/kernels/cpu/convert.h>
#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/layout.h>

namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t grain = 32768;

struct Pair {
  char* y;
  const char* x;
  int64_t y_item, x_item;
  Convert convert;
};

// y[r, c] = x[r, c] where y is dense along c and x along r. A block goes through a buffer, so that both sides use whole
// cache lines at once: rows that are a power of two apart would push each other out.
template <class T>
void transpose_tile(T* y, int64_t y_stride, const T* x, int64_t x_stride, int64_t rows, int64_t columns) {
  constexpr int64_t block = 64 / sizeof(T);
  alignas(64) T buffer[block][block];
  for (int64_t r = 0; r < rows; r += block) {
    for (int64_t c = 0; c < columns; c += block) {
      int64_t height = rows - r < block ? rows - r : block, width = columns - c < block ? columns - c : block;
      const T* from = x + c * x_stride + r;
      T* to = y + r * y_stride + c;
      if (height == block && width == block) {
        for (int64_t k = 0; k < block; ++k) __builtin_memcpy(buffer[k], from + k * x_stride, sizeof buffer[k]);
        for (int64_t h = 0; h < block; ++h) {
          for (int64_t k = 0; k < block; ++k) to[h * y_stride + k] = buffer[k][h];
        }
      } else {
        for (int64_t k = 0; k < width; ++k) {
          for (int64_t h = 0; h < height; ++h) to[h * y_stride + k] = from[k * x_stride + h];
        }
      }
    }
  }
}

void transpose_tile(const Pair& p, int64_t y_at, int64_t y_stride, int64_t x_at, int64_t x_stride, int64_t rows,
                    int64_t columns) {
  auto as = [&](auto type) {
    using T = decltype(type);
    transpose_tile(reinterpret_cast<T*>(p.y) + y_at, y_stride, reinterpret_cast<const T*>(p.x) + x_at, x_stride, rows,
                   columns);
  };
  switch (p.y_item) {
    case 1:
      return as(uint8_t{});
    case 2:
      return as(uint16_t{});
    case 4:
      return as(uint32_t{});
    default:
      return as(uint64_t{});
  }
}

/// Elements before position `outer` of the dimensions [0, ndim), for both operands.
struct Offsets {
  int64_t y = 0, x = 0;
  Offsets(const Layout<2>& layout, int ndim, int64_t outer, int skip = -1) {
    for (int d = ndim - 1; d >= 0; --d) {
      if (d == skip) continue;
      int64_t i = outer % layout.sizes[d];
      outer /= layout.sizes[d];
      y += i * layout.strides[0][d];
      x += i * layout.strides[1][d];
    }
  }
};

// The dimension along which x is dense while y is dense along the last one; -1 if there is none.
int transposed_dim(const Layout<2>& layout) {
  int last = layout.ndim - 1;
  if (last < 1 || layout.strides[0][last] != 1 || layout.strides[1][last] == 1 || layout.sizes[last] < 8) return -1;
  for (int d = 0; d < last; ++d) {
    if (layout.strides[1][d] == 1 && layout.sizes[d] >= 8) return d;
  }
  return -1;
}

void copy_transposed(const Layout<2>& layout, const Pair& p, int dim) {
  constexpr int64_t tile = 64;
  int last = layout.ndim - 1;
  int64_t rows = layout.sizes[dim], columns = layout.sizes[last], bands = (rows + tile - 1) / tile;
  int64_t outer = layout.numel / (rows * columns);
  int64_t bands_per_thread = grain / (tile * columns) + 1;
  parallel_for(outer * bands, bands_per_thread, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Offsets at(layout, last, i / bands, dim);
      int64_t r = i % bands * tile, height = rows - r < tile ? rows - r : tile;
      for (int64_t c = 0; c < columns; c += tile) {
        int64_t width = columns - c < tile ? columns - c : tile;
        transpose_tile(p, at.y + r * layout.strides[0][dim] + c, layout.strides[0][dim],
                       at.x + r + c * layout.strides[1][last], layout.strides[1][last], height, width);
      }
    }
  });
}

void copy_rows(const Layout<2>& layout, const Pair& p) {
  int last = layout.ndim - 1;
  int64_t inner = layout.sizes[last], rows = layout.numel / inner;
  int64_t sy = layout.strides[0][last], sx = layout.strides[1][last];
  if (rows == 1) {
    parallel_for(inner, grain, [&](int64_t begin, int64_t end) {
      p.convert(p.y + begin * sy * p.y_item, sy, p.x + begin * sx * p.x_item, sx, end - begin);
    });
    return;
  }
  parallel_for(rows, grain / inner + 1, [&](int64_t begin, int64_t end) {
    Offsets at(layout, last, begin);
    int64_t index[max_dims], rest = begin;
    for (int d = last - 1; d >= 0; --d) {
      index[d] = rest % layout.sizes[d];
      rest /= layout.sizes[d];
    }
    for (int64_t row = begin; row < end; ++row) {
      p.convert(p.y + at.y * p.y_item, sy, p.x + at.x * p.x_item, sx, inner);
      for (int d = last - 1; d >= 0; --d) {
        at.y += layout.strides[0][d];
        at.x += layout.strides[1][d];
        if (++index[d] < layout.sizes[d]) break;
        at.y -= layout.sizes[d] * layout.strides[0][d];
        at.x -= layout.sizes[d] * layout.strides[1][d];
        index[d] = 0;
      }
    }
  });
}

}  // namespace

// Any strides on both sides; nothing overlaps.
void copy(const Launch&, View y, ConstView x) {
  if (y.numel == 0) return;
  Pair p{static_cast<char*>(y.data), static_cast<const char*>(x.data), element_size(y.dtype), element_size(x.dtype),
         converter(y.dtype, x.dtype)};
  if (y.numel == x.numel && y.numel <= grain && y.contiguous() && x.contiguous()) {
    p.convert(p.y, 1, p.x, 1, y.numel);
    return;
  }
  auto layout = layout_of<1>(y, {&x});
  if (layout.ndim == 0) {
    p.convert(p.y, 1, p.x, 1, 1);
    return;
  }
  int transposed = y.dtype == x.dtype ? transposed_dim(layout) : -1;
  if (transposed >= 0) {
    copy_transposed(layout, p, transposed);
  } else {
    copy_rows(layout, p);
  }
}

}  // namespace fulmen::FULMEN_ISA
