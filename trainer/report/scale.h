#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

// Private to the report's pictures.
namespace fulmen::trainer::report {

/// The finite range of some values.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  bool empty() const { return !(low <= high); }
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void add(const std::vector<double>& values) {
    for (double value : values) add(value);
  }
};

/// From values to pixels.
class Scale {
 public:
  Scale(Range range, double from, double to, bool logarithmic = false)
      : from_(from), to_(to), logarithmic_(logarithmic) {
    if (range.empty()) range = {0, 1};
    if (logarithmic_) {
      low_ = std::log10(range.low);
      high_ = std::log10(range.high);
    } else {
      low_ = range.low;
      high_ = range.high;
    }
    const double width = high_ - low_;
    const double margin = width > 0 ? 0.04 * width : std::max(0.5 * std::fabs(low_), 0.5);
    low_ -= margin;
    high_ += margin;
  }
  /// Without the margin that lets lines keep off the frame.
  static Scale exact(double low, double high, double from, double to) {
    Scale scale({low, high}, from, to);
    scale.low_ = low;
    scale.high_ = high;
    return scale;
  }
  double operator()(double value) const {
    const double v = logarithmic_ ? std::log10(value) : value;
    return from_ + (v - low_) / (high_ - low_) * (to_ - from_);
  }
  bool shows(double value) const { return std::isfinite(value) && (!logarithmic_ || value > 0); }
  /// Round numbers within the range, about `count` of them.
  std::vector<double> ticks(int count) const {
    std::vector<double> out;
    if (logarithmic_) {
      const double every = std::max(1.0, std::ceil((high_ - low_) / count));
      for (double p = std::ceil(low_); p <= high_; p += every) {
        if (shows(std::pow(10, p))) out.push_back(std::pow(10, p));  // not beyond what a double can hold
      }
      if (out.size() >= 2) return out;
      out.clear();
      for (double p = std::floor(low_); p <= high_; ++p) {
        for (double m : {1.0, 2.0, 5.0}) {
          const double value = m * std::pow(10, p);
          if (std::log10(value) >= low_ && std::log10(value) <= high_) out.push_back(value);
        }
      }
      return out;
    }
    const double rough = (high_ - low_) / count, magnitude = std::pow(10, std::floor(std::log10(rough)));
    const double share = rough / magnitude;
    const double step = magnitude * (share <= 1.5 ? 1 : share <= 3.5 ? 2 : share <= 7.5 ? 5 : 10);
    for (double i = std::ceil(low_ / step); i * step <= high_ + 1e-9 * step; ++i) out.push_back(i * step);
    return out;
  }

 private:
  double low_, high_, from_, to_;
  bool logarithmic_;
};

}  // namespace fulmen::trainer::report
