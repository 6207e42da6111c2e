#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/pooling.h>

namespace fulmen::nn {

/// A module without parameters that is its options and a function; `Setting` is what it is usually made from.
#define FULMEN_POOL(Name, D, Setting)                                                 \
  class Name##D##dImpl : public Cloneable<Name##D##dImpl> {                           \
   public:                                                                            \
    Name##D##dImpl(Setting setting) : Name##D##dImpl(Name##D##dOptions(setting)) {}   \
    explicit Name##D##dImpl(const Name##D##dOptions& options_) : options(options_) {} \
    void reset() override {}                                                          \
    void pretty_print(std::ostream& stream) const override;                           \
    Tensor forward(const Tensor& input);                                              \
    Name##D##dOptions options
#define FULMEN_POOLS(D, Sizes)                                                                             \
  FULMEN_POOL(AvgPool, D, ExpandingArray<D>);                                                              \
  }                                                                                                        \
  ;                                                                                                        \
  FULMEN_MODULE(AvgPool##D##d);                                                                            \
  FULMEN_POOL(MaxPool, D, ExpandingArray<D>);                                                              \
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input);                                    \
  }                                                                                                        \
  ;                                                                                                        \
  FULMEN_MODULE(MaxPool##D##d);                                                                            \
  FULMEN_POOL(AdaptiveAvgPool, D, Sizes);                                                                  \
  }                                                                                                        \
  ;                                                                                                        \
  FULMEN_MODULE(AdaptiveAvgPool##D##d);                                                                    \
  FULMEN_POOL(AdaptiveMaxPool, D, Sizes);                                                                  \
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input);                                    \
  }                                                                                                        \
  ;                                                                                                        \
  FULMEN_MODULE(AdaptiveMaxPool##D##d);                                                                    \
  class MaxUnpool##D##dImpl : public Cloneable<MaxUnpool##D##dImpl> {                                      \
   public:                                                                                                 \
    MaxUnpool##D##dImpl(ExpandingArray<D> kernel_size) : options(kernel_size) {}                           \
    explicit MaxUnpool##D##dImpl(const MaxUnpool##D##dOptions& options_) : options(options_) {}            \
    void reset() override {}                                                                               \
    void pretty_print(std::ostream& stream) const override;                                                \
    Tensor forward(const Tensor& input, const Tensor& indices,                                             \
                   const std::optional<std::vector<int64_t>>& output_size = std::nullopt);                 \
    MaxUnpool##D##dOptions options;                                                                        \
                                                                                                           \
   protected:                                                                                              \
    FULMEN_FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(std::optional<std::vector<int64_t>>())})                  \
  };                                                                                                       \
  FULMEN_MODULE(MaxUnpool##D##d);                                                                          \
  class LPPool##D##dImpl : public Cloneable<LPPool##D##dImpl> {                                            \
   public:                                                                                                 \
    LPPool##D##dImpl(double norm_type, ExpandingArray<D> kernel_size) : options(norm_type, kernel_size) {} \
    explicit LPPool##D##dImpl(const LPPool##D##dOptions& options_) : options(options_) {}                  \
    void reset() override {}                                                                               \
    void pretty_print(std::ostream& stream) const override;                                                \
    Tensor forward(const Tensor& input);                                                                   \
    LPPool##D##dOptions options;                                                                           \
  };                                                                                                       \
  FULMEN_MODULE(LPPool##D##d)
FULMEN_POOLS(1, ExpandingArray<1>);
FULMEN_POOLS(2, ExpandingArrayWithOptionalElem<2>);
FULMEN_POOLS(3, ExpandingArrayWithOptionalElem<3>);
#undef FULMEN_POOLS
#undef FULMEN_POOL

}  // namespace fulmen::nn
