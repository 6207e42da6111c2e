#include <fulmen/kernels/cpu/math.h>
#include <fulmen/kernels/cpu/rows.h>
#include <fulmen/kernels/loss.h>

// Losses against class labels. A row is the scores of one sample: x[n, :, inner].
namespace fulmen::FULMEN_ISA {

namespace {

auto identity = [](auto v) { return v; };

template <class S>
FULMEN_INLINE Compute<S> weight_of(const ConstView& weight, int64_t label) {
  using T = Compute<S>;
  return weight.data ? static_cast<T>(weight.as<S>()[label]) : T(1);
}

/// Room for the losses of n rows whose sum is the result.
template <class T>
FULMEN_INLINE T* losses_of(int64_t n) {
  return static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * static_cast<size_t>(n + 1)));
}
template <class S, class T>
FULMEN_INLINE void write_sum(const View& y, const T* losses, int64_t n, const LabelParams& params) {
  *y.as<S>() = S(static_cast<T>(sum_of<T>(n, identity, losses) * params.scale));
}

/// Writes the losses of all rows, which f(n, j, label) computes, or scale times their sum.
template <class S, class F>
void finish_losses(const View& y, int64_t outer, int64_t inner, const ConstView& target, const LabelParams& params,
                   int64_t grain, const F& f) {
  using T = Compute<S>;
  T* rows = params.reduce ? losses_of<T>(outer * inner) : nullptr;
  parallel_for(outer, grain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t j = 0; j < inner; ++j) {
        int64_t label = target.as<int64_t>()[n * inner + j];
        T loss = f(n, j, label);
        if (label == params.ignore_index) loss = 0;
        if (rows) {
          rows[n * inner + j] = loss;
        } else {
          y.as<S>()[n * inner + j] = S(loss);
        }
      }
    }
  });
  if (rows) write_sum<S>(y, static_cast<const T*>(rows), outer * inner, params);
}

/// The factor of a row's gradient.
template <class S>
FULMEN_INLINE Compute<S> row_gradient(const ConstView& gy, int64_t row, const LabelParams& params) {
  using T = Compute<S>;
  T g = static_cast<T>(gy.as<S>()[params.reduce ? 0 : row]);
  return params.reduce ? static_cast<T>(static_cast<double>(g) * params.scale) : g;
}

