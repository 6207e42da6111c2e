#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/loss.h>
#include <fulmen/autograd/ops/softmax.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/loss.h>

// Losses against class labels.
namespace fulmen {

using namespace autograd;

namespace {

int64_t class_dim(const Tensor& x) { return x.dim() == 1 ? 0 : 1; }

/// [n, classes, inner] of contiguous scores.
template <class V>
V scores(V v) {
  int64_t outer = v.ndim == 1 ? 1 : v.sizes[0], classes = v.sizes[v.ndim == 1 ? 0 : 1], inner = 1;
  for (int d = 2; d < v.ndim; ++d) inner *= v.sizes[d];
  v.ndim = 3;
  int64_t sizes[] = {outer, classes, inner}, strides[] = {classes * inner, inner, 1};
  for (int d = 0; d < 3; ++d) v.sizes[d] = sizes[d], v.strides[d] = strides[d];
  return v;
}
ConstView optional_view(Forward& f, const Tensor& t) {
  if (t.defined()) return f.in(t);
  ConstView v;
  v.data = nullptr;
  return v;
}
Tensor contiguous_or_none(const Tensor& t) { return t.defined() ? t.contiguous() : t; }

/// The factor of the sum. On CUDA a mean's divisor stays on the device: [1] of what check_labels gave.
struct LossScale {
  LabelParams params{};
  Tensor status = {};  ///< the memory behind params.divisor
  Tensor times(const Tensor& x) const {
    if (!params.divisor) return x * params.scale;
    return x * params.scale / status.select(0, 1).to(x.scalar_type());
  }
};

/// What the four ops share: labels checked, the factor of the sum, views.
struct LabelLoss : LossScale {
  Reduction reduction;
  int64_t ignore_index;
  double smoothing = 0;

