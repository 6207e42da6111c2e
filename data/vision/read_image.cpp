#include <fulmen/data/file_bytes.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/vision/codecs.h>
#include <fulmen/data/vision/images.h>
#include <fulmen/tensor/error.h>

namespace fulmen::data::vision {

void check_size(int64_t width, int64_t height, const std::string& path) {
  if (width < 1 || height < 1 || width > max_pixels || height > max_pixels / width) {
    throw Error("E017",
                str(path, ": the picture has ", width, " x ", height, " pixels; up to ", max_pixels, " are read"),
                "make it smaller");
  }
}

Tensor planes_of(const std::string& pixels, int64_t height, int64_t width, int64_t channels) {
  Tensor image = empty_rows({channels, height, width}, kByte);
  auto* to = image.data_ptr<uint8_t>();
  const auto* from = reinterpret_cast<const unsigned char*>(pixels.data());
  const int64_t plane = height * width;
  for (int64_t i = 0; i < plane; ++i) {
    for (int64_t c = 0; c < channels; ++c) to[c * plane + i] = *from++;
  }
  return image;
}

Tensor read_image(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.starts_with("\x89PNG")) return decode_png(bytes, path);
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes, path);
  if (bytes.size() > 1 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7') return decode_pnm(bytes, path);
  throw Error("E017", str(path, ": this is no PNG, JPEG, PGM or PPM picture"), "convert it to PNG");
}

}  // namespace fulmen::data::vision
