#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/vision.h>

namespace fulmen::nn {

/// Either `size` or `scale_factor`.
struct UpsampleOptions {
  using mode_t =
      OneOf<enumtype::kNearest, enumtype::kLinear, enumtype::kBilinear, enumtype::kBicubic, enumtype::kTrilinear>;
  FULMEN_ARG(std::optional<std::vector<int64_t>>, size) = std::nullopt;
  FULMEN_ARG(std::optional<std::vector<double>>, scale_factor) = std::nullopt;
  FULMEN_ARG(mode_t, mode) = kNearest;
  FULMEN_ARG(std::optional<bool>, align_corners) = std::nullopt;
};

/// functional::interpolate as a module.
class UpsampleImpl : public Cloneable<UpsampleImpl> {
 public:
  explicit UpsampleImpl(const UpsampleOptions& options_ = {}) : options(options_) {}
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  UpsampleOptions options;
};
FULMEN_MODULE(Upsample);

/// [*, channels r^2, h, w] to [*, channels, h r, w r] (Shi et al. 2016).
class PixelShuffleImpl : public Cloneable<PixelShuffleImpl> {
 public:
  explicit PixelShuffleImpl(const PixelShuffleOptions& options_) : options(options_) {}
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  PixelShuffleOptions options;
};
FULMEN_MODULE(PixelShuffle);

/// The inverse of PixelShuffle.
class PixelUnshuffleImpl : public Cloneable<PixelUnshuffleImpl> {
 public:
  explicit PixelUnshuffleImpl(const PixelUnshuffleOptions& options_) : options(options_) {}
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  PixelUnshuffleOptions options;
};
FULMEN_MODULE(PixelUnshuffle);

}  // namespace fulmen::nn
