#include <fulmen/autograd/ops/convolution.h>
#include <fulmen/nn/functional/conv.h>

namespace fulmen::nn::functional {

#define FULMEN_CONV(D)                                                                                                 \
  Tensor conv##D##d(const Tensor& input, const Tensor& weight, const Conv##D##dFuncOptions& options) {                 \
    const ConvPadding<D>& padding = options.padding();                                                                 \
    if (padding.is_same() || padding.is_valid()) {                                                                     \
      return fulmen::conv##D##d(input, weight, options.bias(), options.stride(), padding.is_same() ? "same" : "valid", \
                                options.dilation(), options.groups());                                                 \
    }                                                                                                                  \
    return fulmen::conv##D##d(input, weight, options.bias(), options.stride(), IntArrayRef(padding.amount()),          \
                              options.dilation(), options.groups());                                                   \
  }                                                                                                                    \
  Tensor conv_transpose##D##d(const Tensor& input, const Tensor& weight,                                               \
                              const ConvTranspose##D##dFuncOptions& options) {                                         \
    return fulmen::conv_transpose##D##d(input, weight, options.bias(), options.stride(), options.padding(),            \
                                        options.output_padding(), options.groups(), options.dilation());               \
  }
FULMEN_CONV(1)
FULMEN_CONV(2)
FULMEN_CONV(3)
#undef FULMEN_CONV

}  // namespace fulmen::nn::functional
