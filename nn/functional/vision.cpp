#include <fulmen/autograd/ops/pooling.h>
#include <fulmen/autograd/ops/resample.h>
#include <fulmen/nn/functional/vision.h>

#include <cmath>

namespace fulmen::nn::functional {

namespace {

using Mode = InterpolateFuncOptions::mode_t;

/// Old sizes to new ones.
std::vector<int64_t> sizes_of(const Tensor& input, size_t dims, const InterpolateFuncOptions& o) {
  FULMEN_CHECK(o.size() || o.scale_factor(), "interpolate: either size or scale_factor should be defined");
  FULMEN_CHECK(!o.size() || !o.scale_factor(), "interpolate: only one of size or scale_factor should be defined");
  const size_t given = o.size() ? o.size()->size() : o.scale_factor()->size();
  FULMEN_CHECK(given == dims || given == 1, "interpolate: ", o.size() ? "size" : "scale_factor",
               " shape must match input shape. Input is ", dims, "D, ", o.size() ? "size" : "scale_factor", " is ",
               given);
  std::vector<int64_t> sizes;
  for (size_t d = 0; d < dims; ++d) {
    const size_t at = given == 1 ? 0 : d;
    sizes.push_back(o.size()
                        ? (*o.size())[at]
                        : static_cast<int64_t>(std::floor(static_cast<double>(input.size(static_cast<int64_t>(d) + 2)) *
                                                          (*o.scale_factor())[at])));
  }
  return sizes;
}

/// Dimensions that a mode is for; 0 for any.
int64_t dims_of(const Mode& mode) {
  if (mode.is<enumtype::kLinear>()) return 3;
  if (mode.is<enumtype::kBilinear>() || mode.is<enumtype::kBicubic>()) return 4;
  return mode.is<enumtype::kTrilinear>() ? 5 : 0;
}

Tensor area(const Tensor& input, const std::vector<int64_t>& sizes) {
  if (sizes.size() == 1) return fulmen::adaptive_avg_pool1d(input, sizes);
  return sizes.size() == 2 ? fulmen::adaptive_avg_pool2d(input, sizes) : fulmen::adaptive_avg_pool3d(input, sizes);
}

}  // namespace

Tensor interpolate(const Tensor& input, const InterpolateFuncOptions& o) {
  const Mode& mode = o.mode();
  const int64_t needs = dims_of(mode);
  FULMEN_CHECK(needs != 0 || !o.align_corners(), "interpolate: align_corners option can only be set with the ",
               "interpolating modes: linear | bilinear | bicubic | trilinear");
  FULMEN_CHECK(input.dim() >= 3 && input.dim() <= 5, "interpolate: Input Error: Only 3D, 4D and 5D input Tensors ",
               "supported (got ", input.dim(), "D) for the modes: nearest | linear | bilinear | bicubic | trilinear ",
               "(got k", mode.text(), ")");
  FULMEN_CHECK(needs == 0 || needs == input.dim(), "interpolate: Got ", input.dim(), "D input, but ",
               needs == 3                      ? "linear"
               : needs == 5                    ? "trilinear"
               : mode.is<enumtype::kBicubic>() ? "bicubic"
                                               : "bilinear",
               " mode needs ", needs, "D input");
  const auto dims = static_cast<size_t>(input.dim()) - 2;
  const std::vector<int64_t> sizes = sizes_of(input, dims, o);
  if (mode.is<enumtype::kArea>()) return area(input, sizes);
  std::vector<double> scales(dims, 0);
  if (o.scale_factor() && !o.recompute_scale_factor().value_or(false)) {
    for (size_t d = 0; d < dims; ++d) scales[d] = (*o.scale_factor())[o.scale_factor()->size() == 1 ? 0 : d];
  }
  const Resample how = mode.is<enumtype::kNearest>()        ? Resample::nearest
                       : mode.is<enumtype::kNearestExact>() ? Resample::nearest_exact
                       : mode.is<enumtype::kBicubic>()      ? Resample::cubic
                                                            : Resample::linear;
  return resample(input, sizes, scales, how, o.align_corners().value_or(false));
}

Tensor pixel_shuffle(const Tensor& input, const PixelShuffleFuncOptions& o) {
  return fulmen::pixel_shuffle(input, o.upscale_factor());
}
Tensor pixel_unshuffle(const Tensor& input, const PixelUnshuffleFuncOptions& o) {
  return fulmen::pixel_unshuffle(input, o.downscale_factor());
}

}  // namespace fulmen::nn::functional
