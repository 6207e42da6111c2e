#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/expanding_array.h>
#include <fulmen/nn/functional/padding.h>

namespace fulmen::nn {

/// `padding`: pairs (before, after), the last dimension first; or one number for all.
template <size_t D>
struct PadOptions {
  PadOptions(ExpandingArray<2 * D> padding) : padding_(padding) {}
  FULMEN_ARG(ExpandingArray<2 * D>, padding);
};
template <size_t D>
struct ConstantPadOptions {
  ConstantPadOptions(ExpandingArray<2 * D> padding, double value) : padding_(padding), value_(value) {}
  FULMEN_ARG(ExpandingArray<2 * D>, padding);
  FULMEN_ARG(double, value);
};

/// Modules that put elements around their input [n, channels, sizes...] (or without n); nothing is learned.
#define FULMEN_PAD(Name, D)                                                       \
  using Name##D##dOptions = PadOptions<D>;                                        \
  class Name##D##dImpl : public Cloneable<Name##D##dImpl> {                       \
   public:                                                                        \
    Name##D##dImpl(ExpandingArray<2 * D> padding) : options(padding) {}           \
    explicit Name##D##dImpl(const PadOptions<D>& options_) : options(options_) {} \
    void reset() override {}                                                      \
    void pretty_print(std::ostream& stream) const override;                       \
    Tensor forward(const Tensor& input);                                          \
    PadOptions<D> options;                                                        \
  };                                                                              \
  FULMEN_MODULE(Name##D##d)
#define FULMEN_PADS(D)                                                                              \
  FULMEN_PAD(ReflectionPad, D);                                                                     \
  FULMEN_PAD(ReplicationPad, D);                                                                    \
  FULMEN_PAD(ZeroPad, D);                                                                           \
  using ConstantPad##D##dOptions = ConstantPadOptions<D>;                                           \
  class ConstantPad##D##dImpl : public Cloneable<ConstantPad##D##dImpl> {                           \
   public:                                                                                          \
    ConstantPad##D##dImpl(ExpandingArray<2 * D> padding, double value) : options(padding, value) {} \
    explicit ConstantPad##D##dImpl(const ConstantPadOptions<D>& options_) : options(options_) {}    \
    void reset() override {}                                                                        \
    void pretty_print(std::ostream& stream) const override;                                         \
    Tensor forward(const Tensor& input);                                                            \
    ConstantPadOptions<D> options;                                                                  \
  };                                                                                                \
  FULMEN_MODULE(ConstantPad##D##d)
FULMEN_PADS(1);
FULMEN_PADS(2);
FULMEN_PADS(3);
#undef FULMEN_PADS
#undef FULMEN_PAD

}  // namespace fulmen::nn
