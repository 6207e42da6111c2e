#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/loss.h>
#include <fulmen/nn/check.h>
#include <fulmen/nn/functional/loss.h>

namespace fulmen::nn::functional {
namespace {

Reduction to_reduction(LossReduction reduction) {
  if (reduction.is<enumtype::kNone>()) return Reduction::None;
  return reduction.is<enumtype::kSum>() ? Reduction::Sum : Reduction::Mean;
}

Tensor reduce(const Tensor& losses, LossReduction reduction) {
  if (reduction.is<enumtype::kNone>()) return losses;
  return reduction.is<enumtype::kSum>() ? losses.sum() : losses.mean();
}

}  // namespace

Tensor l1_loss(const Tensor& input, const Tensor& target, const L1LossFuncOptions& options) {
  return fulmen::l1_loss(input, target, to_reduction(options.reduction()));
}
Tensor mse_loss(const Tensor& input, const Tensor& target, const MSELossFuncOptions& options) {
  return fulmen::mse_loss(input, target, to_reduction(options.reduction()));
}
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossFuncOptions& options) {
  const double beta = options.beta().value_or(1);
  if (beta == 0) return fulmen::l1_loss(input, target, to_reduction(options.reduction()));
  return fulmen::smooth_l1_loss(input, target, to_reduction(options.reduction()), beta);
}
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossFuncOptions& options, double beta) {
  FULMEN_CHECK(!options.beta(), "smooth_l1_loss: expected beta not to be provided in 'options', but got ",
               options.beta().value_or(0));
  return smooth_l1_loss(input, target, SmoothL1LossFuncOptions(options).beta(beta));
}
Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossFuncOptions& options) {
  return fulmen::huber_loss(input, target, to_reduction(options.reduction()), options.delta());
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const BinaryCrossEntropyFuncOptions& options) {
  return fulmen::binary_cross_entropy(input, target, options.weight(), to_reduction(options.reduction()));
}
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsFuncOptions& options) {
  return fulmen::binary_cross_entropy_with_logits(input, target, options.weight(), options.pos_weight(),
                                                  to_reduction(options.reduction()));
}

Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivFuncOptions& options) {
  const auto& reduction = options.reduction();
  if (reduction.is<enumtype::kBatchMean>()) {
    const Tensor total = fulmen::kl_div(input, target, Reduction::Sum, options.log_target());
    return input.dim() == 0 ? total : total / input.size(0);
  }
  const Reduction how = reduction.is<enumtype::kNone>()  ? Reduction::None
                        : reduction.is<enumtype::kSum>() ? Reduction::Sum
                                                         : Reduction::Mean;
  return fulmen::kl_div(input, target, how, options.log_target());
}

// exp(x) - y x for log-rates x, x - y log(x + eps) for rates; `full` adds Stirling's approximation of log(y!).
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNLLLossFuncOptions& options) {
  if (autocast::applies(autocast::wide, input))
    return autocast::recast(autocast::wide, poisson_nll_loss, input, target, options);
  check_same_shape("poisson_nll_loss", input, target);
  Tensor loss = options.log_input() ? input.exp() - target * input : input - target * (input + options.eps()).log();
  if (options.full()) {
    const Tensor safe = target.clamp_min(1);
    constexpr double two_pi = 6.28318530717958647692;
    const Tensor stirling = target * safe.log() - target + (safe * two_pi).log() * 0.5;
    loss = loss + stirling.masked_fill(target <= 1, 0);
  }
  return reduce(loss, options.reduction());
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const SoftMarginLossFuncOptions& options) {
  if (autocast::applies(autocast::wide, input))
    return autocast::recast(autocast::wide, soft_margin_loss, input, target, options);
  check_same_shape("soft_margin_loss", input, target);
  return reduce((-target * input).exp().log1p(), options.reduction());
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, const HingeEmbeddingLossFuncOptions& options) {
  if (autocast::applies(autocast::wide, input))
    return autocast::recast(autocast::wide, hinge_embedding_loss, input, target, options);
  check_same_shape("hinge_embedding_loss", input, target);
  const Tensor close = input.masked_fill(target != 1, 0);
  const Tensor far = (options.margin() - input).clamp_min(0).masked_fill(target == 1, 0);
  return reduce(close + far, options.reduction());
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                           const MarginRankingLossFuncOptions& options) {
  if (autocast::applies(autocast::wide, input1))
    return autocast::recast(autocast::wide, margin_ranking_loss, input1, input2, target, options);
  FULMEN_CHECK(input1.dim() == input2.dim() && input1.dim() == target.dim(),
               "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: ",
               input1.sizes(), ", input2: ", input2.sizes(), ", target: ", target.sizes());
  return reduce((-target * (input1 - input2) + options.margin()).clamp_min(0), options.reduction());
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const NLLLossFuncOptions& options) {
  return fulmen::nll_loss(input, target, options.weight(), to_reduction(options.reduction()), options.ignore_index());
}
Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyFuncOptions& options) {
  return fulmen::cross_entropy(input, target, options.weight(), to_reduction(options.reduction()),
                               options.ignore_index(), options.label_smoothing());
}

}  // namespace fulmen::nn::functional