  void check(Forward& f, const char* op, const Tensor& x, const Tensor& target, const Tensor& weight) {
    status = f.empty({2}, kDouble, x.device());
    int64_t classes = x.size(class_dim(x));
    kernel::check_labels(f.launch(x), f.out(status), f.in(target), optional_view(f, weight), classes, ignore_index);
    params = {ignore_index, 1, smoothing, reduction != Reduction::None};
    if (x.is_cuda()) {  // nobody waits for the device: it reports labels outside by itself
      if (reduction == Reduction::Mean) params.divisor = status.data_ptr<double>() + 1;
      return;
    }
    const double* result = status.data_ptr<double>();
    if (result[0] >= 0) [[unlikely]] {
      auto row = static_cast<int64_t>(result[0]);
      int64_t label = target.data_ptr<int64_t>()[row];
      throw Error(
          "E008",
          str(op, ": Target ", label, " is out of bounds: labels of ", classes, " classes are 0..", classes - 1,
              "; got ", label, " at row ", row),
          str("labels must be 0..classes-1; for ", label + 1, " classes the scores need ", label + 1, " columns"));
    }
    if (reduction == Reduction::Mean) params.scale = 1 / result[1];
  }
  Output empty_loss(Forward& f, const Tensor& x, const Tensor& target) const {
    return params.reduce ? f.empty({}, x.scalar_type(), x.device())
                         : f.empty(target.sizes(), x.scalar_type(), x.device());
  }
};

Tensor nll_gradient(const Tensor& target, const Tensor& weight, const Tensor& gy, const LossScale& scale,
                    IntArrayRef sizes);

// y = -scale sum(weight[t] x[t]); linear in x, so each of the two ops is the other's derivative
struct NllLoss : LabelLoss {
  static constexpr auto name = "nll_loss";
  Shape sizes;
  Output forward(Forward& f, const Input& x, const Input& target, const Input& weight) {
    Tensor xc = x.contiguous(), tc = target.contiguous(), wc = contiguous_or_none(weight);
    if (params.scale == 0) check(f, name, xc, tc, wc);
    sizes = x.sizes();
    Output y = empty_loss(f, x, target);
    kernel::nll_loss(f.launch(x), f.out(y), scores(f.in(xc)), f.in(tc), optional_view(f, wc), params);
    f.save(target, weight);
    return y;
  }
  // gx[t] = -gy scale weight[t]
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    return {nll_gradient(s[0], s[1], gy, *this, sizes), Tensor(), Tensor()};
  }
};
struct NllLossBackward : LossScale {
  static constexpr auto name = "nll_loss_backward";
  Shape sizes;
  Output forward(Forward& f, const Input& target, const Input& weight, const Input& gy) const {
    Tensor tc = target.contiguous(), wc = contiguous_or_none(weight), gc = gy.contiguous();
    Output gx = f.empty(sizes, gy.scalar_type(), gy.device());
    kernel::nll_loss_backward(f.launch(gy), scores(f.out(gx)), f.in(tc), optional_view(f, wc), f.in(gc), params);
    f.save(target, weight);
    return gx;
  }
  // gy' = -scale sum(weight[t] g[t])
  Grads<3> backward(const Saved& s, const Tensor& g) const {
    NllLoss forward{};
    static_cast<LossScale&>(forward) = *this;
    return {Tensor(), Tensor(), apply(std::move(forward), g, s[0], s[1])};
  }
};
Tensor nll_gradient(const Tensor& target, const Tensor& weight, const Tensor& gy, const LossScale& scale,
                    IntArrayRef sizes) {
  return apply(NllLossBackward{scale, sizes}, target, weight, gy);
}

// gx = gy scale (sum(a) exp(x - log_sum) - a), a = the weights of the target (kernels/cpu/label_loss.cpp). log_sum is a
// function of x: its share of the derivative is in the rule for x.
struct CrossEntropyBackward : LossScale {
  static constexpr auto name = "cross_entropy_backward";
  Output forward(Forward& f, const Input& x, const Input& log_sum, const Input& target, const Input& weight,
                 const Input& gy) const {
    Tensor xc = x.contiguous(), tc = target.contiguous(), wc = contiguous_or_none(weight), gc = gy.contiguous();
    Output gx = f.empty_like(x);
    kernel::cross_entropy_backward(f.launch(x), scores(f.out(gx)), scores(f.in(xc)), f.in(log_sum), f.in(tc),
                                   optional_view(f, wc), f.in(gc), params);
    f.save(x, log_sum, target, weight, gy);
    return gx;
  }
  /// sum(a) of every row, zero where it is ignored.
  Tensor row_weights(const Tensor& x, const Tensor& target, const Tensor& weight) const {
    Tensor ignored = target.eq(params.ignore_index), a;
    if (weight.defined()) {
      Tensor hard = weight.index_select(0, target.masked_fill(ignored, 0).flatten()).view(target.sizes());
      a = hard * (1 - params.smoothing) + weight.sum() * (params.smoothing / static_cast<double>(weight.numel()));
    } else {
      a = ones(target.sizes(), x.options());
    }
    return a.masked_fill(ignored, 0);
  }
  // x' = gy scale sum(a) p (g - sum(p g)), p = exp(x - log_sum); gy' = scale sum(g (sum(a) p - a))
  Grads<5> backward(const Saved& s, const Tensor& g) const {
    Tensor x = s[0], log_sum = s[1], target = s[2], weight = s[3], gy = s[4];
    int64_t dim = class_dim(x);
    Grads<5> grads;
    if (s.needs(0)) {
      Tensor p = softmax(x, dim);
      Tensor factor = times((gy * row_weights(x, target, weight)).unsqueeze(dim));
      grads[0] = factor * p * (g - (p * g).sum(dim, true));
    }
    if (s.needs(4)) {
      Tensor unit = apply(CrossEntropyBackward(*this), x, log_sum, target, weight, ones_like(gy));
      grads[4] = params.reduce ? (g * unit).sum() : (g * unit).sum(dim);
    }
    return grads;
  }
};

// y = nll_loss(log_softmax(x)). The second output is for the derivative only: log_sum, or with_grad dy/dx, which costs
// little while x is at hand (docs/decisions/0006-cross-entropy-writes-its-gradient.md).
struct CrossEntropy : LabelLoss {
  static constexpr auto name = "cross_entropy";
  bool with_grad = false;
  std::array<Output, 2> forward(Forward& f, const Input& x, const Input& target, const Input& weight) {
    Tensor xc = x.contiguous(), tc = target.contiguous(), wc = contiguous_or_none(weight);
    check(f, name, xc, tc, wc);
    Output y = empty_loss(f, x, target),
           rest = with_grad ? f.empty_like(x) : f.empty(target.sizes(), kDouble, x.device());
    if (with_grad) {
      kernel::cross_entropy_with_grad(f.launch(x), f.out(y), scores(f.out(rest)), scores(f.in(xc)), f.in(tc),
                                      optional_view(f, wc), params);
    } else {
      kernel::cross_entropy(f.launch(x), f.out(y), f.out(rest), scores(f.in(xc)), f.in(tc), optional_view(f, wc),
                            params);
    }
    f.save(x, rest, target, weight);
    f.mark_non_differentiable(rest);
    return {std::move(y), std::move(rest)};
  }
  // gx = gy scale (sum(a) exp(x - log_sum) - a)
  Grads<3> backward(const Saved& s, ConstTensorSpan gy) const {
    if (!gy[0].defined()) return {};
    if (with_grad && !GradMode::is_enabled()) {
      return {Engine::is_one_and_last(gy[0]) ? s[1] : s[1] * gy[0], Tensor(), Tensor()};
    }
    return {apply(CrossEntropyBackward{*this}, s[0], log_sum(s), s[2], s[3], gy[0]), Tensor(), Tensor()};
  }
  Tensor log_sum(const Saved& s) const {
    if (!with_grad) return s[1];
    NoGradGuard constant;  // its share of the derivative is in the rule that takes it
    CrossEntropy again(*this);
    again.with_grad = false;
    return apply(std::move(again), s[0], s[2], s[3])[1];
  }
};

/// The labels as int64, checked against the scores and the weight.
Tensor labels_of(const char* op, const Tensor& x, const Tensor& target, const Tensor& weight) {
  FULMEN_CHECK(x.is_floating_point(), op, ": the scores must be floating point, got ", x);
  FULMEN_CHECK(x.dim() > 0, op, ": expected scores [classes] or [n, classes, ...], got ", x);
  FULMEN_CHECK(is_integral(target.scalar_type(), false), op, ": expected scalar type Long but found ",
               to_string(target.scalar_type()), ": labels ", target, " must be integers");
  FULMEN_CHECK(x.device() == target.device(), op, ": Expected all tensors to be on the same device, but got ", x,
               " and ", target);
  Shape expected = x.sizes();
  expected.erase(static_cast<size_t>(class_dim(x)));
  if (!(target.impl()->sizes == expected)) [[unlikely]] {
    FULMEN_CHECK(target.dim() == 0 || expected.empty() || target.size(0) == expected[0], op,
                 ": Expected input batch_size (", expected[0], ") to match target batch_size (", target.size(0),
                 "): scores ", x, ", labels ", target);
    fail(str(op, ": size mismatch (got input: ", x.sizes(), ", target: ", target.sizes(), "): labels must be ",
             IntArrayRef(expected)));
  }
  int64_t classes = x.size(class_dim(x));
  if (weight.defined()) {
    FULMEN_CHECK(weight.dim() == 1 && weight.numel() == classes, op,
                 ": weight tensor should be defined either for all ", classes,
                 " classes or no classes but got weight tensor of shape: ", weight.sizes());
    FULMEN_CHECK(weight.scalar_type() == x.scalar_type(), op, ": expected scalar type ", to_string(x.scalar_type()),
                 " but found ", to_string(weight.scalar_type()), " for the weight");
  }
  return target.scalar_type() == kLong ? target : target.to(kLong);
}

/// The target is a distribution over classes for every row.
Tensor cross_entropy_of_probabilities(const Tensor& x, const Tensor& target, const Tensor& weight, Reduction reduction,
                                      double smoothing) {
  int64_t dim = class_dim(x), classes = x.size(dim);
  Tensor t = smoothing == 0 ? target : target * (1 - smoothing) + smoothing / static_cast<double>(classes);
  Tensor terms = log_softmax(x, dim) * t;
  if (weight.defined()) {
    FULMEN_CHECK(weight.dim() == 1 && weight.numel() == classes,
                 "cross_entropy: weight tensor should be defined either for all ", classes,
                 " classes or no classes but got weight tensor of shape: ", weight.sizes());
    Shape sizes(static_cast<size_t>(x.dim()), 1);
    sizes[static_cast<size_t>(dim)] = classes;
    terms = terms * weight.view(sizes);
  }
  if (reduction == Reduction::None) return -terms.sum(dim);
  Tensor sum = -terms.sum();
  return reduction == Reduction::Sum ? sum : sum / (static_cast<double>(x.numel()) / static_cast<double>(classes));
}

}  // namespace

