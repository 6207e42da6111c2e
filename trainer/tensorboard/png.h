#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace fulmen::trainer::tensorboard {

/// A PNG image, not compressed: rows of `channels` (1: grey, 3: RGB, 4: RGB and opacity) bytes per pixel.
std::string encode_png(const std::vector<uint8_t>& pixels, int64_t width, int64_t height, int64_t channels);

}  // namespace fulmen::trainer::tensorboard
