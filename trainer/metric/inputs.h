#pragma once
#include <fulmen/trainer/metric/metric.h>

// How metrics read their inputs. Private to the sources of trainer/metric.
namespace fulmen::trainer::metric {

/// The elements of a tensor, one after the other, in CPU memory.
template <class T>
class Elements {
 public:
  explicit Elements(const Tensor& tensor);
  int64_t size() const { return size_; }
  T operator[](int64_t i) const { return data_[i]; }

 private:
  Tensor kept_;
  const T* data_;
  int64_t size_;
};
using Numbers = Elements<double>;
using Labels = Elements<int64_t>;

/// A float64 tensor of these values.
Tensor tensor_of(const std::vector<double>& values, IntArrayRef sizes);
inline Tensor tensor_of(double value) { return tensor_of({value}, {}); }

/// Scores of shape [samples, classes, positions] (positions: the product of all further dimensions).
struct Layout {
  int64_t samples = 0, classes = 0, positions = 1;
  int64_t at(int64_t sample, int64_t c, int64_t position) const {
    return (sample * classes + c) * positions + position;
  }
};
/// The layout of class scores for these targets; throws unless prediction is [n, classes, ...] and target [n, ...].
Layout class_layout(const char* who, const Tensor& prediction, const Tensor& target, int64_t classes);
/// The same for labels, where the target has the prediction's shape.
Layout label_layout(const char* who, const Tensor& prediction, const Tensor& target, int64_t labels);
void check_same_shape(const char* who, const Tensor& prediction, const Tensor& target);
/// Labels in 0 .. classes - 1, or `ignored`; throws E008.
void check_label(const char* who, int64_t label, int64_t classes, int64_t row);

/// Whether scores are logits: some of them are no probabilities.
bool are_logits(const Numbers& scores);
double sigmoid(double x);
/// Replaces logits by probabilities over the classes of every sample.
std::vector<double> class_probabilities(const Numbers& scores, const Layout& layout);

[[noreturn]] void refuse_option(const std::string& what, const char* fix);

}  // namespace fulmen::trainer::metric