Tensor nll_loss(const Tensor& x, const Tensor& target, const Tensor& weight, Reduction reduction,
                int64_t ignore_index) {
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, nll_loss, x, target, weight, reduction, ignore_index);
  Tensor labels = labels_of("nll_loss", x, target, weight);
  NllLoss loss{};
  loss.reduction = reduction;
  loss.ignore_index = ignore_index;
  return apply(std::move(loss), x, labels, weight);
}

Tensor cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight, Reduction reduction,
                     int64_t ignore_index, double label_smoothing) {
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, cross_entropy, x, target, weight, reduction, ignore_index, label_smoothing);
  FULMEN_CHECK(label_smoothing >= 0 && label_smoothing <= 1,
               "cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: ", label_smoothing);
  if (x.sizes() == target.sizes() && target.is_floating_point()) {
    return cross_entropy_of_probabilities(x, target, weight, reduction, label_smoothing);
  }
  Tensor labels = labels_of("cross_entropy", x, target, weight);
  CrossEntropy loss{};
  loss.reduction = reduction;
  loss.ignore_index = ignore_index;
  loss.smoothing = label_smoothing;
  // Not for float16, whose small gradients would be lost before the factor of a scaled loss makes them larger.
  loss.with_grad =
      GradMode::is_enabled() && x.requires_grad() && reduction != Reduction::None && x.scalar_type() != kHalf;
  return apply(std::move(loss), x, labels, weight)[0];
}

}  // namespace fulmen
