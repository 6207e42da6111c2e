#include <fulmen/kernels/cpu/math.h>
#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/norm.h>

namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
__attribute__((noinline)) void normalize_row(T* __restrict y, const T* __restrict x, int64_t n, const T* __restrict w,
                                             const T* __restrict b, double eps, bool centered, T* mean, T* rstd) {
  double count = static_cast<double>(n);
  T m = !centered ? T(0)
                  : static_cast<T>(sum_of<T>(
                                       n, [](auto v) { return v; }, x) /
                                   count);
  double var = sum_of<T>(
                   n, [m](auto v) { return (v - m) * (v - m); }, x) /
               count;
  T r = static_cast<T>(1 / math::sqrt(var + eps));
  *mean = m;
  *rstd = r;
  if (w && b) {
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - m) * r * w[i] + b[i];
  } else {
    for (int64_t i = 0; i < n; ++i) {
      T v = (x[i] - m) * r;
      y[i] = (w ? v * w[i] : v) + (b ? b[i] : 0);
    }
  }
}

/// gx = r (h - mean(h) - n mean(h n)), h = gy w, n = (x - m) r; mean(h) only if `centered`
template <class T>
__attribute__((noinline)) void gradient_row(T* __restrict gx, const T* __restrict x, const T* __restrict gy, int64_t n,
                                            const T* __restrict w, T m, T r, bool centered) {
  double sum, along;
  if (w) {
    sum = sum_of<T>(
        n, [](auto g, auto f) { return g * f; }, gy, w);
    along = sum_of<T>(
        n, [m, r](auto g, auto f, auto v) { return g * f * ((v - m) * r); }, gy, w, x);
  } else {
    sum = sum_of<T>(
        n, [](auto g) { return g; }, gy);
    along = sum_of<T>(
        n, [m, r](auto g, auto v) { return g * ((v - m) * r); }, gy, x);
  }
  T mean_h = centered ? static_cast<T>(sum / static_cast<double>(n)) : T(0);
  T mean_hn = static_cast<T>(along / static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    T h = w ? gy[i] * w[i] : gy[i];
    gx[i] = r * (h - mean_h - (x[i] - m) * r * mean_hn);
  }
}

template <class T>
__attribute__((noinline)) void add_to_weights(T* __restrict gw, T* __restrict gb, const T* __restrict x,
                                              const T* __restrict gy, int64_t n, T m, T r) {
  for (int64_t i = 0; i < n; ++i) {
    gw[i] += gy[i] * ((x[i] - m) * r);
    gb[i] += gy[i];
  }
}

template <class T, class S>
const T* optional_row(const ConstView& v, int64_t n, T* buffer) {
  return v.data ? row_as<T>(v.as<S>(), n, buffer) : nullptr;
}

/// The rows that a task converts to T, `each` numbers long; none, where the memory holds T already.
template <class T, class S>
struct Buffers {
  T* data;
  int64_t each;

  explicit Buffers(int64_t n) : data(std::is_same_v<S, T> ? nullptr : scratch_rows<T>(4 * n)), each(n) {}
  T* row(int64_t k) const { return data ? data + k * each : nullptr; }
};

/// Rows whose sums for the weights are collected together; the number of groups does not depend on the threads.
int64_t group_rows(int64_t rows) { return rows <= 16 ? 16 : rows > 16 * 64 ? (rows + 63) / 64 : 16; }

}  // namespace

void layer_norm(const Launch&, const View& y, const View& stats, const ConstView& x, const ConstView& weight,
                const ConstView& bias, double eps, bool centered) {
  int64_t rows = x.sizes[0], n = x.sizes[1];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    parallel_for(rows, rows_per_task(n), [&](int64_t begin, int64_t end) {
      const Buffers<T, S> buffers(n);
      const T *w = optional_row<T, S>(weight, n, buffers.row(2)), *b = optional_row<T, S>(bias, n, buffers.row(3));
      for (int64_t row = begin; row < end; ++row) {
        T* to = row_for<T>(y.as<S>() + row * n, buffers.row(0));
        normalize_row<T>(to, row_as<T>(x.as<S>() + row * n, n, buffers.row(1)), n, w, b, eps, centered,
                         stats.as<T>() + row, stats.as<T>() + rows + row);
        finish_row(y.as<S>() + row * n, n, to);
      }
    });
  });
}

void layer_norm_backward(const Launch&, const View& gx, const View& gw, const View& gb, const ConstView& x,
                         const ConstView& stats, const ConstView& weight, const ConstView& gy, bool centered) {
  int64_t rows = x.sizes[0], n = x.sizes[1], group = group_rows(rows), groups = (rows + group - 1) / group;
  bool weights_too = gw.data || gb.data;
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    T* sums =
        weights_too ? static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * (2 * groups * n + 1))) : nullptr;
    parallel_for(groups, (rows_per_task(n) + group - 1) / group, [&](int64_t first, int64_t last) {
      const Buffers<T, S> buffers(n);
      const T* w = optional_row<T, S>(weight, n, buffers.row(3));
      for (int64_t g = first; g < last; ++g) {
        for (int64_t i = 0; weights_too && i < 2 * n; ++i) sums[2 * g * n + i] = 0;
        for (int64_t row = g * group; row < rows && row < (g + 1) * group; ++row) {
          const T* x_row = row_as<T>(x.as<S>() + row * n, n, buffers.row(1));
          const T* gy_row = row_as<T>(gy.as<S>() + row * n, n, buffers.row(2));
          T m = stats.as<T>()[row], r = stats.as<T>()[rows + row];
          if (gx.data) {
            T* to = row_for<T>(gx.as<S>() + row * n, buffers.row(0));
            gradient_row<T>(to, x_row, gy_row, n, w, m, r, centered);
            finish_row(gx.as<S>() + row * n, n, to);
          }
          if (weights_too) add_to_weights<T>(sums + 2 * g * n, sums + (2 * g + 1) * n, x_row, gy_row, n, m, r);
        }
      }
    });
    for (int64_t i = 0; weights_too && i < n; ++i) {
      double w_sum = 0, b_sum = 0;
      for (int64_t g = 0; g < groups; ++g) {
        w_sum += static_cast<double>(sums[2 * g * n + i]);
        b_sum += static_cast<double>(sums[(2 * g + 1) * n + i]);
      }
      if (gw.data) gw.as<S>()[i] = S(static_cast<T>(w_sum));
      if (gb.data) gb.as<S>()[i] = S(static_cast<T>(b_sum));
    }
  });
}

}  // namespace fulmen::FULMEN_ISA
