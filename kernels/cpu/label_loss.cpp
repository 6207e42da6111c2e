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

/// Writes the losses of all rows, which f(n, j, label) computes, or scale times their sum.
template <class S, class F>
void finish_losses(const View& y, int64_t outer, int64_t inner, const ConstView& target, const LabelParams& params,
                   int64_t grain, const F& f) {
  using T = Compute<S>;
  auto* rows =
      params.reduce ? static_cast<T*>(thread_scratch(Scratch::Result, sizeof(T) * (outer * inner + 1))) : nullptr;
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
  if (rows) *y.as<S>() = S(static_cast<T>(sum_of<T>(outer * inner, identity, rows) * params.scale));
}

/// The factor of a row's gradient.
template <class S>
FULMEN_INLINE Compute<S> row_gradient(const ConstView& gy, int64_t row, const LabelParams& params) {
  using T = Compute<S>;
  T g = static_cast<T>(gy.as<S>()[params.reduce ? 0 : row]);
  return params.reduce ? static_cast<T>(static_cast<double>(g) * params.scale) : g;
}

/// log(sum(exp(x))); `work` takes n numbers.
template <class T>
__attribute__((noinline)) double log_sum_exp(const T* __restrict x, int64_t n, T* __restrict work) {
  T most = max_of(n, x);
  for (int64_t i = 0; i < n; ++i) work[i] = math::exp(x[i] - most);
  return static_cast<double>(most) + math::log(sum_of<T>(n, identity, static_cast<const T*>(work)));
}

/// y = a exp(x - log_sum)
template <class T>
__attribute__((noinline)) void scaled_softmax(T* __restrict y, const T* __restrict x, int64_t n, double log_sum, T a) {
  // log_sum in two parts: rounded to T alone it would cost digits of large scores.
  T high = static_cast<T>(log_sum), low = static_cast<T>(log_sum - static_cast<double>(high));
  for (int64_t i = 0; i < n; ++i) y[i] = a * math::exp((x[i] - high) - low);
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
      double sum = log_sum_exp<T>(row, classes, work);
      log_sum.as<double>()[n * inner + j] = sum;
      if (label == params.ignore_index) return T(0);
      double loss = (1 - params.smoothing) * static_cast<double>(weight_of<S>(weight, label)) *
                    (sum - static_cast<double>(row[label]));
      if (params.smoothing != 0) {
        double spread = 0;
        for (int64_t c = 0; c < classes; ++c) {
          spread += static_cast<double>(weight_of<S>(weight, c)) * (sum - static_cast<double>(row[c]));
        }
        loss += params.smoothing / static_cast<double>(classes) * spread;
      }
      return static_cast<T>(loss);
    };
    finish_losses<S>(y, x.sizes[0], inner, target, params, rows_per_task(classes * inner), loss_of_row);
  });
}

// With a[c] = (1 - smoothing) weight[label] [c == label] + smoothing / classes weight[c], the loss of a row is
// sum(a (log_sum - x)), and its gradient sum(a) exp(x - log_sum) - a.
void cross_entropy_backward(const Launch&, const View& gx, const ConstView& x, const ConstView& log_sum,
                            const ConstView& target, const ConstView& weight, const ConstView& gy, LabelParams params) {
  int64_t classes = x.sizes[1], inner = x.sizes[2];
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    double spread = 0;  // of one class's weight, over all classes
    if (params.smoothing != 0) {
      for (int64_t c = 0; c < classes; ++c) spread += static_cast<double>(weight_of<S>(weight, c));
      spread *= params.smoothing / static_cast<double>(classes);
    }
    for_row_blocks(x.sizes[0], classes, inner, [&](int64_t n, int64_t j, int64_t count) {
      const S* from = x.as<S>() + n * classes * inner + j;
      S* to = gx.as<S>() + n * classes * inner + j;
      T* work = scratch_rows<T>(2 * count * classes);
      bool in_place = false;
      if constexpr (std::is_same_v<S, T>) in_place = inner == 1;
      if (!in_place) gather_rows(work + count * classes, from, classes, inner, count);
      for (int64_t r = 0; r < count; ++r) {
        int64_t at = n * inner + j + r, label = target.as<int64_t>()[at];
        const T* row = work + (count + r) * classes;
        T* result = work + r * classes;
        if constexpr (std::is_same_v<S, T>) {
          if (in_place) row = from, result = to;
        }
        bool ignored = label == params.ignore_index;
        T g = ignored ? T(0) : row_gradient<S>(gy, at, params);
        double hard = ignored ? 0 : (1 - params.smoothing) * static_cast<double>(weight_of<S>(weight, label));
        scaled_softmax<T>(result, row, classes, log_sum.as<double>()[at],
                          ignored ? T(0) : static_cast<T>(hard + spread) * g);
        if (ignored) {
          for (int64_t c = 0; c < classes; ++c) result[c] = 0;
          continue;
        }
        result[label] -= static_cast<T>(hard) * g;
        if (params.smoothing == 0) continue;
        T share = static_cast<T>(params.smoothing / static_cast<double>(classes)) * g;
        for (int64_t c = 0; c < classes; ++c) result[c] -= share * weight_of<S>(weight, c);
      }
      if (!in_place) scatter_rows(to, work, classes, inner, count);
    });
  });
}

}  // namespace fulmen::FULMEN_ISA
