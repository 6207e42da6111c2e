#include <fulmen/kernels/cpu/math.h>
#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/softmax.h>

// Rows: the largest number first, so that exp does not overflow, then sum and result, all while the row is in the
// first-level cache. Other layouts and float16 pass through a buffer of rows.
namespace fulmen::FULMEN_ISA {

namespace {

template <class T>
__attribute__((noinline)) void softmax_row(T* __restrict y, const T* __restrict x, int64_t n, SoftmaxKind kind) {
  T most = max_of(n, x);
  for (int64_t i = 0; i < n; ++i) y[i] = math::exp(x[i] - most);
  double sum = sum_of<T>(
      n, [](auto e) { return e; }, y);
  if (kind == SoftmaxKind::Plain) {
    T factor = static_cast<T>(1 / sum);
    for (int64_t i = 0; i < n; ++i) y[i] *= factor;
  } else {
    T log_sum = static_cast<T>(math::log(sum));
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - most) - log_sum;
  }
}

template <class T>
__attribute__((noinline)) void backward_row(T* __restrict gx, const T* __restrict y, const T* __restrict gy, int64_t n,
                                            SoftmaxKind kind) {
  if (kind == SoftmaxKind::Plain) {
    T sum = static_cast<T>(sum_of<T>(
        n, [](auto a, auto b) { return a * b; }, gy, y));
    for (int64_t i = 0; i < n; ++i) gx[i] = y[i] * (gy[i] - sum);
  } else {
    T sum = static_cast<T>(sum_of<T>(
        n, [](auto a) { return a; }, gy));
    for (int64_t i = 0; i < n; ++i) gx[i] = gy[i] - math::exp(y[i]) * sum;
  }
}

}  // namespace

void softmax(const Launch&, const View& y, const ConstView& x, SoftmaxKind kind) {
  if (x.numel == 0) return;
  int64_t cols = x.sizes[1], inner = x.sizes[2];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    for_row_blocks(x.sizes[0], cols, inner, [&](int64_t o, int64_t j, int64_t count) {
      const S* from = x.as<S>() + o * cols * inner + j;
      S* to = y.as<S>() + o * cols * inner + j;
      if constexpr (std::is_same_v<S, T>) {
        if (inner == 1) return softmax_row<T>(to, from, cols, kind);
      }
      T* rows = scratch_rows<T>(2 * count * cols);
      gather_rows(rows, from, cols, inner, count);
      for (int64_t r = 0; r < count; ++r) softmax_row<T>(rows + (count + r) * cols, rows + r * cols, cols, kind);
      scatter_rows(to, rows + count * cols, cols, inner, count);
    });
  });
}

void softmax_backward(const Launch&, const View& gx, const ConstView& y, const ConstView& gy, SoftmaxKind kind) {
  if (y.numel == 0) return;
  int64_t cols = y.sizes[1], inner = y.sizes[2];
  for_real(y.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    for_row_blocks(y.sizes[0], cols, inner, [&](int64_t o, int64_t j, int64_t count) {
      int64_t at = o * cols * inner + j;
      if constexpr (std::is_same_v<S, T>) {
        if (inner == 1) return backward_row<T>(gx.as<S>() + at, y.as<S>() + at, gy.as<S>() + at, cols, kind);
      }
      T* rows = scratch_rows<T>(3 * count * cols);
      gather_rows(rows, y.as<S>() + at, cols, inner, count);
      gather_rows(rows + count * cols, gy.as<S>() + at, cols, inner, count);
      for (int64_t r = 0; r < count; ++r) {
        backward_row<T>(rows + (2 * count + r) * cols, rows + r * cols, rows + (count + r) * cols, cols, kind);
      }
      scatter_rows(gx.as<S>() + at, rows + 2 * count * cols, cols, inner, count);
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
