#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::nn {

/// How a loss joins the losses of its elements.
using LossReduction = OneOf<enumtype::kNone, enumtype::kMean, enumtype::kSum>;

/// For losses whose only option is the reduction.
struct ReductionOptions {
  ReductionOptions(LossReduction reduction = kMean) : reduction_(reduction) {}
  template <class Word>
  requires std::is_constructible_v<LossReduction, Word> ReductionOptions(Word reduction) : reduction_(reduction) {}
  FULMEN_ARG(LossReduction, reduction);
};
using L1LossOptions = ReductionOptions;
using MSELossOptions = ReductionOptions;
using SoftMarginLossOptions = ReductionOptions;

struct SmoothL1LossOptions {
  SmoothL1LossOptions(LossReduction reduction = kMean) : reduction_(reduction) {}
  template <class Word>
  requires std::is_constructible_v<LossReduction, Word> SmoothL1LossOptions(Word reduction) : reduction_(reduction) {}
  FULMEN_ARG(LossReduction, reduction);
  /// Where the square turns into a line; unset is 1.
  FULMEN_ARG(std::optional<double>, beta) = std::nullopt;
};
struct HuberLossOptions {
  HuberLossOptions(LossReduction reduction = kMean) : reduction_(reduction) {}
  template <class Word>
  requires std::is_constructible_v<LossReduction, Word> HuberLossOptions(Word reduction) : reduction_(reduction) {}
  FULMEN_ARG(LossReduction, reduction);
  FULMEN_ARG(double, delta) = 1.0;
};
struct BCELossOptions {
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(LossReduction, reduction) = kMean;
};
struct BCEWithLogitsLossOptions {
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(LossReduction, reduction) = kMean;
  /// Weight of the positive examples, per class.
  FULMEN_ARG(Tensor, pos_weight) = {};
};
struct NLLLossOptions {
  /// Weight per class.
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(int64_t, ignore_index) = -100;
  FULMEN_ARG(LossReduction, reduction) = kMean;
};
struct CrossEntropyLossOptions {
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(int64_t, ignore_index) = -100;
  FULMEN_ARG(LossReduction, reduction) = kMean;
  FULMEN_ARG(double, label_smoothing) = 0.0;
};
struct KLDivLossOptions {
  using Reduction = OneOf<enumtype::kNone, enumtype::kBatchMean, enumtype::kSum, enumtype::kMean>;
  KLDivLossOptions(Reduction reduction = kMean) : reduction_(reduction) {}
  template <class Word>
  requires std::is_constructible_v<Reduction, Word> KLDivLossOptions(Word reduction) : reduction_(reduction) {}
  FULMEN_ARG(Reduction, reduction);
  /// Whether the target is given as log-probabilities.
  FULMEN_ARG(bool, log_target) = false;
};
struct PoissonNLLLossOptions {
  FULMEN_ARG(bool, log_input) = true;
  FULMEN_ARG(bool, full) = false;
  FULMEN_ARG(double, eps) = 1e-8;
  FULMEN_ARG(LossReduction, reduction) = kMean;
};
struct HingeEmbeddingLossOptions {
  FULMEN_ARG(double, margin) = 1.0;
  FULMEN_ARG(LossReduction, reduction) = kMean;
};
struct MarginRankingLossOptions {
  FULMEN_ARG(double, margin) = 0.0;
  FULMEN_ARG(LossReduction, reduction) = kMean;
};

namespace functional {

using L1LossFuncOptions = L1LossOptions;
using MSELossFuncOptions = MSELossOptions;
using SoftMarginLossFuncOptions = SoftMarginLossOptions;
using SmoothL1LossFuncOptions = SmoothL1LossOptions;
using HuberLossFuncOptions = HuberLossOptions;
using BinaryCrossEntropyFuncOptions = BCELossOptions;
using BinaryCrossEntropyWithLogitsFuncOptions = BCEWithLogitsLossOptions;
using NLLLossFuncOptions = NLLLossOptions;
using CrossEntropyFuncOptions = CrossEntropyLossOptions;
using KLDivFuncOptions = KLDivLossOptions;
using PoissonNLLLossFuncOptions = PoissonNLLLossOptions;
using HingeEmbeddingLossFuncOptions = HingeEmbeddingLossOptions;
using MarginRankingLossFuncOptions = MarginRankingLossOptions;

// Losses of elements: input and target have the same shape, which is not broadcast (error E007).
/// |x - y|
Tensor l1_loss(const Tensor& input, const Tensor& target, const L1LossFuncOptions& options = {});
/// (x - y)^2
Tensor mse_loss(const Tensor& input, const Tensor& target, const MSELossFuncOptions& options = {});
/// (x - y)^2 / (2 beta) near zero, |x - y| - beta/2 beyond beta.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossFuncOptions& options = {});
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossFuncOptions& options, double beta);
/// (x - y)^2 / 2 near zero, delta (|x - y| - delta/2) beyond delta.
Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossFuncOptions& options = {});
/// -(y log x + (1 - y) log(1 - x)) for probabilities x; each logarithm is at least -100.
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                            const BinaryCrossEntropyFuncOptions& options = {});
/// binary_cross_entropy(sigmoid(x), y), computed without overflow.
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsFuncOptions& options = {});
/// y (log y - x) for log-probabilities x.
Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivFuncOptions& options = {});
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNLLLossFuncOptions& options = {});
/// log(1 + exp(-y x)), y = 1 or -1.
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const SoftMarginLossFuncOptions& options = {});
/// x where y = 1, max(0, margin - x) where y = -1.
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target,
                            const HingeEmbeddingLossFuncOptions& options = {});
/// max(0, -y (x1 - x2) + margin)
Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                           const MarginRankingLossFuncOptions& options = {});

// Losses of classes: input [N, C, ...], target int64 [N, ...] of 0..C-1 (error E008).
/// -x[label] for log-probabilities x.
Tensor nll_loss(const Tensor& input, const Tensor& target, const NLLLossFuncOptions& options = {});
/// nll_loss(log_softmax(x)); a floating-point target of the input's shape holds class probabilities.
Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyFuncOptions& options = {});

}  // namespace functional
}  // namespace fulmen::nn
