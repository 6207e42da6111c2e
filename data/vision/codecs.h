#pragma once
#include <fulmen/tensor/tensor.h>

#include <string>

// Pictures in memory, of one format each: bytes in, uint8 [channels, height, width] out, or E017 with the file's
// `path`.
namespace fulmen::data::vision {

/// Pixels of a picture at most: a small file can claim any size.
constexpr int64_t max_pixels = int64_t{1} << 26;

Tensor decode_pnm(const std::string& bytes, const std::string& path);
Tensor decode_png(const std::string& bytes, const std::string& path);
Tensor decode_jpeg(const std::string& bytes, const std::string& path);

/// Throws E017 for a size that no picture has, or more than max_pixels.
void check_size(int64_t width, int64_t height, const std::string& path);
/// A new picture from rows of pixels, [height, width, channels].
Tensor planes_of(const std::string& pixels, int64_t height, int64_t width, int64_t channels);

}  // namespace fulmen::data::vision
