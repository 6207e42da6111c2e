#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/pool.h>

#include <limits>

// Pooling, a plane (image and channel) per task. A row of outputs is computed at once, element k of all its windows
// before element k + 1, so that the compiler makes vectors of neighbouring outputs.
namespace fulmen::FULMEN_ISA {

namespace {

/// Elements of a row of outputs that are computed at a time.
constexpr int64_t row_part = 256;

struct Extents {
  int64_t planes, in, out;  ///< elements of a plane
  explicit Extents(const PoolGeometry& g, int64_t in_numel)
      : in(g.axes[0].in * g.axes[1].in * g.axes[2].in), out(g.axes[0].out * g.axes[1].out * g.axes[2].out) {
    planes = in > 0 ? in_numel / in : 0;
  }
  /// Planes that make a task.
  int64_t grain(const PoolGeometry& g) const {
    int64_t window = 1;
    for (const PoolAxis& a : g.axes) window *= a.adaptive ? (a.in + a.out - 1) / a.out : a.kernel;
    return rows_per_task(out * window / 4 + in / 4 + 1);
  }
};

/// Calls f(z, y) for all rows of outputs of a plane.
template <class F>
void for_rows(const PoolGeometry& g, const F& f) {
  for (int64_t z = 0; z < g.axes[0].out; ++z) {
    for (int64_t y = 0; y < g.axes[1].out; ++y) f(z, y);
  }
}
/// Calls f(row of the input) for all rows that the windows of row (z, y) of outputs have.
template <class F>
void for_source_rows(const PoolGeometry& g, int64_t z, int64_t y, const F& f) {
  for (int64_t i = g.axes[0].begin(z); i < g.axes[0].end(z); i += g.axes[0].step()) {
    for (int64_t j = g.axes[1].begin(y); j < g.axes[1].end(y); j += g.axes[1].step()) f(i * g.axes[1].in + j);
  }
}
/// The outputs in [first, last) whose window has its element k inside of the row: [begin, end).
struct Range {
  int64_t begin, end;
};
Range outputs_with(const PoolAxis& a, int64_t k, int64_t first, int64_t last) {
  const int64_t shift = k * a.dilation - a.padding;
  int64_t begin = shift >= 0 ? 0 : (-shift + a.stride - 1) / a.stride;
  int64_t end = a.in - 1 - shift < 0 ? 0 : (a.in - 1 - shift) / a.stride + 1;
  begin = begin < first ? first : begin;
  end = end > last ? last : end;
  return {begin, end};
}

// --- maxima

/// The windows of outputs [first, last) of a row of outputs: largest elements and their places.
template <class T, class S>
void max_of_row(const PoolGeometry& g, const S* x, int64_t z, int64_t y, int64_t first, int64_t last, T* best,
                int32_t* place) {
  const PoolAxis& a = g.axes[2];
  const int64_t start = (g.axes[0].begin(z) * g.axes[1].in + g.axes[1].begin(y)) * a.in, count = last - first;
  for (int64_t i = 0; i < count; ++i) {
    best[i] = -std::numeric_limits<T>::infinity();
    place[i] = static_cast<int32_t>(start + a.begin(first + i));
  }
  for_source_rows(g, z, y, [&](int64_t row) {
    const S* from = x + row * a.in;
    if (a.adaptive) {
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t k = a.begin(first + i); k < a.end(first + i); ++k) {
          const T v = static_cast<T>(from[k]);
          if (v > best[i] || v != v) best[i] = v, place[i] = static_cast<int32_t>(row * a.in + k);
        }
      }
      return;
    }
    for (int64_t k = 0; k < a.kernel; ++k) {
      const Range r = outputs_with(a, k, first, last);
      const int64_t shift = k * a.dilation - a.padding;
      auto compare = [&](int64_t stride) __attribute__((always_inline)) {
        for (int64_t o = r.begin; o < r.end; ++o) {
          const T v = static_cast<T>(from[o * stride + shift]), before = best[o - first];
          const bool more = v > before || v != v;
          best[o - first] = more ? v : before;
          place[o - first] = more ? static_cast<int32_t>(row * a.in + o * stride + shift) : place[o - first];
        }
      };
      if (a.stride == 1) {
        compare(1);
      } else if (a.stride == 2) {
        compare(2);
      } else {
        compare(a.stride);
      }
    }
  });
}

// --- means

