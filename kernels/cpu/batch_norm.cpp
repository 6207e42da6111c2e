#include <fulmen/kernels/cpu/math.h>
#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/norm.h>

// A task is a block of neighbouring channels when channels lie next to each other (inner == 1), else one channel.
namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t channel_block = 16;

struct Extent {
  int64_t n, channels, inner;
  double count() const { return static_cast<double>(n) * static_cast<double>(inner); }
};
template <class F>
void for_float(ScalarType dtype, const F& f) {
  if (dtype == ScalarType::Float) return f(static_cast<float*>(nullptr));
  if (dtype == ScalarType::Double) return f(static_cast<double*>(nullptr));
}
Extent extent_of(const ConstView& x) { return {x.sizes[0], x.sizes[1], x.sizes[2]}; }

/// Calls f(first channel, channels) for every task.
template <class F>
void for_channels(const Extent& e, const F& f) {
  int64_t block = e.inner == 1 ? channel_block : 1, blocks = (e.channels + block - 1) / block;
  parallel_for(blocks, rows_per_task(block * e.n * e.inner), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      int64_t c = b * block;
      f(c, e.channels - c < block ? e.channels - c : block);
    }
  });
}

/// sums[j] = sum of f(x, g, j) over channel c + j; f takes numbers or registers. g may be x.
template <class T, class F>
void channel_sums(const Extent& e, const T* x, const T* g, int64_t c, int64_t count, double* sums, const F& f) {
  for (int64_t j = 0; j < count; ++j) sums[j] = 0;
  if (e.inner == 1) {
    for (int64_t i = 0; i < e.n; ++i) {
      const T *x_row = x + i * e.channels + c, *g_row = g + i * e.channels + c;
      for (int64_t j = 0; j < count; ++j) {
        sums[j] += static_cast<double>(f(x_row[j], g_row[j], j));
      }
    }
    return;
  }
  for (int64_t i = 0; i < e.n; ++i) {
    int64_t at = (i * e.channels + c) * e.inner;
    sums[0] += sum_of<T>(
        e.inner, [&](auto a, auto b) { return f(a, b, 0); }, x + at, g + at);
  }
}

/// y = f(x, g, j) for channel c + j.
template <class T, class F>
void channel_map(const Extent& e, T* __restrict y, const T* x, const T* g, int64_t c, int64_t count, const F& f) {
  for (int64_t i = 0; i < e.n; ++i) {
    int64_t at = (i * e.channels + c) * e.inner;
    if (e.inner == 1) {
      for (int64_t j = 0; j < count; ++j) y[at + j] = f(x[at + j], g[at + j], j);
    } else {  // count == 1
      for (int64_t k = at; k < at + e.inner; ++k) y[k] = f(x[k], g[k], 0);
    }
  }
}

/// The factors of a block of channels.
template <class T>
struct Channels {
  T mean[channel_block], rstd[channel_block], weight[channel_block];
  void load(const Extent& e, const T* stats, const ConstView& w, int64_t c, int64_t count, double eps) {
    for (int64_t j = 0; j < count; ++j) {
      mean[j] = stats[c + j];
      rstd[j] = static_cast<T>(1 / math::sqrt(static_cast<double>(stats[e.channels + c + j]) + eps));
      weight[j] = w.data ? w.as<T>()[c + j] : T(1);
    }
  }
};

}  // namespace

void batch_norm(const Launch&, const View& y, const View& stats, const ConstView& x, const ConstView& weight,
                const ConstView& bias, const ConstView& mean, const ConstView& var, double eps) {
  Extent e = extent_of(x);
  for_float(x.dtype, [&]<class T>(T*) {
    const T* from = x.as<T>();
    T* means = stats.as<T>();
    for_channels(e, [&](int64_t c, int64_t count) {
      double sums[channel_block];
      if (mean.data) {
        for (int64_t j = c; j < c + count; ++j) {
          means[j] = mean.as<T>()[j];
          means[e.channels + j] = var.as<T>()[j];
        }
      } else {
        channel_sums(e, from, from, c, count, sums, [](auto v, auto, int64_t) { return v; });
        for (int64_t j = 0; j < count; ++j) means[c + j] = static_cast<T>(sums[j] / e.count());
        channel_sums(e, from, from, c, count, sums, [m = means + c](auto v, auto, int64_t j) {
          auto d = v - m[j];
          return d * d;
        });
        for (int64_t j = 0; j < count; ++j) means[e.channels + c + j] = static_cast<T>(sums[j] / e.count());
      }
      Channels<T> k;
      k.load(e, means, weight, c, count, eps);
      T factor[channel_block], shift[channel_block];
      for (int64_t j = 0; j < count; ++j) {
        factor[j] = k.rstd[j] * k.weight[j];
        shift[j] = bias.data ? bias.as<T>()[c + j] : T(0);
      }
      channel_map(e, y.as<T>(), from, from, c, count,
                  [&](T v, T, int64_t j) { return (v - k.mean[j]) * factor[j] + shift[j]; });
    });
  });
}

void batch_norm_backward(const Launch&, const View& gx, const View& gw, const View& gb, const ConstView& x,
                         const ConstView& stats, const ConstView& weight, const ConstView& gy, double eps,
                         bool constant) {
  Extent e = extent_of(x);
  for_float(x.dtype, [&]<class T>(T*) {
    const T *xs = x.as<T>(), *gs = gy.as<T>();
    for_channels(e, [&](int64_t c, int64_t count) {
      Channels<T> k;
      k.load(e, stats.as<T>(), weight, c, count, eps);
      double sum[channel_block], along[channel_block];  // of gy, and of gy times the normalized x
      channel_sums(e, xs, gs, c, count, sum, [](auto, auto g, int64_t) { return g; });
      channel_sums(e, xs, gs, c, count, along,
                   [&](auto v, auto g, int64_t j) { return g * ((v - k.mean[j]) * k.rstd[j]); });
      T mean_g[channel_block], mean_gn[channel_block];
      for (int64_t j = 0; j < count; ++j) {
        if (gw.data) gw.as<T>()[c + j] = static_cast<T>(along[j]);
        if (gb.data) gb.as<T>()[c + j] = static_cast<T>(sum[j]);
        mean_g[j] = constant ? T(0) : static_cast<T>(sum[j] / e.count());
        mean_gn[j] = constant ? T(0) : static_cast<T>(along[j] / e.count());
      }
      if (!gx.data) return;
      channel_map(e, gx.as<T>(), xs, gs, c, count, [&](T v, T g, int64_t j) {
        return k.weight[j] * k.rstd[j] * (g - mean_g[j] - (v - k.mean[j]) * k.rstd[j] * mean_gn[j]);
      });
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