/// The sum of exp(x - most).
struct ExpSum {
  double most, sum;
  FULMEN_INLINE double log() const { return most + math::log(sum); }
};
/// e = exp(x - most), and their sum.
template <class T>
__attribute__((noinline)) ExpSum exp_sum(const T* __restrict x, int64_t n, T* __restrict e) {
  T most = max_of(n, x);
  for (int64_t i = 0; i < n; ++i) e[i] = math::exp(x[i] - most);
  return {static_cast<double>(most), sum_of<T>(n, identity, static_cast<const T*>(e))};
}
template <class T>
__attribute__((noinline)) void multiply(T* x, int64_t n, T factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

/// y = a exp(x - log_sum)
template <class T>
__attribute__((noinline)) void scaled_softmax(T* __restrict y, const T* __restrict x, int64_t n, double log_sum, T a) {
  // log_sum in two parts: rounded to T alone it would cost digits of large scores.
  T high = static_cast<T>(log_sum), low = static_cast<T>(log_sum - static_cast<double>(high));
  for (int64_t i = 0; i < n; ++i) y[i] = a * math::exp((x[i] - high) - low);
}

// With a[c] = (1 - smoothing) weight[label] [c == label] + smoothing / classes weight[c], the loss of a row is
// sum(a (log_sum - x)), and its gradient sum(a) exp(x - log_sum) - a.
template <class S, class T>
double row_loss(const T* row, double log_sum, int64_t label, int64_t classes, const ConstView& weight,
                const LabelParams& params) {
  double loss = (1 - params.smoothing) * static_cast<double>(weight_of<S>(weight, label)) *
                (log_sum - static_cast<double>(row[label]));
  if (params.smoothing == 0) return loss;
  double spread = 0;
  for (int64_t c = 0; c < classes; ++c) {
    spread += static_cast<double>(weight_of<S>(weight, c)) * (log_sum - static_cast<double>(row[c]));
  }
  return loss + params.smoothing / static_cast<double>(classes) * spread;
}

/// The share of sum(a) that is the same for every row.
template <class S>
double spread_weight(const ConstView& weight, int64_t classes, const LabelParams& params) {
  double spread = 0;
  if (params.smoothing == 0) return spread;
  for (int64_t c = 0; c < classes; ++c) spread += static_cast<double>(weight_of<S>(weight, c));
  return spread * params.smoothing / static_cast<double>(classes);
}

/// One row of a gradient: g (softmax sum(a) - a), where `softmax(result, factor)` writes the first part. Zero for a row
/// that is ignored.
template <class S, class T, class F>
FULMEN_INLINE void row_slopes(T* result, int64_t label, T g, double spread, int64_t classes, const ConstView& weight,
                              const LabelParams& params, const F& softmax) {
  if (label == params.ignore_index) {
    for (int64_t c = 0; c < classes; ++c) result[c] = 0;
    return;
  }
  double hard = (1 - params.smoothing) * static_cast<double>(weight_of<S>(weight, label));
  softmax(result, static_cast<T>(hard + spread) * g);
  result[label] -= static_cast<T>(hard) * g;
  if (params.smoothing == 0) return;
  T share = static_cast<T>(params.smoothing / static_cast<double>(classes)) * g;
  for (int64_t c = 0; c < classes; ++c) result[c] -= share * weight_of<S>(weight, c);
}

/// Calls f(position, row, result) for every row of x, as numbers to compute with, and writes `result` to gx.
template <class S, class F>
FULMEN_INLINE void for_rows(const View& gx, const ConstView& x, const F& f) {
  using T = Compute<S>;
  int64_t classes = x.sizes[1], inner = x.sizes[2];
  for_row_blocks(x.sizes[0], classes, inner, [&](int64_t n, int64_t j, int64_t count) {
    const S* from = x.as<S>() + n * classes * inner + j;
    S* to = gx.as<S>() + n * classes * inner + j;
    if constexpr (std::is_same_v<S, T>) {
      if (inner == 1) return f(n, from, to);
    }
    T* work = scratch_rows<T>(2 * count * classes);
    gather_rows(work + count * classes, from, classes, inner, count);
    for (int64_t r = 0; r < count; ++r) {
      f(n * inner + j + r, static_cast<const T*>(work + (count + r) * classes), work + r * classes);
    }
    scatter_rows(to, work, classes, inner, count);
  });
}

}  // namespace

void check_labels(const Launch&, const View& status, const ConstView& target, const ConstView& weight, int64_t classes,
                  int64_t ignore_index) {
  const int64_t* labels = target.as<int64_t>();
  double bad = -1, total = 0;
  for_real(weight.data ? weight.dtype : ScalarType::Float, [&]<class S>(S*) {
    for (int64_t i = 0; i < target.numel && bad < 0; ++i) {
      if (labels[i] == ignore_index) continue;
      if (labels[i] < 0 || labels[i] >= classes) {
        bad = static_cast<double>(i);
      } else {
        total += static_cast<double>(weight_of<S>(weight, labels[i]));
      }
    }
  });
  status.as<double>()[0] = bad;
  status.as<double>()[1] = total;
}

void nll_loss(const Launch&, const View& y, const ConstView& x, const ConstView& target, const ConstView& weight,
              LabelParams params) {
  int64_t classes = x.sizes[1], inner = x.sizes[2];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    finish_losses<S>(
        y, x.sizes[0], inner, target, params, rows_per_task(inner), [&](int64_t n, int64_t j, int64_t label) {
          if (label == params.ignore_index) return T(0);
          return -weight_of<S>(weight, label) * static_cast<T>(x.as<S>()[(n * classes + label) * inner + j]);
        });
  });
}