template <class T, class S>
void sum_of_row(const PoolGeometry& g, const S* x, int64_t z, int64_t y, int64_t first, int64_t last, T* sum) {
  const PoolAxis& a = g.axes[2];
  for (int64_t i = 0; i < last - first; ++i) sum[i] = 0;
  for_source_rows(g, z, y, [&](int64_t row) {
    const S* from = x + row * a.in;
    if (a.adaptive) {
      for (int64_t i = 0; i < last - first; ++i) {
        T part = 0;
        for (int64_t k = a.begin(first + i); k < a.end(first + i); ++k) part += static_cast<T>(from[k]);
        sum[i] += part;
      }
      return;
    }
    for (int64_t k = 0; k < a.kernel; ++k) {
      const Range r = outputs_with(a, k, first, last);
      const int64_t shift = k * a.dilation - a.padding;
      auto add = [&](int64_t stride) __attribute__((always_inline)) {
        for (int64_t o = r.begin; o < r.end; ++o) sum[o - first] += static_cast<T>(from[o * stride + shift]);
      };
      if (a.stride == 1) {
        add(1);
      } else if (a.stride == 2) {
        add(2);
      } else {
        add(a.stride);
      }
    }
  });
}

/// Calls f(plane of gx as T): the plane itself, zeroed, or a buffer that is rounded into it afterwards.
template <class S, class F>
void for_gradient_planes(const PoolGeometry& g, const View& gx, const F& f) {
  using T = Compute<S>;
  const Extents e(g, gx.numel);
  parallel_for(e.planes, e.grain(g), [&](int64_t begin, int64_t end) {
    T* buffer = std::is_same_v<S, T> ? nullptr : scratch_rows<T>(e.in);
    for (int64_t p = begin; p < end; ++p) {
      S* plane = gx.as<S>() + p * e.in;
      T* to = row_for<T>(plane, buffer);
      for (int64_t i = 0; i < e.in; ++i) to[i] = 0;
      f(p, to);
      finish_row(plane, e.in, to);
    }
  });
}

}  // namespace

void max_pool(const Launch&, const View& y, const View& indices, const ConstView& x, const PoolGeometry& g) {
  if (y.numel == 0) return;
  const Extents e(g, x.numel);
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    parallel_for(e.planes, e.grain(g), [&](int64_t begin, int64_t end) {
      T best[row_part];
      int32_t place[row_part];
      for (int64_t p = begin; p < end; ++p) {
        for_rows(g, [&](int64_t z, int64_t row) {
          const int64_t cols = g.axes[2].out, at = p * e.out + (z * g.axes[1].out + row) * cols;
          for (int64_t first = 0; first < cols; first += row_part) {
            const int64_t last = cols - first < row_part ? cols : first + row_part;
            max_of_row(g, x.as<S>() + p * e.in, z, row, first, last, best, place);
            for (int64_t i = 0; i < last - first; ++i) {
              y.as<S>()[at + first + i] = S(best[i]);
              indices.as<int64_t>()[at + first + i] = place[i];
            }
          }
        });
      }
    });
  });
}

void max_pool_backward(const Launch&, const View& gx, const ConstView& gy, const ConstView& indices,
                       const PoolGeometry& g) {
  const int64_t out = g.axes[0].out * g.axes[1].out * g.axes[2].out;
  for_real(gx.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    for_gradient_planes<S>(g, gx, [&](int64_t p, T* to) {
      const S* from = gy.as<S>() + p * out;
      const int64_t* place = indices.as<int64_t>() + p * out;
      for (int64_t i = 0; i < out; ++i) to[place[i]] += static_cast<T>(from[i]);
    });
  });
}

void avg_pool(const Launch&, const View& y, const ConstView& x, const PoolGeometry& g, PoolDivisor divisor) {
  if (y.numel == 0) return;
  const Extents e(g, x.numel);
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    parallel_for(e.planes, e.grain(g), [&](int64_t begin, int64_t end) {
      T sum[row_part];
      for (int64_t p = begin; p < end; ++p) {
        for_rows(g, [&](int64_t z, int64_t row) {
          const int64_t cols = g.axes[2].out, at = p * e.out + (z * g.axes[1].out + row) * cols;
          for (int64_t first = 0; first < cols; first += row_part) {
            const int64_t last = cols - first < row_part ? cols : first + row_part;
            sum_of_row(g, x.as<S>() + p * e.in, z, row, first, last, sum);
            for (int64_t i = first; i < last; ++i) {
              y.as<S>()[at + i] = S(sum[i - first] / static_cast<T>(pool_divisor(g, divisor, z, row, i)));
            }
          }
        });
      }
    });
  });
}

void avg_pool_backward(const Launch&, const View& gx, const ConstView& gy, const PoolGeometry& g, PoolDivisor divisor) {
  const PoolAxis& a = g.axes[2];
  const int64_t out = g.axes[0].out * g.axes[1].out * a.out;
  for_real(gx.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    for_gradient_planes<S>(g, gx, [&](int64_t p, T* to) {
      for_rows(g, [&](int64_t z, int64_t y) {
        const S* from = gy.as<S>() + p * out + (z * g.axes[1].out + y) * a.out;
        for (int64_t o = 0; o < a.out; ++o) {
          const T share = static_cast<T>(from[o]) / static_cast<T>(pool_divisor(g, divisor, z, y, o));
          for_source_rows(g, z, y, [&](int64_t row) {
            for (int64_t k = a.begin(o); k < a.end(o); k += a.step()) to[row * a.in + k] += share;
          });
        }
      });
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
