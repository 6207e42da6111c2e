#include <fulmen/kernels/cpu/math.h>
#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/loss.h>

namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t loss_block = 1024;

template <class T, class F>
void each(T* __restrict y, const T* __restrict x, const T* __restrict t, int64_t n, const F& f) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i], t[i]);
}
template <class T>
FULMEN_INLINE T magnitude(T d) {
  return d < 0 ? -d : d;
}
template <class T>
FULMEN_INLINE T limited_log(T x) {
  T v = math::log(x);
  return v < T(-100) ? T(-100) : v;
}

template <class T>
__attribute__((noinline)) void losses(T* y, const T* x, const T* t, int64_t n, const LossParams& params) {
  T p = static_cast<T>(params.p), half = T(0.5);
  switch (params.kind) {
    case LossKind::Square:
      return each(y, x, t, n, [](T a, T b) { return (a - b) * (a - b); });
    case LossKind::Absolute:
      return each(y, x, t, n, [](T a, T b) { return magnitude(a - b); });
    case LossKind::SmoothAbsolute:
      return each(y, x, t, n, [=](T a, T b) {
        T d = magnitude(a - b);
        return d < p ? half * d * d / p : d - half * p;
      });
    case LossKind::Huber:
      return each(y, x, t, n, [=](T a, T b) {
        T d = magnitude(a - b);
        return d <= p ? half * d * d : p * (d - half * p);
      });
    case LossKind::Logistic:
      return each(y, x, t, n, [](T a, T b) { return (a > 0 ? a : 0) - a * b + math::log1p(math::exp(-magnitude(a))); });
    case LossKind::Bernoulli:
      return each(y, x, t, n, [](T a, T b) { return (b - 1) * limited_log(1 - a) - b * limited_log(a); });
  }
}

template <class T>
__attribute__((noinline)) void slopes(T* y, const T* x, const T* t, int64_t n, const LossParams& params) {
  T p = static_cast<T>(params.p);
  auto clip = [](T d, T limit) { return d > limit ? limit : d < -limit ? -limit : d; };
  switch (params.kind) {
    case LossKind::Square:
      return each(y, x, t, n, [](T a, T b) { return 2 * (a - b); });
    case LossKind::Absolute:
      return each(y, x, t, n, [](T a, T b) { return a > b ? T(1) : a < b ? T(-1) : (a - b) * 0; });
    case LossKind::SmoothAbsolute:
      return each(y, x, t, n, [=](T a, T b) { return clip(a - b, p) / p; });
    case LossKind::Huber:
      return each(y, x, t, n, [=](T a, T b) { return clip(a - b, p); });
    case LossKind::Logistic:
      return each(y, x, t, n, [](T a, T b) { return math::sigmoid(a) - b; });
    case LossKind::Bernoulli:
      return each(y, x, t, n, [](T a, T b) {
        T variance = a * (1 - a);
        return (a - b) / (variance < T(1e-12) ? T(1e-12) : variance);
      });
  }
}

/// Calls f(block number, first element, elements).
template <class F>
void for_blocks(int64_t n, const F& f) {
  int64_t blocks = (n + loss_block - 1) / loss_block;
  parallel_for(blocks, 2 * row_grain / loss_block, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      f(b, b * loss_block, n - b * loss_block < loss_block ? n - b * loss_block : loss_block);
    }
  });
}

auto identity = [](auto v) { return v; };

}  // namespace

void pointwise_loss(const Launch&, const View& y, const ConstView& x, const ConstView& t, LossParams params) {
  int64_t n = x.numel, blocks = (n + loss_block - 1) / loss_block;
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    auto* sums = static_cast<double*>(thread_scratch(Scratch::Result, sizeof(double) * (blocks + 1)));
    for_blocks(n, [&](int64_t b, int64_t at, int64_t count) {
      T value[loss_block], x_copy[loss_block], t_copy[loss_block];
      losses<T>(value, row_as(x.as<S>() + at, count, x_copy), row_as(t.as<S>() + at, count, t_copy), count, params);
      if (params.reduce) {
        sums[b] = sum_of<T>(count, identity, value);
      } else {
        for (int64_t i = 0; i < count; ++i) y.as<S>()[at + i] = S(value[i]);
      }
    });
    if (params.reduce) *y.as<S>() = S(static_cast<T>(sum_of<double>(blocks, identity, sums) * params.scale));
  });
}

void pointwise_loss_backward(const Launch&, const View& gx, const ConstView& x, const ConstView& t, const ConstView& gy,
                             LossParams params) {
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    for_blocks(x.numel, [&](int64_t, int64_t at, int64_t count) {
      T value[loss_block], x_copy[loss_block], t_copy[loss_block];
      slopes<T>(value, row_as(x.as<S>() + at, count, x_copy), row_as(t.as<S>() + at, count, t_copy), count, params);
      S* to = gx.as<S>() + at;
      T scale = static_cast<T>(params.scale);
      if (params.reduce) {
        T factor = static_cast<T>(static_cast<double>(static_cast<T>(*gy.as<S>())) * params.scale);
        for (int64_t i = 0; i < count; ++i) to[i] = S(value[i] * factor);
      } else {
        const S* g = gy.as<S>() + at;
        for (int64_t i = 0; i < count; ++i) to[i] = S(value[i] * scale * static_cast<T>(g[i]));
      }
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
