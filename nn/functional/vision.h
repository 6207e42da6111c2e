#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <vector>

namespace fulmen::nn {

struct PixelShuffleOptions {
  PixelShuffleOptions(int64_t upscale_factor) : upscale_factor_(upscale_factor) {}
  FULMEN_ARG(int64_t, upscale_factor);
};
struct PixelUnshuffleOptions {
  PixelUnshuffleOptions(int64_t downscale_factor) : downscale_factor_(downscale_factor) {}
  FULMEN_ARG(int64_t, downscale_factor);
};

namespace functional {

using PixelShuffleFuncOptions = PixelShuffleOptions;
using PixelUnshuffleFuncOptions = PixelUnshuffleOptions;

/// Either `size` or `scale_factor` (one number per dimension, or one for all). With `recompute_scale_factor` places
/// are computed from the sizes and not from the factor.
struct InterpolateFuncOptions {
  using mode_t = OneOf<enumtype::kNearest, enumtype::kLinear, enumtype::kBilinear, enumtype::kBicubic,
                       enumtype::kTrilinear, enumtype::kArea, enumtype::kNearestExact>;
  FULMEN_ARG(std::optional<std::vector<int64_t>>, size) = std::nullopt;
  FULMEN_ARG(std::optional<std::vector<double>>, scale_factor) = std::nullopt;
  FULMEN_ARG(mode_t, mode) = kNearest;
  FULMEN_ARG(std::optional<bool>, align_corners) = std::nullopt;
  FULMEN_ARG(std::optional<bool>, recompute_scale_factor) = std::nullopt;
};

/// Another size for the dimensions behind the first two.
Tensor interpolate(const Tensor& input, const InterpolateFuncOptions& options = {});
Tensor pixel_shuffle(const Tensor& input, const PixelShuffleFuncOptions& options);
Tensor pixel_unshuffle(const Tensor& input, const PixelUnshuffleFuncOptions& options);

}  // namespace functional
}  // namespace fulmen::nn
