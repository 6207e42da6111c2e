#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/norm.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/norm.h>

#include <limits>

namespace fulmen {

using namespace autograd;

namespace {

template <class V>
V reshaped(V v, std::initializer_list<int64_t> sizes) {
  v.ndim = static_cast<int32_t>(sizes.size());
  int64_t stride = 1;
  int d = v.ndim;
  for (auto s = sizes.end(); s != sizes.begin();) {
    v.sizes[--d] = *--s;
    v.strides[d] = stride;
    stride *= *s;
  }
  return v;
}
ConstView in_or_none(Forward& f, const Tensor& t) {
  if (t.defined()) return f.in(t);
  ConstView v;
  v.data = nullptr;
  return v;
}
View out_or_none(Forward& f, const Tensor& t) {
  if (t.defined()) return f.out(t);
  View v;
  v.data = nullptr;
  return v;
}
Tensor contiguous_or_none(const Tensor& t) { return t.defined() ? t.contiguous() : t; }
ScalarType statistics_type(const Tensor& x) { return x.scalar_type() == kDouble ? kDouble : kFloat; }

/// What the derivative of a backward op works on: sums run over `dims`; `w` has sizes that broadcast to x's.
struct NormTerms {
  Tensor x, w, gy;       ///< inputs of the backward op; w may be undefined
  Tensor mean, rstd;     ///< with dims kept
  Shape dims;            ///< that one statistic covers
  bool constant;         ///< the statistics do not depend on x
  bool centered = true;  ///< otherwise the mean counts as 0
  Tensor average(const Tensor& t) const { return t.mean(IntArrayRef(dims), true); }
  Tensor times_w(const Tensor& t) const { return w.defined() ? t * w : t; }
  Tensor normalized() const { return (centered ? x - mean : x) * rstd; }
  /// The derivative of normalized() for x, applied to u.
  Tensor project(const Tensor& u) const {
    if (constant) return rstd * u;
    Tensor n = normalized(), rest = u - n * average(u * n);
    return rstd * (centered ? rest - average(u) : rest);
  }
};

/// Gradients of sum(gx v) + sum(gw u) + sum(gb t) for x, w and gy, where gx, gw, gb are a backward op's results:
/// gx = project(gy w), gw = sum(gy n), gb = sum(gy). Undefined v, u, t count as 0; u and t broadcast to x.
Grads<3> derivative_of_gradients(const NormTerms& k, const Tensor& v, const Tensor& u, const Tensor& t) {
  Grads<3> g;
  auto add = [](Tensor& sum, const Tensor& term) { sum = sum.defined() ? sum + term : term; };
  Tensor n = k.normalized();
  if (v.defined()) {
    Tensor pv = k.project(v), h = k.times_w(k.gy);
    add(g[2], k.times_w(pv));
    if (k.w.defined()) add(g[1], k.gy * pv);
    if (!k.constant) {
      Tensor vn = k.average(v * n), hn = k.average(h * n);
      Tensor inner = k.average(v * h) - vn * hn;
      if (k.centered) inner = inner - k.average(v) * k.average(h);
      add(g[0], -k.rstd * (k.project(v * hn + h * vn) + k.rstd * n * inner));
    }
  }
  if (u.defined()) {
    add(g[2], u * n);
    add(g[0], k.project(u * k.gy));
  }
  if (t.defined()) add(g[2], t.expand(k.x.sizes()));
  return g;
}

int64_t numel_of(IntArrayRef sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

// --- layer norm, RMS norm -------------------------------------------------------------------------------------------

/// RMS norm is layer norm that takes the mean for 0, without a bias.
template <bool centered>
struct RowNormBackward {
  Shape row;  ///< the normalized sizes
  double eps;
  bool wants_x, wants_w, wants_b;
  // gx = rstd (h - mean(h) - n mean(h n)), h = gy w, n = (x - mean) rstd; gw = sum(gy n); gb = sum(gy)
  std::array<Output, 3> forward(Forward& f, const Input& x, const Input& stats, const Input& w, const Input& gy) const {
    Tensor xc = x.contiguous(), wc = contiguous_or_none(w), gc = gy.contiguous();
    std::array<Output, 3> out;
    if (wants_x) out[0] = f.empty_like(x);
    if (wants_w) out[1] = f.empty(row, x.scalar_type(), x.device());
    if (wants_b) out[2] = f.empty(row, x.scalar_type(), x.device());
    int64_t cols = numel_of(row), rows = cols == 0 ? 0 : x.numel() / cols;
    kernel::layer_norm_backward(f.launch(x), out_or_none(f, out[0]), out_or_none(f, out[1]), out_or_none(f, out[2]),
                                reshaped(f.in(xc), {rows, cols}), f.in(stats), in_or_none(f, wc), f.in(gc), centered);
    f.save(x, w, gy);
    return out;
  }
  Grads<4> backward(const Saved& s, ConstTensorSpan g) const {
    Tensor x = s[0], mean, var;
    Shape dims;
    for (size_t d = 0; d < row.size(); ++d) dims.push_back(-1 - static_cast<int64_t>(d));
    if (centered) mean = x.mean(IntArrayRef(dims), true);
    var = centered ? x.var(IntArrayRef(dims), false, true) : x.square().mean(IntArrayRef(dims), true);
    NormTerms terms{x, s[1], s[2], mean, (var + eps).rsqrt(), dims, false, centered};
    Grads<3> r = derivative_of_gradients(terms, g[0], g[1], g[2]);
    return {r[0], Tensor(), r[1], r[2]};  // the engine sums r[1] to the weight's sizes
  }
};

struct LayerNormBackward : RowNormBackward<true> {
  static constexpr auto name = "layer_norm_backward";
};
struct RmsNormBackward : RowNormBackward<false> {
  static constexpr auto name = "rms_norm_backward";
};

// y = (x - mean) rstd w + b over rows of `cols`; stats = mean and rstd
template <bool centered>
struct RowNorm {
  Shape row;  ///< the normalized sizes
  double eps;
  std::array<Output, 2> forward(Forward& f, const Input& x, const Input& w, const Input& b) const {
    Tensor xc = x.contiguous(), wc = contiguous_or_none(w), bc = contiguous_or_none(b);
    int64_t cols = numel_of(row), rows = cols == 0 ? 0 : x.numel() / cols;
    Output y = f.empty_like(x), stats = f.empty({2, rows}, statistics_type(x), x.device());
    kernel::layer_norm(f.launch(x), reshaped(f.out(y), {rows, cols}), f.out(stats), reshaped(f.in(xc), {rows, cols}),
                       in_or_none(f, wc), in_or_none(f, bc), eps, centered);
    f.save(x, stats, w);
    f.mark_non_differentiable(stats);
    return {std::move(y), std::move(stats)};
  }
  Grads<3> backward(const Saved& s, ConstTensorSpan gy) const {
    if (!gy[0].defined()) return {};
    using Backward = std::conditional_t<centered, LayerNormBackward, RmsNormBackward>;
    auto g = apply(Backward{{row, eps, s.needs(0), s.needs(1), s.needs(2)}}, s[0], s[1], s[2], gy[0]);
    return {g[0], g[1], g[2]};
  }
};

struct LayerNorm : RowNorm<true> {
  static constexpr auto name = "layer_norm";
};
struct RmsNorm : RowNorm<false> {
  static constexpr auto name = "rms_norm";
};

// --- batch norm -----------------------------------------------------------------------------------------------------

/// [n, channels, inner]
template <class V>
V channels(V v) {
  int64_t inner = 1;
  for (int d = 2; d < v.ndim; ++d) inner *= v.sizes[d];
  return reshaped(v, {v.sizes[0], v.sizes[1], inner});
}
/// [channels] as [1, channels, 1, ...]
Tensor per_channel(const Tensor& t, int64_t ndim) {
  if (!t.defined()) return t;
  Shape sizes(static_cast<size_t>(ndim), 1);
  sizes[1] = t.numel();
  return t.view(sizes);
}

struct BatchNormBackward {
  static constexpr auto name = "batch_norm_backward";
  double eps;
  bool constant, wants_x, wants_w, wants_b;
  // as layer_norm_backward, per channel
  std::array<Output, 3> forward(Forward& f, const Input& x, const Input& stats, const Input& w, const Input& gy) const {
    Tensor xc = x.contiguous(), wc = contiguous_or_none(w), gc = gy.contiguous();
    std::array<Output, 3> out;
    if (wants_x) out[0] = f.empty_like(x);
    if (wants_w) out[1] = f.empty({x.size(1)}, x.scalar_type(), x.device());
    if (wants_b) out[2] = f.empty({x.size(1)}, x.scalar_type(), x.device());
    kernel::batch_norm_backward(f.launch(x), out_or_none(f, out[0]), out_or_none(f, out[1]), out_or_none(f, out[2]),
                                channels(f.in(xc)), f.in(stats), in_or_none(f, wc), f.in(gc), eps, constant);
    f.save(x, w, gy, stats);
    return out;
  }
  Grads<4> backward(const Saved& s, ConstTensorSpan g) const {
    Tensor x = s[0], mean, var;
    Shape dims{0};
    for (int64_t d = 2; d < x.dim(); ++d) dims.push_back(d);
    if (constant) {
      mean = per_channel(s[3].select(0, 0), x.dim());
      var = per_channel(s[3].select(0, 1), x.dim());
    } else {
      mean = x.mean(IntArrayRef(dims), true);
      var = x.var(IntArrayRef(dims), false, true);
    }
    NormTerms terms{x, per_channel(s[1], x.dim()), s[2], mean, (var + eps).rsqrt(), dims, constant};
    Grads<3> r = derivative_of_gradients(terms, g[0], per_channel(g[1], x.dim()), per_channel(g[2], x.dim()));
    return {r[0], Tensor(), r[1].defined() ? r[1].sum(IntArrayRef(dims)) : Tensor(), r[2]};
  }
};

// y = (x - mean) / sqrt(var + eps) w + b per channel; stats = mean and biased variance
struct BatchNorm {
  static constexpr auto name = "batch_norm";
  double eps;
  bool constant = false;
  std::array<Output, 2> forward(Forward& f, const Input& x, const Input& w, const Input& b, const Input& mean,
                                const Input& var) {
    constant = mean.defined();
    Tensor xc = x.contiguous(), wc = contiguous_or_none(w), bc = contiguous_or_none(b);
    Tensor mc = contiguous_or_none(mean), vc = contiguous_or_none(var);
    Output y = f.empty_like(x), stats = f.empty({2, x.size(1)}, x.scalar_type(), x.device());
    kernel::batch_norm(f.launch(x), channels(f.out(y)), f.out(stats), channels(f.in(xc)), in_or_none(f, wc),
                       in_or_none(f, bc), in_or_none(f, mc), in_or_none(f, vc), eps);
    f.save(x, stats, w);
    f.mark_non_differentiable(stats);
    return {std::move(y), std::move(stats)};
  }
  Grads<5> backward(const Saved& s, ConstTensorSpan gy) const {
    if (!gy[0].defined()) return {};
    auto g = apply(BatchNormBackward{eps, constant, s.needs(0), s.needs(1), s.needs(2)}, s[0], s[1], s[2], gy[0]);
    return {g[0], g[1], g[2], Tensor(), Tensor()};
  }
};

void check_factor(const char* op, const char* what, const Tensor& factor, const Tensor& x, IntArrayRef sizes) {
  if (!factor.defined()) return;
  FULMEN_CHECK(factor.sizes() == sizes, op, ": Expected ", what, " of shape ", sizes, ", got ", factor,
               ": the input is ", x);
  if (factor.scalar_type() != x.scalar_type()) {
    throw Error("E002",
                str(op, ": expected scalar type ", to_string(x.scalar_type()), " but found ",
                    to_string(factor.scalar_type()), ": ", what, " is ", factor, ", the input ", x),
                "convert one of them with .to(dtype)");
  }
  FULMEN_CHECK(factor.device() == x.device(), op, ": Expected all tensors to be on the same device, but got ", x,
               " and ", what, " ", factor);
}
void check_channels(const char* what, const Tensor& t, int64_t channels) {
  FULMEN_CHECK(!t.defined() || t.numel() == channels, "batch_norm: ", what, " should contain ", channels,
               " elements not ", t.numel());
}

void update_running(const Tensor& running, const Tensor& value, double momentum) {
  if (!running.defined()) return;
  running.mul_(1 - momentum)
      .add_(value.scalar_type() == running.scalar_type() ? value : value.to(running.scalar_type()), momentum);
}

/// The last dimensions of x must be `normalized_shape`.
void check_rows(const char* op, const char* module, const Tensor& x, IntArrayRef normalized_shape) {
  size_t n = normalized_shape.size(), dims = x.sizes().size();
  FULMEN_CHECK(n > 0, op,
               ": Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
               "one element, but got normalized_shape = []");
  if (dims < n || !(x.sizes().slice(dims - n) == normalized_shape)) [[unlikely]] {
    std::string wanted = "[*";
    for (int64_t s : normalized_shape) wanted += str(", ", s);
    throw Error("E001",
                str(op, ": Given normalized_shape=", normalized_shape, ", expected input with shape ", wanted,
                    "], but got input of size", x.sizes(), " (", x, ")"),
                str("construct ", module, " with the sizes of the last dimensions of its input"));
  }
  FULMEN_CHECK(x.is_floating_point(), op, ": not implemented for '", to_string(x.scalar_type()), "': got ", x);
}

}  // namespace

Tensor layer_norm(const Tensor& x, IntArrayRef normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  if (autocast::applies(autocast::wide_on_cuda, x))
    return autocast::recast(autocast::wide_on_cuda, layer_norm, x, normalized_shape, weight, bias, eps);
  check_rows("layer_norm", "LayerNorm", x, normalized_shape);
  check_factor("layer_norm", "weight", weight, x, normalized_shape);
  check_factor("layer_norm", "bias", bias, x, normalized_shape);
  return apply(LayerNorm{{normalized_shape, eps}}, x, weight, bias)[0];
}

Tensor rms_norm(const Tensor& x, IntArrayRef normalized_shape, const Tensor& weight, std::optional<double> eps) {
  if (autocast::applies(autocast::wide_on_cuda, x))
    return autocast::recast(autocast::wide_on_cuda, rms_norm, x, normalized_shape, weight, eps);
  check_rows("rms_norm", "RMSNorm", x, normalized_shape);
  check_factor("rms_norm", "weight", weight, x, normalized_shape);
  const double smallest =
      x.scalar_type() == kDouble ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  return apply(RmsNorm{{normalized_shape, eps.value_or(smallest)}}, x, weight, Tensor())[0];
}

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps) {
  if (x.dim() == 1 && x.numel() == 0) return x.clone();  // PyTorch lets an empty vector pass
  FULMEN_CHECK(x.dim() >= 2, "batch_norm: expected at least 2 dimensions [n, channels, ...], got ", x);
  FULMEN_CHECK(x.is_floating_point(), "batch_norm: not implemented for '", to_string(x.scalar_type()), "': got ", x);
  int64_t channels = x.size(1);
  check_factor("batch_norm", "weight", weight, x, {channels});
  check_factor("batch_norm", "bias", bias, x, {channels});
  check_channels("running_mean", running_mean, channels);
  check_channels("running_var", running_var, channels);
  FULMEN_CHECK(training || (running_mean.defined() && running_var.defined()),
               "batch_norm: Expected running_mean and running_var to be defined when training=False");
  if (x.scalar_type() == kHalf || x.scalar_type() == kBFloat16) {  // computed in float32
    auto wide = [](const Tensor& t) { return t.defined() ? t.to(kFloat) : t; };
    return batch_norm(x.to(kFloat), wide(weight), wide(bias), running_mean, running_var, training, momentum, eps)
        .to(x.scalar_type());
  }
  if (!training) {
    auto fitting = [&](const Tensor& t) { return t.detach().to(x.scalar_type()); };
    return apply(BatchNorm{eps}, x, weight, bias, fitting(running_mean), fitting(running_var))[0];
  }
  int64_t count = channels == 0 ? 0 : x.numel() / channels;
  FULMEN_CHECK(count != 1, "batch_norm: Expected more than 1 value per channel when training, got input size ",
               x.sizes());
  auto results = apply(BatchNorm{eps}, x, weight, bias, Tensor(), Tensor());
  if (running_mean.defined() || running_var.defined()) {
    NoGradGuard constant;
    update_running(running_mean, results[1].select(0, 0), momentum);
    double n = static_cast<double>(count);
    update_running(running_var, results[1].select(0, 1).mul(n / (n - 1)), momentum);
  }
  return std::move(results[0]);
}

}  // namespace fulmen
