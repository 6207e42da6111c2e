#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// One dimension of a convolution: output o and element k of the weight meet input o * stride + k * dilation - padding.
/// How much padding follows the input is in the sizes of the output.
struct ConvAxis {
  int64_t stride, padding, dilation;
};
/// All convolutions have three dimensions here; missing ones have size 1 and are the first.
struct ConvGeometry {
  ConvAxis axes[3];
  int64_t groups;
};

// x [n, channels, d, h, w], y [n, outputs, d, h, w], w [outputs, channels / groups, d, h, w]: contiguous, of one
// floating-point dtype. Group g connects channels g C/G ... to outputs g O/G ... alone. float16 and bfloat16 are summed
// in float32. bias: one number per channel of the result; data == nullptr for none.

/// y = sum over channels and elements k of x(...) w(k), plus bias.
KERNEL(convolution, const View& y, const ConstView& x, const ConstView& w, const ConstView& bias,
       const ConvGeometry& geometry)
/// The transposed convolution, which is also the gradient for x: every product of convolution() goes from y back to
/// the x it came from.
KERNEL(convolution_transposed, const View& x, const ConstView& y, const ConstView& w, const ConstView& bias,
       const ConvGeometry& geometry)
/// The gradient for w: sum over images and places of x y.
KERNEL(convolution_weight, const View& w, const ConstView& x, const ConstView& y, const ConvGeometry& geometry)

}  // namespace fulmen
