#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// One dimension of a pooling: which elements the window of an output has, and which windows an element is in.
struct PoolAxis {
  int64_t in, out;
  int64_t kernel, stride, padding, dilation;
  /// Windows share the input evenly (adaptive pooling); the four numbers above do not count.
  bool adaptive;

  /// The window of output o: begin(o), begin(o) + dilation, ... below end(o), all of them elements.
  FULMEN_HD FULMEN_INLINE int64_t begin(int64_t o) const {
    if (adaptive) return o * in / out;
    const int64_t first = o * stride - padding;
    return first >= 0 ? first : first + (-first + dilation - 1) / dilation * dilation;
  }
  FULMEN_HD FULMEN_INLINE int64_t end(int64_t o) const {
    if (adaptive) return ((o + 1) * in + out - 1) / out;
    const int64_t last = o * stride - padding + (kernel - 1) * dilation + 1;
    return last < in ? last : in;
  }
  FULMEN_HD FULMEN_INLINE int64_t step() const { return adaptive ? 1 : dilation; }
  /// Elements of a window with those of the padding, but nothing beyond it.
  FULMEN_HD FULMEN_INLINE int64_t padded_length(int64_t o) const {
    if (adaptive) return end(o) - begin(o);
    const int64_t first = o * stride - padding, last = first + kernel;
    return (last < in + padding ? last : in + padding) - first;
  }
  /// All outputs whose windows may contain element i are in [first_output(i), last_output(i)].
  FULMEN_HD FULMEN_INLINE int64_t first_output(int64_t i) const {
    if (adaptive) return i * out / in;
    const int64_t reach = i + padding - (kernel - 1) * dilation;
    return reach <= 0 ? 0 : (reach + stride - 1) / stride;
  }
  FULMEN_HD FULMEN_INLINE int64_t last_output(int64_t i) const {
    const int64_t last = adaptive ? ((i + 1) * out + in - 1) / in - 1 : (i + padding) / stride;
    return last < out ? last : out - 1;
  }
  FULMEN_HD FULMEN_INLINE bool contains(int64_t o, int64_t i) const {
    return i >= begin(o) && i < end(o) && (i - begin(o)) % step() == 0;
  }
};
/// Missing dimensions have size 1 and are the first.
struct PoolGeometry {
  PoolAxis axes[3];
};
/// What a sum over a window is divided by: `fixed` if it is not 0, else the number of its elements.
struct PoolDivisor {
  int64_t fixed;
  bool count_padding;
};

// x and gx [planes, in sizes], y, gy and indices [planes, out sizes]: contiguous; floating point of any dtype, indices
// int64, places within a plane. float16 and bfloat16 are computed in float32.

/// The largest element of each window, and its place; the first of equal ones, NaN above all.
KERNEL(max_pool, const View& y, const View& indices, const ConstView& x, const PoolGeometry& geometry)
/// gx = sum of the gy of all windows whose largest element is this one.
KERNEL(max_pool_backward, const View& gx, const ConstView& gy, const ConstView& indices, const PoolGeometry& geometry)
/// The mean of each window.
KERNEL(avg_pool, const View& y, const ConstView& x, const PoolGeometry& geometry, PoolDivisor divisor)
/// gx = sum of gy / divisor over all windows with this element.
KERNEL(avg_pool_backward, const View& gx, const ConstView& gy, const PoolGeometry& geometry, PoolDivisor divisor)

/// The divisor of output (z, y, x).
FULMEN_HD FULMEN_INLINE double pool_divisor(const PoolGeometry& g, const PoolDivisor& divisor, int64_t z, int64_t y,
                                            int64_t x) {
  if (divisor.fixed != 0) return static_cast<double>(divisor.fixed);
  const PoolAxis(&a)[3] = g.axes;
  if (divisor.count_padding) {
    return static_cast<double>(a[0].padded_length(z) * a[1].padded_length(y) * a[2].padded_length(x));
  }
  return static_cast<double>((a[0].end(z) - a[0].begin(z)) * (a[1].end(y) - a[1].begin(y)) *
                             (a[2].end(x) - a[2].begin(x)));
}

}  // namespace fulmen
