#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/layout.h>
#include <fulmen/kernels/rotary.h>

// One pass: every number is read once. The inner loops are those of neighbouring pairs (halves of a row, or every other
// element), and one for everything else.
namespace fulmen::FULMEN_ISA {

namespace {

/// Steps from pair to pair.
struct Steps {
  int64_t y, x, angle;
  FULMEN_INLINE bool are(int64_t of_y, int64_t of_x, int64_t of_angle) const {
    return y == of_y && x == of_x && angle == of_angle;
  }
};

template <class S, class T>
FULMEN_INLINE void rotate(S* y, S* y2, const S* x, const S* x2, const T* cos, const T* sin, T sign, int64_t n,
                          Steps step) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    T a = static_cast<T>(x[i * step.x]), b = static_cast<T>(x2[i * step.x]);
    T c = cos[i * step.angle], s = sign * sin[i * step.angle];
    y[i * step.y] = S(a * c - b * s);
    y2[i * step.y] = S(a * s + b * c);
  }
}

template <class S, class T>
__attribute__((noinline)) void rotate_row(S* y, S* y2, const S* x, const S* x2, const T* cos, const T* sin, T sign,
                                          int64_t n, Steps step) {
  if (step.are(1, 1, 1)) return rotate(y, y2, x, x2, cos, sin, sign, n, {1, 1, 1});
  if (step.are(2, 2, 1)) return rotate(y, y2, x, x2, cos, sin, sign, n, {2, 2, 1});
  rotate(y, y2, x, x2, cos, sin, sign, n, step);
}

}  // namespace

void rotate_pairs(const Launch&, const View& y, const ConstView& x, const ConstView& cos, const ConstView& sin,
                  int64_t y_apart, int64_t x_apart, bool backwards) {
  if (y.numel == 0) return;
  const auto layout = layout_of(y, {&x, &cos, &sin});
  const int last = layout.ndim - 1;
  const int64_t n = last < 0 ? 1 : layout.sizes[last];
  auto step = [&](int k) { return last < 0 ? int64_t{0} : layout.strides[k][last]; };
  // cos and sin are alike in all but name.
  const bool alike = step(2) == step(3);
  for_real(y.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    parallel_for(layout.numel / n, rows_per_task(2 * n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t at[4] = {}, rest = row;
        for (int d = last - 1; d >= 0; --d) {
          for (int k = 0; k < 4; ++k) at[k] += rest % layout.sizes[d] * layout.strides[k][d];
          rest /= layout.sizes[d];
        }
        S* to = y.as<S>() + at[0];
        const S* from = x.as<S>() + at[1];
        const T *c = cos.as<T>() + at[2], *s = sin.as<T>() + at[3];
        const T sign = backwards ? T(-1) : T(1);
        if (alike) {
          rotate_row<S, T>(to, to + y_apart, from, from + x_apart, c, s, sign, n, {step(0), step(1), step(2)});
          continue;
        }
        for (int64_t i = 0; i < n; ++i) {
          S* y_i = to + i * step(0);
          const S* x_i = from + i * step(1);
          rotate_row<S, T>(y_i, y_i + y_apart, x_i, x_i + x_apart, c + i * step(2), s + i * step(3), sign, 1,
                           {1, 1, 1});
        }
      }
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
