#pragma once
#include <fulmen/autograd/op.h>

#include <concepts>
#include <string_view>

// Convolutions of one, two and three dimensions, as PyTorch defines them (which are correlations: the weight is not
// turned around). input [n, channels, sizes...] or [channels, sizes...], weight [outputs, channels / groups,
// kernel...], bias [outputs] or undefined; one floating-point dtype. A list of settings has one number per dimension,
// or one for all. Sizes become (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1.
//
// conv_transpose takes conv's results back to its inputs: weight [channels, outputs / groups, kernel...], and sizes
// become (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
namespace fulmen {

/// Text as padding: "valid" is none, "same" as much as keeps sizes (stride 1 only; the odd one follows the input).
template <class P>
concept PaddingWord = std::convertible_to<const P&, std::string_view>;

#define FULMEN_CONV(D)                                                                                          \
  Tensor conv##D##d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, IntArrayRef stride = 1, \
                    IntArrayRef padding = 0, IntArrayRef dilation = 1, int64_t groups = 1);                     \
  namespace detail {                                                                                            \
  Tensor conv##D##d_padded(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,   \
                           std::string_view padding, IntArrayRef dilation, int64_t groups);                     \
  }                                                                                                             \
  template <PaddingWord P>                                                                                      \
  Tensor conv##D##d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,          \
                    const P& padding, IntArrayRef dilation = 1, int64_t groups = 1) {                           \
    return detail::conv##D##d_padded(input, weight, bias, stride, padding, dilation, groups);                   \
  }                                                                                                             \
  Tensor conv_transpose##D##d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},               \
                              IntArrayRef stride = 1, IntArrayRef padding = 0, IntArrayRef output_padding = 0,  \
                              int64_t groups = 1, IntArrayRef dilation = 1)
FULMEN_CONV(1);
FULMEN_CONV(2);
FULMEN_CONV(3);
#undef FULMEN_CONV

/// Any of them; the weight says how many dimensions there are.
Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                   IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
                   int64_t groups);

}  // namespace fulmen
