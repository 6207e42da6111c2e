#pragma once
#include <fulmen/trainer/metric/metric.h>

namespace fulmen::trainer::metric {

/// mean |prediction - target|; both of one shape.
class MeanAbsoluteError : public SumsMetric {
 public:
  MeanAbsoluteError() : SumsMetric(2) {}
  void update(const Tensor& prediction, const Tensor& target) override;
  Tensor compute() const override;
};

/// mean (prediction - target)^2, or its root.
class MeanSquaredError : public SumsMetric {
 public:
  explicit MeanSquaredError(bool squared = true) : SumsMetric(2), squared_(squared) {}
  void update(const Tensor& prediction, const Tensor& target) override;
  Tensor compute() const override;

 private:
  const bool squared_;
};

/// How figures of several outputs become one.
enum class MultiOutput : uint8_t { UniformAverage, VarianceWeighted, RawValues };

/// 1 - sum (t - p)^2 / sum (t - mean t)^2: the share of the targets' variance that is explained. Both are [n] or
/// [n, outputs]. Where all targets are equal it is 1 for a perfect prediction, otherwise 0.
class R2Score : public Metric {
 public:
  explicit R2Score(int64_t num_outputs = 1, MultiOutput multioutput = MultiOutput::UniformAverage);
  void update(const Tensor& prediction, const Tensor& target) override;
  /// Throws unless two samples were seen.
  Tensor compute() const override;
  void reset() override;
  std::vector<double> state() const override;
  void merge(std::span<const double> earlier) override;

 private:
  /// Of one output: mean of the targets, sum of their squared distances to it, sum of squared errors.
  struct Moments {
    double mean = 0, spread = 0, errors = 0;
  };
  static std::vector<Moments> joined(double count_a, const std::vector<Moments>& a, double count_b,
                                     const std::vector<Moments>& b);
  const MultiOutput multioutput_;
  double count_ = 0;
  std::vector<Moments> moments_;
};

}  // namespace fulmen::trainer::metric
