#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/loss.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/kernels/loss.h>

namespace fulmen {

using namespace autograd;

namespace {

/// gy = scale * the gradient that a reduction hands back
LossParams params_of(LossKind kind, double p, Reduction reduction, int64_t n) {
  return {kind, p, reduction == Reduction::Mean ? 1.0 / static_cast<double>(n) : 1.0, reduction != Reduction::None};
}

bool of_difference(LossKind kind) { return kind != LossKind::Logistic && kind != LossKind::Bernoulli; }

Tensor pointwise_gradient(const Tensor& x, const Tensor& t, const Tensor& gy, const LossParams& params);

/// d^2(loss)/dx^2
Tensor curvature(const Tensor& x, const Tensor& t, const LossParams& params) {
  switch (params.kind) {
    case LossKind::Square:
      return full_like(x, 2);
    case LossKind::Absolute:
      return zeros_like(x);
    case LossKind::SmoothAbsolute:
      return (x - t).abs().lt(params.p).to(x.scalar_type()) / params.p;
    case LossKind::Huber:
      return (x - t).abs().le(params.p).to(x.scalar_type());
    case LossKind::Logistic: {
      Tensor s = x.sigmoid();
      return s * (1 - s);
    }
    default: {
      Tensor v = x * (1 - x);
      return (v - (x - t) * (1 - 2 * x)) / (v * v);
    }
  }
}
/// d^2(loss)/dx dt
Tensor mixed(const Tensor& x, const Tensor& t, const LossParams& params) {
  if (of_difference(params.kind)) return -curvature(x, t, params);
  return params.kind == LossKind::Logistic ? full_like(x, -1) : -1 / (x * (1 - x));
}

// gx = gy scale d(loss)/dx
struct PointwiseLossBackward {
  static constexpr auto name = "pointwise_loss_backward";
  LossParams params;
  Output forward(Forward& f, const Input& x, const Input& t, const Input& gy) const {
    f.save(x, t, gy);
    Output gx = f.empty_like(x);
    Tensor xc = x.contiguous(), tc = t.contiguous(), gc = gy.contiguous();
    kernel::pointwise_loss_backward(f.launch(x), f.out(gx), f.in(xc), f.in(tc), f.in(gc), params);
    return gx;
  }
  // x' = g gy scale loss''; gy' = g scale loss', summed by a reduction
  Grads<3> backward(const Saved& s, const Tensor& g) const {
    Tensor x = s[0], t = s[1], gy = s[2];
    Tensor factor = g * gy * params.scale;
    Grads<3> grads;
    if (s.needs(0)) grads[0] = factor * curvature(x, t, params);
    if (s.needs(1)) grads[1] = factor * mixed(x, t, params);
    if (s.needs(2)) grads[2] = g * pointwise_gradient(x, t, ones_like(gy), params);
    return grads;
  }
};

Tensor pointwise_gradient(const Tensor& x, const Tensor& t, const Tensor& gy, const LossParams& params) {
  return apply(PointwiseLossBackward{params}, x, t, gy);
}

// y = scale sum(loss(x, t)), or the losses themselves
struct PointwiseLoss {
  Reduction reduction;
  double p = 0;
  LossParams params{};
  Output forward(Forward& f, const Input& x, const Input& t, LossKind kind) {
    params = params_of(kind, p, reduction, x.numel());
    Output y = params.reduce ? f.empty({}, x.scalar_type(), x.device()) : f.empty_like(x);
    Tensor xc = x.contiguous(), tc = t.contiguous();
    kernel::pointwise_loss(f.launch(x), f.out(y), f.in(xc), f.in(tc), params);
    f.save(x, t);
    return y;
  }
  // gx = gy scale d(loss)/dx; gt likewise, which is -gx for a loss of the difference
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0], t = s[1];
    Grads<2> g;
    if (s.needs(0)) g[0] = pointwise_gradient(x, t, gy, params);
    if (!s.needs(1)) return g;
    if (of_difference(params.kind)) {
      g[1] = -(g[0].defined() ? g[0] : pointwise_gradient(x, t, gy, params));
    } else {
      g[1] = (params.kind == LossKind::Logistic ? -x : (1 - x).log() - x.log()) * (gy * params.scale);
    }
    return g;
  }
};
#define FULMEN_POINTWISE_LOSS(Name, text, kind)                                                                  \
  struct Name : PointwiseLoss {                                                                                  \
    static constexpr auto name = text;                                                                           \
    Output forward(Forward& f, const Input& x, const Input& t) { return PointwiseLoss::forward(f, x, t, kind); } \
  };
FULMEN_POINTWISE_LOSS(MseLoss, "mse_loss", LossKind::Square)
FULMEN_POINTWISE_LOSS(L1Loss, "l1_loss", LossKind::Absolute)
FULMEN_POINTWISE_LOSS(SmoothL1Loss, "smooth_l1_loss", LossKind::SmoothAbsolute)
FULMEN_POINTWISE_LOSS(HuberLoss, "huber_loss", LossKind::Huber)
FULMEN_POINTWISE_LOSS(BinaryCrossEntropy, "binary_cross_entropy", LossKind::Bernoulli)
FULMEN_POINTWISE_LOSS(BinaryCrossEntropyWithLogits, "binary_cross_entropy_with_logits", LossKind::Logistic)
#undef FULMEN_POINTWISE_LOSS

