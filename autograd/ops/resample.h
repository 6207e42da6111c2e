#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// How new places get their values from old ones, along one dimension after the other.
enum class Resample : int8_t {
  nearest,        ///< the element at floor(place * scale)
  nearest_exact,  ///< the element whose middle is nearest to the place's middle
  linear,         ///< between the two nearest
  cubic,          ///< from the four nearest, Keys' kernel with a = -0.75
};

/// The dimensions behind the first two become `sizes` (one per dimension). `scales` are the factors that places are
/// computed with, sizes' ratios where they are 0. align_corners: the first and last elements keep their places.
/// PyTorch's definitions (F.interpolate); float16 and bfloat16 are computed in float32.
Tensor resample(const Tensor& x, IntArrayRef sizes, ArrayRef<double> scales, Resample how, bool align_corners = false);

/// [*, channels r^2, h, w] to [*, channels, h r, w r]: r^2 channels become r x r neighbours. And back.
Tensor pixel_shuffle(const Tensor& x, int64_t upscale_factor);
Tensor pixel_unshuffle(const Tensor& x, int64_t downscale_factor);

}  // namespace fulmen
