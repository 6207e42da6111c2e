#pragma once
#include <fulmen/nn/expanding_array.h>
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::nn {

/// Padding of a convolution: numbers, or kValid (none) or kSame (as much as keeps sizes).
template <size_t D>
class ConvPadding {
 public:
  ConvPadding(ExpandingArray<D> amount) : amount_(amount) {}
  ConvPadding(int64_t amount) : amount_(amount) {}
  ConvPadding(std::initializer_list<int64_t> amounts) : amount_(amounts) {}
  ConvPadding(const std::vector<int64_t>& amounts) : amount_(amounts) {}
  ConvPadding(enumtype::kValid) : amount_(0), word_('v') {}
  ConvPadding(enumtype::kSame) : amount_(0), word_('s') {}

  bool is_valid() const { return word_ == 'v'; }
  bool is_same() const { return word_ == 's'; }
  const ExpandingArray<D>& amount() const { return amount_; }

 private:
  ExpandingArray<D> amount_;
  char word_ = 0;
};

namespace functional {

template <size_t D>
struct ConvFuncOptions {
  using padding_t = ConvPadding<D>;
  FULMEN_ARG(Tensor, bias) = {};
  FULMEN_ARG(ExpandingArray<D>, stride) = 1;
  FULMEN_ARG(padding_t, padding) = 0;
  FULMEN_ARG(ExpandingArray<D>, dilation) = 1;
  FULMEN_ARG(int64_t, groups) = 1;
};
using Conv1dFuncOptions = ConvFuncOptions<1>;
using Conv2dFuncOptions = ConvFuncOptions<2>;
using Conv3dFuncOptions = ConvFuncOptions<3>;

template <size_t D>
struct ConvTransposeFuncOptions {
  FULMEN_ARG(Tensor, bias) = {};
  FULMEN_ARG(ExpandingArray<D>, stride) = 1;
  FULMEN_ARG(ExpandingArray<D>, padding) = 0;
  FULMEN_ARG(ExpandingArray<D>, output_padding) = 0;
  FULMEN_ARG(int64_t, groups) = 1;
  FULMEN_ARG(ExpandingArray<D>, dilation) = 1;
};
using ConvTranspose1dFuncOptions = ConvTransposeFuncOptions<1>;
using ConvTranspose2dFuncOptions = ConvTransposeFuncOptions<2>;
using ConvTranspose3dFuncOptions = ConvTransposeFuncOptions<3>;

/// Shapes as in autograd/ops/convolution.h.
Tensor conv1d(const Tensor& input, const Tensor& weight, const Conv1dFuncOptions& options = {});
Tensor conv2d(const Tensor& input, const Tensor& weight, const Conv2dFuncOptions& options = {});
Tensor conv3d(const Tensor& input, const Tensor& weight, const Conv3dFuncOptions& options = {});
Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const ConvTranspose1dFuncOptions& options = {});
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const ConvTranspose2dFuncOptions& options = {});
Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const ConvTranspose3dFuncOptions& options = {});

}  // namespace functional
}  // namespace fulmen::nn
