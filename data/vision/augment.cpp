#include <fulmen/data/rows.h>
#include <fulmen/data/vision/augment.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <cmath>

namespace fulmen::data::vision {

namespace {

/// Uniform numbers from a seed (Steele, Lea and Flood 2014, "splitmix64").
class Draws {
 public:
  Draws(uint64_t seed, uint64_t call, uint64_t image) : state_(mixed(mixed(mixed(seed) + call) + image)) {}
  /// In [0, 1).
  double next() { return static_cast<double>(mixed(state_ += step) >> 11) * 0x1p-53; }
  /// In [low, high).
  double between(double low, double high) { return low + (high - low) * next(); }
  /// One of -most, ..., most.
  int64_t offset(int64_t most) {
    return static_cast<int64_t>(std::floor(next() * static_cast<double>(2 * most + 1))) - most;
  }

 private:
  static constexpr uint64_t step = 0x9e3779b97f4a7c15;
  static uint64_t mixed(uint64_t z) {
    z += step;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

/// Where pixel (x, y) of a result comes from: a turn and a scale about the middle, a flip, a shift.
struct Place {
  double a, b, c, d, x0, y0;
  bool whole;  ///< it maps pixels to pixels
};
Place drawn(const Augmentation& how, Draws& draws, int64_t height, int64_t width) {
  const auto dx = static_cast<double>(draws.offset(how.crop_padding));
  const auto dy = static_cast<double>(draws.offset(how.crop_padding));
  const double mirror = how.horizontal_flip && draws.next() < 0.5 ? -1 : 1;
  const double angle = draws.between(-how.rotation, how.rotation) * 3.14159265358979323846 / 180;
  const double factor = 1 / draws.between(1 - how.scale, 1 + how.scale);
  const double cosine = std::cos(angle) * factor, sine = std::sin(angle) * factor;
  const double mx = static_cast<double>(width - 1) / 2, my = static_cast<double>(height - 1) / 2;
  Place p{mirror * cosine, mirror * -sine, sine, cosine, 0, 0, how.rotation == 0 && how.scale == 0};
  p.x0 = mx + dx - p.a * mx - p.b * my;
  p.y0 = my + dy - p.c * mx - p.d * my;
  return p;
}

template <class T>
void fill_image(const T* from, T* to, int64_t channels, int64_t height, int64_t width, const Place& p, double fill) {
  const auto pixel = [&](const T* plane, int64_t x, int64_t y) {
    const bool inside = x >= 0 && x < width && y >= 0 && y < height;
    return inside ? static_cast<double>(plane[y * width + x]) : fill;
  };
  for (int64_t c = 0; c < channels; ++c) {
    const T* plane = from + c * height * width;
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x, ++to) {
        const double sx = p.a * static_cast<double>(x) + p.b * static_cast<double>(y) + p.x0;
        const double sy = p.c * static_cast<double>(x) + p.d * static_cast<double>(y) + p.y0;
        if (p.whole) {
          *to = static_cast<T>(pixel(plane, std::lround(sx), std::lround(sy)));
          continue;
        }
        const double fx = std::floor(sx), fy = std::floor(sy), u = sx - fx, v = sy - fy;
        const auto ix = static_cast<int64_t>(fx), iy = static_cast<int64_t>(fy);
        const double value = (1 - v) * ((1 - u) * pixel(plane, ix, iy) + u * pixel(plane, ix + 1, iy)) +
                             v * ((1 - u) * pixel(plane, ix, iy + 1) + u * pixel(plane, ix + 1, iy + 1));
        *to = static_cast<T>(std::is_same_v<T, float> ? value : std::round(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
}

void check_images(const char* what, const Tensor& images) {
  FULMEN_CHECK(images.defined() && images.dim() == 4 && images.device() == kCPU, what,
               ": expected images [n, channels, height, width] on the cpu, got ", images);
  FULMEN_CHECK(images.scalar_type() == kByte || images.scalar_type() == kFloat, what,
               ": expected uint8 or float32, got ", images);
}

}  // namespace

Tensor to_float(const Tensor& images, const std::vector<double>& mean, const std::vector<double>& std) {
  check_images("to_float", images);
  const int64_t channels = images.size(1), plane = images.size(2) * images.size(3);
  for (const auto* list : {&mean, &std}) {
    FULMEN_CHECK(list->empty() || list->size() == 1 || static_cast<int64_t>(list->size()) == channels,
                 "to_float: expected one number for all channels or one for each of ", channels, ", got ",
                 list->size());
  }
  const Tensor from = images.contiguous();
  Tensor to = empty_rows(images.sizes(), kFloat);
  const bool bytes = from.scalar_type() == kByte;
  for (int64_t i = 0; i < images.size(0) * channels; ++i) {
    const auto c = static_cast<size_t>(i % channels);
    const double shift = mean.empty() ? 0 : mean[mean.size() == 1 ? 0 : c],
                 scale = std.empty() ? 1 : std[std.size() == 1 ? 0 : c];
    FULMEN_CHECK(scale != 0, "to_float: the standard deviation of channel ", c, " is 0");
    const auto factor = static_cast<float>((bytes ? 1 / 255.0 : 1) / scale), less = static_cast<float>(shift / scale);
    float* y = to.data_ptr<float>() + i * plane;
    if (bytes) {
      const uint8_t* x = from.data_ptr<uint8_t>() + i * plane;
      for (int64_t k = 0; k < plane; ++k) y[k] = static_cast<float>(x[k]) * factor - less;
    } else {
      const float* x = from.data_ptr<float>() + i * plane;
      for (int64_t k = 0; k < plane; ++k) y[k] = x[k] * factor - less;
    }
  }
  return to;
}

Tensor augmented(const Tensor& images, const Augmentation& how, uint64_t call) {
  check_images("augmented", images);
  FULMEN_CHECK(how.crop_padding >= 0 && how.rotation >= 0 && how.scale >= 0 && how.scale < 1,
               "augmented: crop_padding and rotation must not be negative, and scale lies in [0, 1)");
  const Tensor from = images.contiguous();
  Tensor to = empty_rows(images.sizes(), images.scalar_type());
  const int64_t channels = images.size(1), height = images.size(2), width = images.size(3),
                image = channels * height * width;
  for (int64_t i = 0; i < images.size(0); ++i) {
    Draws draws(how.seed, call, static_cast<uint64_t>(i));
    const Place place = drawn(how, draws, height, width);
    if (images.scalar_type() == kByte) {
      fill_image(from.data_ptr<uint8_t>() + i * image, to.data_ptr<uint8_t>() + i * image, channels, height, width,
                 place, std::clamp(how.fill, 0.0, 255.0));
    } else {
      fill_image(from.data_ptr<float>() + i * image, to.data_ptr<float>() + i * image, channels, height, width, place,
                 how.fill);
    }
  }
  return to;
}

}  // namespace fulmen::data::vision
