#include <fulmen/kernels/cuda/fault.h>
#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/cuda/rows.h>
#include <fulmen/kernels/cuda/sum.h>
#include <fulmen/kernels/loss.h>

// Losses against class labels: x is [outer, classes, inner], a row the scores of one sample. Computed in float32
// (float64 for double). cross_entropy reads x once, the largest score and the sum of exp(x - most) together, and leaves
// log(sum(exp(x))) in float64; with it the gradient is one more read and one write. cross_entropy_with_grad keeps the
// row in shared memory meanwhile and writes the gradient, too: one read and one write for both; a row that does not fit
// is read twice. Labels outside [0, classes) are found by check_labels; the other kernels skip them like ignored ones.
namespace fulmen::cuda {

namespace {

using gpu::Rows;
using gpu::RowVectors;
using gpu::Team;
using gpu::Vec;

constexpr int threads = 256;

/// Labels and class weights, and what their kernels ask of them.
struct Labels {
  const int64_t* labels;
  const void* weights;  ///< of x's dtype, or null for 1
  int64_t classes, ignore_index;
  GPU_INLINE bool counts(int64_t label) const { return label != ignore_index && label >= 0 && label < classes; }
  template <class S>
  GPU_INLINE Compute<S> weight(int64_t label) const {
    using T = Compute<S>;
    return weights ? static_cast<T>(static_cast<const S*>(weights)[label]) : T(1);
  }
};
Labels labels_of(const ConstView& target, const ConstView& weight, int64_t classes, int64_t ignore_index) {
  return {target.as<int64_t>(), weight.data, classes, ignore_index};
}
gpu::Scale scale_of(const LabelParams& params) { return {params.scale, params.divisor}; }

/// The factor of a row's gradient.
template <class S>
GPU_INLINE Compute<S> row_gradient(const S* gy, int64_t row, bool reduce, const gpu::Scale& scale) {
  using T = Compute<S>;
  T g = static_cast<T>(gy[reduce ? 0 : row]);
  return reduce ? static_cast<T>(scale.of(static_cast<double>(g))) : g;
}

// --- check_labels

struct First {
  template <class T>
  GPU_INLINE T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
constexpr int64_t none = INT64_MAX;
/// What a block found: the sum of weights, and the first position of a label outside.
struct Found {
  double weight;
  int64_t outside;
};

GPU_INLINE void finish_check(double* status, Found found, const Labels& t, const FaultWord& fault) {
  bool good = found.outside == none;
  status[0] = good ? -1 : static_cast<double>(found.outside);
  status[1] = found.weight;
  if (!good) report(fault, FaultKind::Label, t.labels[found.outside], t.classes, found.outside);
}
/// `last`: this is the only block.
template <class S>
__global__ void __launch_bounds__(threads)
    check_part(Found* parts, double* status, Labels t, int64_t n, bool last, FaultWord fault) {
  Found found{0, none};
  for (int64_t i = gpu::thread_index(); i < n; i += gpu::thread_count()) {
    int64_t label = t.labels[i];
    if (t.counts(label)) {
      found.weight += static_cast<double>(t.weight<S>(label));
    } else if (label != t.ignore_index && i < found.outside) {
      found.outside = i;
    }
  }
  found = {gpu::block_sum(found.weight), gpu::block_reduce(found.outside, First{}, none)};
  if (threadIdx.x > 0) return;
  if (last) {
    finish_check(status, found, t, fault);
  } else {
    parts[blockIdx.x] = found;
  }
}
__global__ void __launch_bounds__(threads)
    check_rest(double* status, const Found* parts, int count, Labels t, FaultWord fault) {
  Found found{0, none};
  for (int i = static_cast<int>(threadIdx.x); i < count; i += threads) {
    found.weight += parts[i].weight;
    found.outside = First{}(found.outside, parts[i].outside);
  }
  found = {gpu::block_sum(found.weight), gpu::block_reduce(found.outside, First{}, none)};
  if (threadIdx.x == 0) finish_check(status, found, t, fault);
}

// --- nll_loss

/// y[row] = -weight[label] x[label]
template <class S, class Out>
__global__ void __launch_bounds__(threads) nll_rows(Out* y, const S* x, Labels t, int64_t rows, int64_t inner) {
  using T = Compute<S>;
  for (int64_t row = gpu::thread_index(); row < rows; row += gpu::thread_count()) {
    int64_t label = t.labels[row];
    T loss = 0;
    if (t.counts(label)) {
      loss = -t.weight<S>(label) * static_cast<T>(x[(row / inner * t.classes + label) * inner + row % inner]);
    }
    y[row] = static_cast<Out>(loss);
  }
}
/// gx, filled with zeros, gets its one number per row.
template <class S>
__global__ void __launch_bounds__(threads, 4)
    nll_slopes(S* gx, const S* gy, Labels t, int64_t rows, int64_t inner, bool reduce, gpu::Scale scale) {
  for (int64_t row = gpu::thread_index(); row < rows; row += gpu::thread_count()) {
    int64_t label = t.labels[row];
    if (!t.counts(label)) continue;
    const int64_t group = row / inner;
    gx[(group * t.classes + label) * inner + (row - group * inner)] =
        static_cast<S>(-t.weight<S>(label) * row_gradient(gy, row, reduce, scale));
  }
}

// --- cross_entropy

struct Smoothing {
  double all;    ///< the share of the target that is spread over the classes
  double share;  ///< all / classes
  explicit Smoothing(const LabelParams& params, int64_t classes)
      : all(params.smoothing), share(params.smoothing / static_cast<double>(classes)) {}
};

/// What one read of a row gives. With a[c] = (1 - smoothing) weight[label] [c == label] + smoothing / classes
/// weight[c], the loss of a row is sum(a (log_sum - x)). The scores enter the smoothed part as distances from the
/// label's: their sum stays small.
template <class S>
struct RowSums {
  using T = Compute<S>;
  gpu::RunningSum<T> exponentials;
  T at_label = 0, spread = 0, weights = 0;
  int64_t label = -1;  ///< or -1 if the row does not count

