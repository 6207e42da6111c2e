#include <fulmen/data/rows.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/metric/inputs.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace fulmen::trainer::metric {

template <class T>
Elements<T>::Elements(const Tensor& tensor) {
  constexpr ScalarType dtype = std::is_same_v<T, double> ? kDouble : kLong;
  kept_ = tensor.detach().to(Device(kCPU)).to(dtype).contiguous();
  data_ = static_cast<const T*>(kept_.const_data_ptr());
  size_ = kept_.numel();
}
template class Elements<double>;
template class Elements<int64_t>;

Tensor tensor_of(const std::vector<double>& values, IntArrayRef sizes) {
  Tensor tensor = data::empty_rows(sizes, kDouble);
  std::copy(values.begin(), values.end(), static_cast<double*>(tensor.data_ptr()));
  return tensor;
}

void refuse_option(const std::string& what, const char* fix) { throw Error("E016", what, fix); }

void check_same_shape(const char* who, const Tensor& prediction, const Tensor& target) {
  if (prediction.sizes() == target.sizes()) return;
  throw Error("E007", str(who, ": expected prediction and target of the same shape; got ", prediction, " and ", target),
              "squeeze or unsqueeze one of them");
}

Layout label_layout(const char* who, const Tensor& prediction, const Tensor& target, int64_t labels) {
  check_same_shape(who, prediction, target);
  if (prediction.dim() < 2 || prediction.size(1) != labels) {
    throw Error("E007", str(who, ": expected [samples, ", labels, ", ...]; got ", prediction),
                "num_labels must be the size of dimension 1");
  }
  const int64_t samples = prediction.size(0);
  return {samples, labels, samples * labels > 0 ? prediction.numel() / (samples * labels) : 0};
}

Layout class_layout(const char* who, const Tensor& prediction, const Tensor& target, int64_t classes) {
  bool fits = prediction.dim() == target.dim() + 1 && prediction.dim() >= 2 && prediction.size(1) == classes &&
              prediction.size(0) == target.size(0);
  for (int64_t d = 1; fits && d < target.dim(); ++d) fits = prediction.size(d + 1) == target.size(d);
  if (!fits) {
    throw Error("E007",
                str(who, ": expected scores [samples, ", classes, ", ...] and a target [samples, ...]; got ",
                    prediction, " and ", target),
                "num_classes must be the size of dimension 1, and every other dimension that of the target");
  }
  const int64_t samples = prediction.size(0);
  return {samples, classes, samples > 0 ? target.numel() / samples : 0};
}

void check_label(const char* who, int64_t label, int64_t classes, int64_t row) {
  if (label >= 0 && label < classes) return;
  throw Error("E008", str(who, ": expected labels 0..", classes - 1, "; got ", label, " at row ", row),
              "labels must be 0..classes-1; ignore_index leaves one value out");
}

bool are_logits(const Numbers& scores) {
  for (int64_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] >= 0 && scores[i] <= 1)) return true;
  }
  return false;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<double> class_probabilities(const Numbers& scores, const Layout& layout) {
  std::vector<double> out(static_cast<size_t>(scores.size()));
  for (int64_t i = 0; i < scores.size(); ++i) out[static_cast<size_t>(i)] = scores[i];
  if (!are_logits(scores)) return out;
  const auto at = [&](int64_t n, int64_t c, int64_t p) -> double& {
    return out[static_cast<size_t>(layout.at(n, c, p))];
  };
  for (int64_t n = 0; n < layout.samples; ++n) {
    for (int64_t p = 0; p < layout.positions; ++p) {
      double top = at(n, 0, p), sum = 0;
      for (int64_t c = 1; c < layout.classes; ++c) top = std::max(top, at(n, c, p));
      for (int64_t c = 0; c < layout.classes; ++c) sum += at(n, c, p) = std::exp(at(n, c, p) - top);
      for (int64_t c = 0; c < layout.classes; ++c) at(n, c, p) /= sum;
    }
  }
  return out;
}

}  // namespace fulmen::trainer::metric
