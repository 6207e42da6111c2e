#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/metric/inputs.h>

#include <cmath>

namespace fulmen::trainer::metric {

std::string Metric::name() const { return nn::short_type_name(typeid(*this)); }

double Metric::value() const {
  const Tensor result = compute();
  if (result.numel() != 1) {
    throw Error("E012", str(name(), ": expected one number; got ", result),
                "log the elements of compute() one by one, or average over the classes");
  }
  return result.item<double>();
}

void SumsMetric::merge(std::span<const double> earlier) {
  if (earlier.size() != sums_.size()) {
    throw Error("E013", str(name(), ": a state of ", earlier.size(), " numbers; expected ", sums_.size()),
                "make the metric with the options that it was saved with");
  }
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i] = earlier[i] + sums_[i];
}

void MeanMetric::update(const Tensor& values, const Tensor& weights) {
  const Numbers x(values), w(weights.defined() ? weights : tensor_of(1.0));
  FULMEN_CHECK(w.size() == 1 || w.size() == x.size(), "MeanMetric: ", w.size(), " weights for ", x.size(), " values");
  double total = 0, sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) add(total, sum, x[i], w[w.size() == 1 ? 0 : i]);
  sums_[0] += total;
  sums_[1] += sum;
}

void MeanMetric::update(double value, double weight) { add(sums_[0], sums_[1], value, weight); }

void MeanMetric::add(double& total, double& weights, double value, double weight) const {
  if (nan_ != Nan::Keep && (std::isnan(value) || std::isnan(weight))) {
    if (nan_ == Nan::Error)
      throw Error("E006", "MeanMetric: a value is nan", "see MeanMetric::Nan for what else to do");
    if (nan_ == Nan::Warn) warn("MeanMetric: a value is nan and was left out");
    return;
  }
  total += value * weight;
  weights += weight;
}

Tensor MeanMetric::compute() const { return tensor_of(sums_[0] / sums_[1]); }

}  // namespace fulmen::trainer::metric