/// "squeeze(1) the prediction", if dropping one dimension of size 1 makes `from` equal to `to`.
std::string squeeze_hint(const Tensor& from, const Tensor& to, const char* which) {
  for (int64_t d = 0; from.dim() == to.dim() + 1 && d < from.dim(); ++d) {
    Shape rest = from.sizes();
    rest.erase(static_cast<size_t>(d));
    if (from.size(d) == 1 && rest == to.sizes()) return str("squeeze(", d, ") the ", which);
  }
  return {};
}

void check_sizes(const char* op, const Tensor& x, const Tensor& target) {
  if (x.sizes() == target.sizes()) [[likely]]
    return;
  std::string fix = squeeze_hint(x, target, "prediction");
  if (fix.empty()) fix = squeeze_hint(target, x, "target");
  if (fix.empty()) fix = "give both the same sizes";
  throw Error("E007",
              str(op, ": prediction ", x, " and target ", target, " differ in size, and shapes are not broadcast in ",
                  "losses (a target size ", target.sizes(), " that is different to the input size ", x.sizes(), ")"),
              fix);
}

template <class Loss>
Tensor pointwise(const Tensor& x, const Tensor& target, Reduction reduction, double p = 0) {
  check_sizes(Loss::name, x, target);
  ScalarType type = result_type(x, target);
  FULMEN_CHECK(is_floating_point(type), Loss::name, ": prediction and target must be floating point, got ", x, " and ",
               target);
  FULMEN_CHECK(x.device() == target.device(), Loss::name, ": Expected all tensors to be on the same device, but got ",
               x, " and ", target);
  Loss loss;
  loss.reduction = reduction;
  loss.p = p;
  if (x.scalar_type() == type && target.scalar_type() == type) return apply(std::move(loss), x, target);
  return apply(std::move(loss), x.to(type), target.to(type));
}

Tensor reduced(const Tensor& losses, Reduction reduction) {
  return reduction == Reduction::Mean ? losses.mean() : reduction == Reduction::Sum ? losses.sum() : losses;
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  if (autocast::applies(autocast::wide, x)) return autocast::recast(autocast::wide, mse_loss, x, target, reduction);
  return pointwise<MseLoss>(x, target, reduction);
}
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  if (autocast::applies(autocast::wide, x)) return autocast::recast(autocast::wide, l1_loss, x, target, reduction);
  return pointwise<L1Loss>(x, target, reduction);
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction, double beta) {
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, smooth_l1_loss, x, target, reduction, beta);
  FULMEN_CHECK(beta >= 0, "smooth_l1_loss does not support negative values for beta, got ", beta);
  if (beta == 0) return l1_loss(x, target, reduction);
  return pointwise<SmoothL1Loss>(x, target, reduction, beta);
}
Tensor huber_loss(const Tensor& x, const Tensor& target, Reduction reduction, double delta) {
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, huber_loss, x, target, reduction, delta);
  FULMEN_CHECK(delta > 0, "huber_loss does not support non-positive values for delta, got ", delta);
  return pointwise<HuberLoss>(x, target, reduction, delta);
}

Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight, Reduction reduction) {
  FULMEN_CHECK(
      !autocast::active || !x.is_cuda() || !autocast::is_autocast_enabled(kCUDA),
      "binary_cross_entropy is unsafe to autocast: use binary_cross_entropy_with_logits, which is not, or leave "
      "autocast for the loss: Autocast off(kCUDA, false)");
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, binary_cross_entropy, x, target, weight, reduction);
  check_sizes("binary_cross_entropy", x, target);
  if (x.numel() > 0) {
    NoGradGuard constant;
    FULMEN_CHECK(x.min().item().toDouble() >= 0 && x.max().item().toDouble() <= 1,
                 "binary_cross_entropy: all elements of input should be between 0 and 1; apply sigmoid first, or use "
                 "binary_cross_entropy_with_logits");
  }
  if (!weight.defined()) return pointwise<BinaryCrossEntropy>(x, target, reduction);
  return reduced(pointwise<BinaryCrossEntropy>(x, target, Reduction::None) * weight, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, Reduction reduction) {
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, binary_cross_entropy_with_logits, x, target, weight, pos_weight, reduction);
  if (!weight.defined() && !pos_weight.defined()) return pointwise<BinaryCrossEntropyWithLogits>(x, target, reduction);
  Tensor losses;
  if (pos_weight.defined()) {
    check_sizes("binary_cross_entropy_with_logits", x, target);
    Tensor softplus = (-x.abs()).exp().log1p() + (-x).relu();  // log(1 + exp(-x))
    losses = (1 - target) * x + (1 + (pos_weight - 1) * target) * softplus;
  } else {
    losses = pointwise<BinaryCrossEntropyWithLogits>(x, target, Reduction::None);
  }
  return reduced(weight.defined() ? losses * weight : losses, reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& target, Reduction reduction, bool log_target) {
  if (autocast::applies(autocast::wide, x))
    return autocast::recast(autocast::wide, kl_div, x, target, reduction, log_target);
  check_sizes("kl_div", x, target);
  if (log_target) return reduced(target.exp() * (target - x), reduction);
  // 0 log 0 is 0: there the logarithm is taken of 1.
  Tensor log_t = target.masked_fill(target.eq(0), 1).log();
  return reduced(target * log_t - target * x, reduction);
}

}  // namespace fulmen
