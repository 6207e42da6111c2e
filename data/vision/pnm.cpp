#include <fulmen/data/rows.h>
#include <fulmen/data/vision/codecs.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <cstring>

namespace fulmen::data::vision {

namespace {

constexpr const char* fix = "convert it to a binary PPM or PGM with 8 bits per value";

/// PGM and PPM: "P5 width height most" and the values, with comments from # to the end of a line.
class PnmReader {
 public:
  PnmReader(const std::string& bytes, const std::string& path) : path_(path), bytes_(bytes) {}

  Tensor read() {
    if (bytes_.size() < 2 || bytes_[0] != 'P' || !std::strchr("2356", bytes_[1])) {
      refuse(0, "this is no PGM or PPM picture (P2, P3, P5 or P6)");
    }
    const bool text = bytes_[1] < '4';
    const int64_t channels = bytes_[1] == '3' || bytes_[1] == '6' ? 3 : 1;
    at_ = 2;
    const int64_t width = number("a width", 1, 1 << 16), height = number("a height", 1, 1 << 16);
    const int64_t most = number("the largest value", 1, 65535);
    if (most > 255) refuse(at_, str("the largest value is ", most, "; up to 255 are read"));
    check_size(width, height, path_);
    if (!text) ++at_;  // one space
    const auto values = static_cast<size_t>(channels * width * height);
    // A value takes at least two bytes as text, one otherwise.
    if (bytes_.size() < at_ || (bytes_.size() - at_) / (text ? 2 : 1) + 1 < values) {
      refuse(bytes_.size(), str("the file ends before its ", values, " values"));
    }
    Tensor image = empty_rows({channels, height, width}, kByte);
    auto* to = static_cast<unsigned char*>(image.data_ptr());
    const int64_t plane = width * height;
    for (int64_t i = 0; i < plane; ++i) {
      for (int64_t c = 0; c < channels; ++c)
        to[c * plane + i] = scaled(text ? number("a value", 0, most) : byte(), most);
    }
    return image;
  }

 private:
  [[noreturn]] void refuse(size_t at, const std::string& what) const {
    throw Error("E017", str(path_, ", byte ", at, ": ", what), fix);
  }
  static unsigned char scaled(int64_t value, int64_t most) {
    return static_cast<unsigned char>(most == 255 ? value : (std::min(value, most) * 255 + most / 2) / most);
  }
  int64_t byte() {
    if (at_ >= bytes_.size()) refuse(at_, "the file ends within its values");
    return static_cast<unsigned char>(bytes_[at_++]);
  }
  int64_t number(const char* what, int64_t least, int64_t most) {
    while (at_ < bytes_.size() && (std::strchr(" \t\r\n\v\f", bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '\0') break;
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    const size_t start = at_;
    int64_t value = 0;
    while (at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9' && at_ - start < 9) {
      value = value * 10 + (bytes_[at_++] - '0');
    }
    if (at_ == start || value < least || value > most) {
      refuse(start, str("expected ", what, " from ", least, " to ", most));
    }
    return value;
  }

  const std::string &path_, &bytes_;
  size_t at_ = 0;
};

}  // namespace

Tensor decode_pnm(const std::string& bytes, const std::string& path) { return PnmReader(bytes, path).read(); }

}  // namespace fulmen::data::vision