  /// `load(e)` is vector e of the row. Every thread of the block calls it; each one gets the sums.
  template <int V, class Load>
  GPU_INLINE RowSums(const Team& team, const RowVectors<V>& own, const S* x, const Labels& t, int64_t inner,
                     const Smoothing& smoothing, const Load& load) {
    if (team.valid && t.counts(t.labels[team.row])) label = t.labels[team.row];
    if (label >= 0) at_label = static_cast<T>(x[team.base + label * inner]);
    for (int64_t e = own.first; e < own.count; e += own.step) {
      Vec<S, V> value = load(e);
      exponentials.add(value);
      if (smoothing.all == 0) continue;
      for (int v = 0; v < V; ++v) {
        T w = t.weight<S>(e * V + v);
        weights += w;
        spread += w * (at_label - static_cast<T>(value[v]));
      }
    }
    exponentials.join(team);
    if (smoothing.all == 0) return;
    spread = team.sum(spread);
    weights = team.sum(weights);
  }
  GPU_INLINE double log_sum() const {
    if (exponentials.most == gpu::lowest<T>)
      return static_cast<double>(exponentials.most - exponentials.most);  // all scores -inf: NaN
    return static_cast<double>(exponentials.most) + math::log(static_cast<double>(exponentials.sum));
  }
  GPU_INLINE T loss(const Labels& t, const Smoothing& smoothing, double log_sum) const {
    if (label < 0) return 0;
    double above = log_sum - static_cast<double>(at_label);
    double loss = (1 - smoothing.all) * static_cast<double>(t.weight<S>(label)) * above;
    double all = static_cast<double>(weights) * above + static_cast<double>(spread);
    return static_cast<T>(smoothing.all == 0 ? loss : loss + smoothing.share * all);
  }
};

/// What the gradient of every row takes from the parameters.
struct SlopeParams {
  bool reduce;
  gpu::Scale scale;
  Smoothing smoothing;
  const double* weights;  ///< the sum of all class weights, in device memory; null for `classes`
};
/// gx = g (sum(a) exp(x - log_sum) - a), a as above, log_sum = high + low: rounded to one number it would cost digits
/// of large scores. Zero if the label is -1.
template <class S, int V, class Load>
GPU_INLINE void write_slopes(S* gx, const RowVectors<V>& own, const Labels& t, int64_t label, Compute<S> high,
                             Compute<S> low, Compute<S> g, const SlopeParams& p, const Load& load) {
  using T = Compute<S>;
  bool counts = label >= 0;
  double hard = counts ? (1 - p.smoothing.all) * static_cast<double>(t.weight<S>(label)) : 0;
  double soft = p.weights ? p.smoothing.share * *p.weights : p.smoothing.all;
  T all = static_cast<T>(hard + soft) * g, at_label = static_cast<T>(hard) * g,
    each = static_cast<T>(p.smoothing.share) * g;
  for (int64_t e = own.first; e < own.count; e += own.step) {
    Vec<S, V> value{};
    if (counts) value = load(e);
    for (int v = 0; v < V; ++v) {
      if (!counts) continue;
      T slope = all * math::exp((static_cast<T>(value[v]) - high) - low);
      if (e * V + v == label) slope -= at_label;
      if (p.smoothing.all != 0) slope -= each * t.weight<S>(e * V + v);
      value[v] = static_cast<S>(slope);
    }
    gpu::store_vec(gx + own.at(e), value);
  }
}

template <class S, int V, class Out>
__global__ void __launch_bounds__(gpu::most_row_threads)
    cross_entropy_rows(Out* y, double* log_sums, const S* x, Labels t, Rows rows, Smoothing smoothing) {
  Team team(rows);
  RowVectors<V> own(rows, team);
  auto load = [&](int64_t e) { return gpu::load_vec<V>(x + own.at(e)); };
  RowSums<S> row(team, own, x, t, rows.inner, smoothing, load);
  if (!team.valid || team.lane > 0) return;
  double log_sum = row.log_sum();
  log_sums[team.row] = log_sum;
  y[team.row] = static_cast<Out>(row.loss(t, smoothing, log_sum));
}

template <class S, int V>
__global__ void __launch_bounds__(gpu::most_row_threads)
    cross_entropy_slopes(S* gx, const S* x, const double* log_sums, const S* gy, Labels t, Rows rows, SlopeParams p) {
  using T = Compute<S>;
  Team team(rows);
  if (!team.valid) return;
  RowVectors<V> own(rows, team);
  int64_t label = t.counts(t.labels[team.row]) ? t.labels[team.row] : -1;
  double log_sum = log_sums[team.row];
  T high = static_cast<T>(log_sum), low = static_cast<T>(log_sum - static_cast<double>(high));
  auto load = [&](int64_t e) { return gpu::load_vec<V>(x + own.at(e)); };
  write_slopes<S, V>(gx, own, t, label, high, low, row_gradient(gy, team.row, p.reduce, p.scale), p, load);
}

template <class S, int V>
__global__ void __launch_bounds__(gpu::most_row_threads)
    cross_entropy_both(Compute<S>* losses, S* gx, const S* x, Labels t, Rows rows, bool resident, SlopeParams p) {
  using T = Compute<S>;
  GPU_DYNAMIC_SHARED(S, kept);
  T g = static_cast<T>(p.scale.of(1));  // a division: a call, best made while few registers are in use
  Team team(rows);
  RowVectors<V> own(rows, team);
  auto load = [&](int64_t e) {
    Vec<S, V> value = gpu::load_vec<V>(x + own.at(e));
    if (resident) gpu::store_vec(kept + own.slot_of(e) * V, value);
    return value;
  };
  auto again = [&](int64_t e) {
    return resident ? gpu::load_vec<V>(kept + own.slot_of(e) * V) : gpu::load_vec<V>(x + own.at(e));
  };
  RowSums<S> row(team, own, x, t, rows.inner, p.smoothing, load);
  if (!team.valid) return;
  if (team.lane == 0) losses[team.row] = row.loss(t, p.smoothing, row.log_sum());
  T most = row.exponentials.most, log_sum = math::log(row.exponentials.sum);
  write_slopes<S, V>(gx, own, t, row.label, most, log_sum, g, p, again);
}

template <class S>
__global__ void __launch_bounds__(threads) sum_weights(double* sum, Labels t) {
  double own = 0;
  for (int64_t c = threadIdx.x; c < t.classes; c += threads) own += static_cast<double>(t.weight<S>(c));
  own = gpu::block_sum(own);
  if (threadIdx.x == 0) *sum = own;
}

/// Launches the sum of the class weights, where the gradient needs it, to `sum`.
template <class S>
SlopeParams slopes_of(const Launch& launch, const Labels& t, const LabelParams& params, const Workspace& sum) {
  bool needed = t.weights && params.smoothing != 0;
  if (needed) GPU_LAUNCH(sum_weights<S>, 1, threads, 0, launch, sum.as<double>(), t);
  return {params.reduce, scale_of(params), Smoothing(params, t.classes), needed ? sum.as<double>() : nullptr};
}

/// Calls f<Out>(array for the losses of all rows): y itself, or a workspace whose sum becomes y.
template <class S, class F>
void losses_to(const Launch& launch, const View& y, int64_t rows, const LabelParams& params, const F& f) {
  using T = Compute<S>;
  if (!params.reduce) {
    if (rows > 0) f(y.as<S>());
    return;
  }
  Workspace each(launch, sizeof(T) * static_cast<size_t>(rows));
  if (rows > 0) f(each.as<T>());
  gpu::sum_to(launch, y.as<S>(), each.as<const T>(), rows, scale_of(params));
}

}  // namespace

void check_labels(const Launch& launch, const View& status, const ConstView& target, const ConstView& weight,
                  int64_t classes, int64_t ignore_index) {
  Labels t = labels_of(target, weight, classes, ignore_index);
  FaultWord fault = fault_word(launch, "check_labels");
  unsigned blocks = gpu::blocks_for(target.numel, threads * 16, 256);
  Workspace parts(launch, blocks == 1 ? 0 : sizeof(Found) * blocks);
  for_real(weight.data ? weight.dtype : ScalarType::Float, [&]<class S>(S*) {
    GPU_LAUNCH(check_part<S>, blocks, threads, 0, launch, parts.as<Found>(), status.as<double>(), t, target.numel,
               blocks == 1, fault);
  });
  if (blocks == 1) return;
  GPU_LAUNCH(check_rest, 1, threads, 0, launch, status.as<double>(), parts.as<const Found>(), static_cast<int>(blocks),
             t, fault);
}

void nll_loss(const Launch& launch, const View& y, const ConstView& x, const ConstView& target, const ConstView& weight,
              LabelParams params) {
  int64_t rows = x.sizes[0] * x.sizes[2], inner = x.sizes[2];
  Labels t = labels_of(target, weight, x.sizes[1], params.ignore_index);
  for_real(x.dtype, [&]<class S>(S*) {
    losses_to<S>(launch, y, rows, params, [&]<class Out>(Out* to) {
      GPU_LAUNCH((nll_rows<S, Out>), gpu::blocks_for(rows, threads), threads, 0, launch, to, x.as<S>(), t, rows, inner);
    });
  });
}

void nll_loss_backward(const Launch& launch, const View& gx, const ConstView& target, const ConstView& weight,
                       const ConstView& gy, LabelParams params) {
  if (gx.numel == 0) return;
  int64_t rows = gx.sizes[0] * gx.sizes[2], inner = gx.sizes[2];
  Labels t = labels_of(target, weight, gx.sizes[1], params.ignore_index);
  auto bytes = static_cast<size_t>(gx.numel * element_size(gx.dtype));
  if (cudaMemsetAsync(gx.data, 0, bytes, gpu::stream_of(launch)) != cudaSuccess) return;  // CudaCall::finish() throws
  for_real(gx.dtype, [&]<class S>(S*) {
    GPU_LAUNCH(nll_slopes<S>, gpu::blocks_for(rows, threads), threads, 0, launch, gx.as<S>(), gy.as<S>(), t, rows,
               inner, params.reduce, scale_of(params));
  });
}

void cross_entropy(const Launch& launch, const View& y, const View& log_sum, const ConstView& x,
                   const ConstView& target, const ConstView& weight, LabelParams params) {
  int64_t outer = x.sizes[0], classes = x.sizes[1], inner = x.sizes[2];
  Labels t = labels_of(target, weight, classes, params.ignore_index);
  for_real(x.dtype, [&]<class S>(S*) {
    losses_to<S>(launch, y, outer * inner, params, [&]<class Out>(Out* to) {
      gpu::with_width<S>(
          classes, inner,
          [&](auto width) {
            constexpr int V = decltype(width)::value;
            Rows rows = gpu::teams_for(outer, classes, inner, V);
            GPU_LAUNCH((cross_entropy_rows<S, V, Out>), rows.blocks, rows.threads, 0, launch, to, log_sum.as<double>(),
                       x.as<S>(), t, rows, Smoothing(params, classes));
          },
          x.data);
    });
  });
}

void cross_entropy_with_grad(const Launch& launch, const View& y, const View& gx, const ConstView& x,
                             const ConstView& target, const ConstView& weight, LabelParams params) {
  int64_t outer = x.sizes[0], classes = x.sizes[1], inner = x.sizes[2];
  Labels t = labels_of(target, weight, classes, params.ignore_index);
  Workspace sum(launch, sizeof(double)), losses(launch, sizeof(double) * static_cast<size_t>(outer * inner));
  for_real(x.dtype, [&]<class S>(S*) {
    using T = Compute<S>;
    SlopeParams slope = slopes_of<S>(launch, t, params, sum);
    if (gx.numel > 0) {
      gpu::with_width<S>(
          classes, inner,
          [&](auto width) {
            constexpr int V = decltype(width)::value;
            Rows rows = gpu::teams_for(outer, classes, inner, V);
            size_t bytes = rows.bytes_of_rows<S>(1);
            bool resident = gpu::keeps_rows(launch, rows, bytes);
            GPU_LAUNCH((cross_entropy_both<S, V>), rows.blocks, rows.threads, resident ? bytes : 0, launch,
                       losses.as<T>(), gx.as<S>(), x.as<S>(), t, rows, resident, slope);
          },
          gx.data, x.data);
    }
    gpu::sum_to(launch, y.as<S>(), losses.as<const T>(), outer * inner, slope.scale);
  });
}

void cross_entropy_backward(const Launch& launch, const View& gx, const ConstView& x, const ConstView& log_sum,
                            const ConstView& target, const ConstView& weight, const ConstView& gy, LabelParams params) {
  if (gx.numel == 0) return;
  int64_t outer = x.sizes[0], classes = x.sizes[1], inner = x.sizes[2];
  Labels t = labels_of(target, weight, classes, params.ignore_index);
  Workspace sum(launch, sizeof(double));
  for_real(x.dtype, [&]<class S>(S*) {
    SlopeParams slope = slopes_of<S>(launch, t, params, sum);
    gpu::with_width<S>(
        classes, inner,
        [&](auto width) {
          constexpr int V = decltype(width)::value;
          Rows rows = gpu::teams_for(outer, classes, inner, V);
          GPU_LAUNCH((cross_entropy_slopes<S, V>), rows.blocks, rows.threads, 0, launch, gx.as<S>(), x.as<S>(),
                     log_sum.as<double>(), gy.as<S>(), t, rows, slope);
        },
        gx.data, x.data);
  });
}

}  // namespace fulmen::cuda
