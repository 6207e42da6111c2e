#include <fulmen/nn/print.h>
#include <fulmen/nn/upsampling.h>

namespace fulmen::nn {

void UpsampleImpl::reset() {}
void UpsampleImpl::pretty_print(std::ostream& stream) const {
  Printed printed(stream, "Upsample");
  if (options.scale_factor()) {
    std::string factors;
    for (double f : *options.scale_factor()) factors += str(factors.empty() ? "[" : ", ", f);
    printed.arg("scale_factor", factors + "]");
  } else if (options.size()) {
    printed.arg("size", IntArrayRef(*options.size()));
  }
  printed.arg("mode", str("k", options.mode().text()));
}
Tensor UpsampleImpl::forward(const Tensor& input) {
  using Mode = functional::InterpolateFuncOptions::mode_t;
  const auto& m = options.mode();
  const Mode mode = m.is<enumtype::kNearest>()    ? Mode(kNearest)
                    : m.is<enumtype::kLinear>()   ? Mode(kLinear)
                    : m.is<enumtype::kBilinear>() ? Mode(kBilinear)
                    : m.is<enumtype::kBicubic>()  ? Mode(kBicubic)
                                                  : Mode(kTrilinear);
  return functional::interpolate(input, functional::InterpolateFuncOptions()
                                            .size(options.size())
                                            .scale_factor(options.scale_factor())
                                            .mode(mode)
                                            .align_corners(options.align_corners()));
}

void PixelShuffleImpl::reset() {}
void PixelShuffleImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "PixelShuffle").arg("upscale_factor", options.upscale_factor());
}
Tensor PixelShuffleImpl::forward(const Tensor& input) { return functional::pixel_shuffle(input, options); }

void PixelUnshuffleImpl::reset() {}
void PixelUnshuffleImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "PixelUnshuffle").arg("downscale_factor", options.downscale_factor());
}
Tensor PixelUnshuffleImpl::forward(const Tensor& input) { return functional::pixel_unshuffle(input, options); }

}  // namespace fulmen::nn
