#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/conv.h>
#include <fulmen/nn/functional/padding.h>

namespace fulmen::nn {

/// What a convolution reads beyond its input: zeros, or the input's own elements.
using ConvPaddingMode = OneOf<enumtype::kZeros, enumtype::kReflect, enumtype::kReplicate, enumtype::kCircular>;

/// D: 1, 2 or 3. A list has one entry per dimension, or one for all: `Conv2dOptions(3, 16, {3, 5}).stride(2)`.
template <size_t D>
struct ConvOptions {
  using padding_t = ConvPadding<D>;
  using padding_mode_t = ConvPaddingMode;
  ConvOptions(int64_t in_channels, int64_t out_channels, ExpandingArray<D> kernel_size)
      : in_channels_(in_channels), out_channels_(out_channels), kernel_size_(kernel_size) {}
  FULMEN_ARG(int64_t, in_channels);
  FULMEN_ARG(int64_t, out_channels);
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride) = 1;
  FULMEN_ARG(padding_t, padding) = 0;
  FULMEN_ARG(ExpandingArray<D>, dilation) = 1;
  FULMEN_ARG(int64_t, groups) = 1;
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(padding_mode_t, padding_mode) = kZeros;
};
using Conv1dOptions = ConvOptions<1>;
using Conv2dOptions = ConvOptions<2>;
using Conv3dOptions = ConvOptions<3>;

template <size_t D>
struct ConvTransposeOptions {
  using padding_mode_t = ConvPaddingMode;
  ConvTransposeOptions(int64_t in_channels, int64_t out_channels, ExpandingArray<D> kernel_size)
      : in_channels_(in_channels), out_channels_(out_channels), kernel_size_(kernel_size) {}
  FULMEN_ARG(int64_t, in_channels);
  FULMEN_ARG(int64_t, out_channels);
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride) = 1;
  FULMEN_ARG(ExpandingArray<D>, padding) = 0;
  FULMEN_ARG(ExpandingArray<D>, output_padding) = 0;
  FULMEN_ARG(int64_t, groups) = 1;
  FULMEN_ARG(bool, bias) = true;
  FULMEN_ARG(ExpandingArray<D>, dilation) = 1;
  FULMEN_ARG(padding_mode_t, padding_mode) = kZeros;
};
using ConvTranspose1dOptions = ConvTransposeOptions<1>;
using ConvTranspose2dOptions = ConvTransposeOptions<2>;
using ConvTranspose3dOptions = ConvTransposeOptions<3>;

/// What Conv1d, 2d and 3d share: input [n, in_channels, sizes...] or without n. Both parameters start uniform in
/// ±1/sqrt(in_channels / groups times the kernel's elements).
template <size_t D, class Derived>
class ConvImplBase : public Cloneable<Derived> {
 public:
  explicit ConvImplBase(const ConvOptions<D>& options_);
  ConvImplBase(int64_t in_channels, int64_t out_channels, ExpandingArray<D> kernel_size)
      : ConvImplBase(ConvOptions<D>(in_channels, out_channels, kernel_size)) {}
  void reset() override;
  /// Draws new initial values.
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  ConvOptions<D> options;
  Tensor weight, bias;  ///< [out_channels, in_channels / groups, kernel...]; bias is undefined with .bias(false)
};

/// What ConvTranspose1d, 2d and 3d share.
template <size_t D, class Derived>
class ConvTransposeImplBase : public Cloneable<Derived> {
 public:
  explicit ConvTransposeImplBase(const ConvTransposeOptions<D>& options_);
  ConvTransposeImplBase(int64_t in_channels, int64_t out_channels, ExpandingArray<D> kernel_size)
      : ConvTransposeImplBase(ConvTransposeOptions<D>(in_channels, out_channels, kernel_size)) {}
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  /// `output_size` (with or without batch and channels) chooses among the sizes that strided convolutions bring to the
  /// input's; it replaces options.output_padding().
  Tensor forward(const Tensor& input, const std::optional<IntArrayRef>& output_size = std::nullopt);

  ConvTransposeOptions<D> options;
  Tensor weight, bias;  ///< [in_channels, out_channels / groups, kernel...]

 protected:
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(std::optional<IntArrayRef>())})
};

#define FULMEN_CONV(D)                                                                       \
  class Conv##D##dImpl;                                                                      \
  extern template class ConvImplBase<D, Conv##D##dImpl>;                                     \
  class Conv##D##dImpl : public ConvImplBase<D, Conv##D##dImpl> {                            \
   public:                                                                                   \
    using ConvImplBase<D, Conv##D##dImpl>::ConvImplBase;                                     \
  };                                                                                         \
  FULMEN_MODULE(Conv##D##d);                                                                 \
  class ConvTranspose##D##dImpl;                                                             \
  extern template class ConvTransposeImplBase<D, ConvTranspose##D##dImpl>;                   \
  class ConvTranspose##D##dImpl : public ConvTransposeImplBase<D, ConvTranspose##D##dImpl> { \
   public:                                                                                   \
    using ConvTransposeImplBase<D, ConvTranspose##D##dImpl>::ConvTransposeImplBase;          \
  };                                                                                         \
  FULMEN_MODULE(ConvTranspose##D##d)
FULMEN_CONV(1);
FULMEN_CONV(2);
FULMEN_CONV(3);
#undef FULMEN_CONV

}  // namespace fulmen::nn
