#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/resample.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>

#include <algorithm>
#include <cmath>

namespace fulmen {

namespace {

/// For each new place of a dimension: old places and their weights, in columns.
struct Sources {
  std::vector<std::vector<int64_t>> places;
  std::vector<std::vector<double>> weights;  ///< empty for nearest
};

/// T is the type that PyTorch computes places in.
template <class T>
class Places {
 public:
  Places(int64_t in, int64_t out, double scale, bool align_corners)
      : in_(in), out_(out), align_corners_(align_corners) {
    scale_ = align_corners ? (out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0))
             : scale > 0   ? static_cast<T>(1 / scale)
                           : static_cast<T>(in) / static_cast<T>(out);
  }
  Sources nearest(T offset) const {
    Sources s{{{}}, {}};
    for (int64_t i = 0; i < out_; ++i) {
      const auto place = static_cast<int64_t>(std::floor((static_cast<T>(i) + offset) * scale_));
      s.places[0].push_back(std::min(place, in_ - 1));
    }
    return s;
  }
  Sources linear() const {
    Sources s{{{}, {}}, {{}, {}}};
    for (int64_t i = 0; i < out_; ++i) {
      const T at = std::max(place(i), T(0));
      const int64_t before = std::min(static_cast<int64_t>(at), in_ - 1);
      const T rest = std::clamp(at - static_cast<T>(before), T(0), T(1));
      add(s, 0, before, 1 - rest);
      add(s, 1, std::min(before + 1, in_ - 1), rest);
    }
    return s;
  }
  Sources cubic() const {
    Sources s{{{}, {}, {}, {}}, {{}, {}, {}, {}}};
    for (int64_t i = 0; i < out_; ++i) {
      const T at = place(i), before = std::floor(at), t = at - before;
      const T weights[4] = {outer(t + 1), inner(t), inner(1 - t), outer(2 - t)};
      for (int64_t k = 0; k < 4; ++k) {
        const int64_t from = std::clamp(static_cast<int64_t>(before) - 1 + k, int64_t{0}, in_ - 1);
        add(s, static_cast<size_t>(k), from, weights[k]);
      }
    }
    return s;
  }

 private:
  T place(int64_t i) const {
    const T at = static_cast<T>(i);
    return align_corners_ ? scale_ * at : scale_ * (at + T(0.5)) - T(0.5);
  }
  static void add(Sources& s, size_t column, int64_t place, T weight) {
    s.places[column].push_back(place);
    s.weights[column].push_back(static_cast<double>(weight));
  }
  static T inner(T x) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
  static T outer(T x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }
  static constexpr T a = T(-0.75);

  int64_t in_, out_;
  bool align_corners_;
  T scale_;
};

template <class T>
Sources sources_of(int64_t in, int64_t out, double scale, Resample how, bool align_corners) {
  const Places<T> places(in, out, scale, align_corners);
  switch (how) {
    case Resample::linear:
      return places.linear();
    case Resample::cubic:
      return places.cubic();
    default:
      return Places<float>(in, out, scale, false).nearest(how == Resample::nearest ? 0.0f : 0.5f);
  }
}

Tensor resampled(const Tensor& x, int64_t d, const Sources& s) {
  Tensor y;
  for (size_t k = 0; k < s.places.size(); ++k) {
    Tensor part = index_select(x, d, tensor(s.places[k], TensorOptions(kLong)).to(x.device()));
    if (!s.weights.empty()) {
      Shape sizes(static_cast<size_t>(x.dim()), 1);
      sizes[static_cast<size_t>(d)] = static_cast<int64_t>(s.weights[k].size());
      part = part * tensor(s.weights[k], TensorOptions(kDouble)).to(x.scalar_type()).to(x.device()).view(sizes);
    }
    y = y.defined() ? y + part : part;
  }
  return y;
}

/// Elements of the dimensions before the last three.
int64_t images_of(const Tensor& x) {
  int64_t n = 1;
  for (int64_t d = 0; d < x.dim() - 3; ++d) n *= x.size(d);
  return n;
}

}  // namespace

Tensor resample(const Tensor& x, IntArrayRef sizes, ArrayRef<double> scales, Resample how, bool align_corners) {
  FULMEN_CHECK(x.dim() == static_cast<int64_t>(sizes.size()) + 2 && scales.size() == sizes.size(),
               "interpolate: expected ", sizes.size() + 2, " dimensions for sizes ", sizes, ", got ", x);
  const bool exact = how == Resample::nearest || how == Resample::nearest_exact;
  const bool narrow = !exact && (x.scalar_type() == kHalf || x.scalar_type() == kBFloat16);
  Tensor y = narrow ? x.to(kFloat) : x;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto d = static_cast<int64_t>(i) + 2;
    const int64_t in = x.size(d), out = sizes[i];
    FULMEN_CHECK(in > 0 && out > 0, "interpolate: Input and output sizes should be greater than 0, but got input ",
                 x.sizes(), " output ", sizes);
    // Nothing moves: the same size, and the ratio of sizes as the scale.
    if (in == out && (scales[i] == 0 || scales[i] == 1 || align_corners)) continue;
    y = resampled(y, d,
                  x.scalar_type() == kDouble ? sources_of<double>(in, out, scales[i], how, align_corners)
                                             : sources_of<float>(in, out, scales[i], how, align_corners));
  }
  if (narrow) y = y.to(x.scalar_type());
  return y.is_same(x) ? x.clone() : y;
}

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  FULMEN_CHECK(x.dim() >= 3, "pixel_shuffle: expects input to have at least 3 dimensions, but got input with ", x.dim(),
               " dimension(s)");
  FULMEN_CHECK(r > 0, "pixel_shuffle: expects a positive upscale_factor, but got ", r);
  const int64_t channels = x.size(-3), h = x.size(-2), w = x.size(-1), out = channels / (r * r);
  FULMEN_CHECK(channels % (r * r) == 0,
               "pixel_shuffle: expects its input's 'channel' dimension to be divisible by the "
               "square of upscale_factor, but input.size(-3)=",
               channels, " is not divisible by ", r * r);
  Shape sizes = x.sizes();
  const size_t lead = sizes.size() - 3;
  sizes[lead] = out, sizes[lead + 1] = h * r, sizes[lead + 2] = w * r;
  return x.reshape({images_of(x), out, r, r, h, w}).permute({0, 1, 4, 2, 5, 3}).reshape(sizes);
}

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  FULMEN_CHECK(x.dim() >= 3, "pixel_unshuffle: expects input to have at least 3 dimensions, but got input with ",
               x.dim(), " dimension(s)");
  FULMEN_CHECK(r > 0, "pixel_unshuffle: expects a positive downscale_factor, but got ", r);
  const int64_t channels = x.size(-3), h = x.size(-2), w = x.size(-1);
  FULMEN_CHECK(h % r == 0 && w % r == 0,
               "pixel_unshuffle: expects height and width to be divisible by "
               "downscale_factor, but got ",
               h, " x ", w, " and ", r);
  Shape sizes = x.sizes();
  const size_t lead = sizes.size() - 3;
  sizes[lead] = channels * r * r, sizes[lead + 1] = h / r, sizes[lead + 2] = w / r;
  return x.reshape({images_of(x), channels, h / r, r, w / r, r}).permute({0, 1, 3, 5, 2, 4}).reshape(sizes);
}

}  // namespace fulmen
