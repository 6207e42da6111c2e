#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/loss.h>

// Losses as modules; their maths is documented in nn/functional/loss.h.
namespace fulmen::nn {

// A loss of a prediction and a target. `weight` (and `pos_weight`) live in the options.
#define FULMEN_LOSS(Name)                                      \
  class Name##Impl : public Cloneable<Name##Impl> {            \
   public:                                                     \
    explicit Name##Impl(Name##Options options_ = {});          \
    void reset() override;                                     \
    void pretty_print(std::ostream& stream) const override;    \
    Tensor forward(const Tensor& input, const Tensor& target); \
    Name##Options options;                                     \
  };                                                           \
  FULMEN_MODULE(Name)

FULMEN_LOSS(L1Loss);
FULMEN_LOSS(MSELoss);
FULMEN_LOSS(SmoothL1Loss);
FULMEN_LOSS(HuberLoss);
FULMEN_LOSS(KLDivLoss);
FULMEN_LOSS(PoissonNLLLoss);
FULMEN_LOSS(SoftMarginLoss);
FULMEN_LOSS(HingeEmbeddingLoss);
#undef FULMEN_LOSS

// The same with a weight, which is a buffer: it moves with the module and is saved with it.
#define FULMEN_WEIGHTED_LOSS(Name)                             \
  class Name##Impl : public Cloneable<Name##Impl> {            \
   public:                                                     \
    explicit Name##Impl(Name##Options options_ = {});          \
    void reset() override;                                     \
    void pretty_print(std::ostream& stream) const override;    \
    Tensor forward(const Tensor& input, const Tensor& target); \
    Name##Options options;                                     \
    Tensor weight;                                             \
  };                                                           \
  FULMEN_MODULE(Name)

FULMEN_WEIGHTED_LOSS(BCELoss);
FULMEN_WEIGHTED_LOSS(NLLLoss);
FULMEN_WEIGHTED_LOSS(CrossEntropyLoss);
#undef FULMEN_WEIGHTED_LOSS

class BCEWithLogitsLossImpl : public Cloneable<BCEWithLogitsLossImpl> {
 public:
  explicit BCEWithLogitsLossImpl(BCEWithLogitsLossOptions options_ = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input, const Tensor& target);

  BCEWithLogitsLossOptions options;
  Tensor weight, pos_weight;
};
FULMEN_MODULE(BCEWithLogitsLoss);

class MarginRankingLossImpl : public Cloneable<MarginRankingLossImpl> {
 public:
  explicit MarginRankingLossImpl(MarginRankingLossOptions options_ = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input1, const Tensor& input2, const Tensor& target);

  MarginRankingLossOptions options;
};
FULMEN_MODULE(MarginRankingLoss);

}  // namespace fulmen::nn
