#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/dropout.h>

// In training a random part of the input is zeroed; in evaluation the input passes. See nn/functional/dropout.h.
namespace fulmen::nn {

#define FULMEN_DROPOUT(Name)                                 \
  class Name##Impl : public Cloneable<Name##Impl> {          \
   public:                                                   \
    explicit Name##Impl(double p);                           \
    explicit Name##Impl(const Name##Options& options_ = {}); \
    void reset() override;                                   \
    void pretty_print(std::ostream& stream) const override;  \
    Tensor forward(Tensor input);                            \
    Name##Options options;                                   \
  };                                                         \
  FULMEN_MODULE(Name)

/// Single elements.
FULMEN_DROPOUT(Dropout);
/// Whole channels of [N, C, H, W].
FULMEN_DROPOUT(Dropout2d);
/// Whole channels of [N, C, D, H, W].
FULMEN_DROPOUT(Dropout3d);
/// Single elements, for networks of SELU.
FULMEN_DROPOUT(AlphaDropout);
/// Whole channels, for networks of SELU.
FULMEN_DROPOUT(FeatureAlphaDropout);
#undef FULMEN_DROPOUT

}  // namespace fulmen::nn
