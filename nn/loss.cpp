#include <fulmen/nn/loss.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {
namespace F = functional;

#define FULMEN_LOSS(Name, function)                                                \
  Name##Impl::Name##Impl(Name##Options options_) : options(std::move(options_)) {} \
  void Name##Impl::reset() {}                                                      \
  Tensor Name##Impl::forward(const Tensor& input, const Tensor& target) { return F::function(input, target, options); }

FULMEN_LOSS(L1Loss, l1_loss)
FULMEN_LOSS(MSELoss, mse_loss)
FULMEN_LOSS(SmoothL1Loss, smooth_l1_loss)
FULMEN_LOSS(HuberLoss, huber_loss)
FULMEN_LOSS(KLDivLoss, kl_div)
FULMEN_LOSS(PoissonNLLLoss, poisson_nll_loss)
FULMEN_LOSS(SoftMarginLoss, soft_margin_loss)
FULMEN_LOSS(HingeEmbeddingLoss, hinge_embedding_loss)
#undef FULMEN_LOSS

// The buffer, not the option, is used: it is the one that moves with the module.
#define FULMEN_WEIGHTED_LOSS(Name, function)                                                             \
  Name##Impl::Name##Impl(Name##Options options_) : options(std::move(options_)) { Name##Impl::reset(); } \
  void Name##Impl::reset() { weight = register_buffer("weight", options.weight()); }                     \
  Tensor Name##Impl::forward(const Tensor& input, const Tensor& target) {                                \
    return F::function(input, target, Name##Options(options).weight(weight));                            \
  }

FULMEN_WEIGHTED_LOSS(BCELoss, binary_cross_entropy)
FULMEN_WEIGHTED_LOSS(NLLLoss, nll_loss)
FULMEN_WEIGHTED_LOSS(CrossEntropyLoss, cross_entropy)
#undef FULMEN_WEIGHTED_LOSS

void L1LossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "L1Loss"); }
void MSELossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "MSELoss"); }
void SmoothL1LossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "SmoothL1Loss"); }
void HuberLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "HuberLoss"); }
void KLDivLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "KLDivLoss"); }
void PoissonNLLLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "PoissonNLLLoss"); }
void SoftMarginLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "SoftMarginLoss"); }
void BCELossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "BCELoss"); }
void NLLLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "NLLLoss"); }
void CrossEntropyLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "CrossEntropyLoss"); }
void BCEWithLogitsLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "BCEWithLogitsLoss"); }
void MarginRankingLossImpl::pretty_print(std::ostream& stream) const { Printed(stream, "MarginRankingLoss"); }
void HingeEmbeddingLossImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "HingeEmbeddingLoss").arg("margin", options.margin());
}

BCEWithLogitsLossImpl::BCEWithLogitsLossImpl(BCEWithLogitsLossOptions options_) : options(std::move(options_)) {
  BCEWithLogitsLossImpl::reset();
}
void BCEWithLogitsLossImpl::reset() {
  weight = register_buffer("weight", options.weight());
  pos_weight = register_buffer("pos_weight", options.pos_weight());
}
Tensor BCEWithLogitsLossImpl::forward(const Tensor& input, const Tensor& target) {
  return F::binary_cross_entropy_with_logits(input, target,
                                             BCEWithLogitsLossOptions(options).weight(weight).pos_weight(pos_weight));
}

MarginRankingLossImpl::MarginRankingLossImpl(MarginRankingLossOptions options_) : options(std::move(options_)) {}
void MarginRankingLossImpl::reset() {}
Tensor MarginRankingLossImpl::forward(const Tensor& input1, const Tensor& input2, const Tensor& target) {
  return F::margin_ranking_loss(input1, input2, target, options);
}

}  // namespace fulmen::nn