void nll_loss_backward(const Launch&, const View& gx, const ConstView& target, const ConstView& weight,
                       const ConstView& gy, LabelParams params) {
  int64_t outer = gx.sizes[0], classes = gx.sizes[1], inner = gx.sizes[2];
  for_real(gx.dtype, [&]<class S>(S*) {
    parallel_for(outer, rows_per_task(classes * inner), [&](int64_t begin, int64_t end) {
      S* all = gx.as<S>();
      for (int64_t i = begin * classes * inner; i < end * classes * inner; ++i) all[i] = S(0.0f);
      for (int64_t row = begin * inner; row < end * inner; ++row) {
        int64_t label = target.as<int64_t>()[row], n = row / inner, j = row % inner;
        if (label == params.ignore_index) continue;
        all[(n * classes + label) * inner + j] = S(-weight_of<S>(weight, label) * row_gradient<S>(gy, row, params));
      }
    });
  });
}

void cross_entropy(const Launch&, const View& y, const View& log_sum, const ConstView& x, const ConstView& target,
                   const ConstView& weight, LabelParams params) {
  int64_t classes = x.sizes[1], inner = x.sizes[2];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    auto loss_of_row = [&](int64_t n, int64_t j, int64_t label) {
      T* work = scratch_rows<T>(2 * classes);
      const S* from = x.as<S>() + n * classes * inner + j;
      const T* row = work + classes;
      if constexpr (std::is_same_v<S, T>) {
        if (inner == 1) row = from;
      }
      if (row == work + classes) gather_rows(work + classes, from, classes, inner, 1);
      double sum = exp_sum<T>(row, classes, work).log();
      log_sum.as<double>()[n * inner + j] = sum;
      if (label == params.ignore_index) return T(0);
      return static_cast<T>(row_loss<S>(row, sum, label, classes, weight, params));
    };
    finish_losses<S>(y, x.sizes[0], inner, target, params, rows_per_task(classes * inner), loss_of_row);
  });
}

void cross_entropy_with_grad(const Launch&, const View& y, const View& gx, const ConstView& x, const ConstView& target,
                             const ConstView& weight, LabelParams params) {
  int64_t classes = x.sizes[1], count = x.sizes[0] * x.sizes[2];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    T* losses = losses_of<T>(count);
    double spread = spread_weight<S>(weight, classes, params);
    T g = static_cast<T>(params.scale);
    for_rows<S>(gx, x, [&](int64_t at, const T* row, T* result) {
      int64_t label = target.as<int64_t>()[at];
      ExpSum all{};
      if (label != params.ignore_index) {
        all = exp_sum<T>(row, classes, result);
        losses[at] = static_cast<T>(row_loss<S>(row, all.log(), label, classes, weight, params));
      } else {
        losses[at] = 0;
      }
      row_slopes<S>(result, label, g, spread, classes, weight, params, [&](T* e, T factor) {
        multiply<T>(e, classes, static_cast<T>(static_cast<double>(factor) / all.sum));
      });
    });
    write_sum<S>(y, static_cast<const T*>(losses), count, params);
  });
}

void cross_entropy_backward(const Launch&, const View& gx, const ConstView& x, const ConstView& log_sum,
                            const ConstView& target, const ConstView& weight, const ConstView& gy, LabelParams params) {
  int64_t classes = x.sizes[1];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    double spread = spread_weight<S>(weight, classes, params);
    for_rows<S>(gx, x, [&](int64_t at, const T* row, T* result) {
      row_slopes<S>(result, target.as<int64_t>()[at], row_gradient<S>(gy, at, params), spread, classes, weight, params,
                    [&](T* to, T factor) { scaled_softmax<T>(to, row, classes, log_sum.as<double>()[at], factor); });
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
