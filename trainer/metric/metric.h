#pragma once
#include <fulmen/tensor/tensor.h>

#include <span>
#include <string>
#include <vector>

namespace fulmen::trainer::metric {

/// A figure that is more than the mean of its values per batch: update() with every batch, compute() for all that was
/// seen, whatever the sizes of the batches; reset() begins anew. A member of a module is logged by
///
///     accuracy.update(logits, batch.target);
///     log("val_accuracy", accuracy);
///
/// The trainer then reports compute() at the end of the epoch, resets it, and keeps its state in checkpoints. Names,
/// formulas and edge cases are those of torchmetrics; all sums are in float64.
class Metric {
 public:
  virtual ~Metric() = default;
  virtual void update(const Tensor& prediction, const Tensor& target) = 0;
  /// float64 on the CPU; one element, unless an option asks for more (one per class, a matrix).
  virtual Tensor compute() const = 0;
  virtual void reset() = 0;
  /// compute() as a number; several elements are an error (E012).
  double value() const;

  /// What was seen so far, as numbers.
  virtual std::vector<double> state() const = 0;
  /// Adds what another metric of the same kind saw, before what this one saw. An impossible state is an error (E013).
  virtual void merge(std::span<const double> earlier) = 0;
  /// "Accuracy"
  std::string name() const;
};

/// How figures per class (or per label) become one.
enum class Average : uint8_t {
  Micro,     ///< count over all classes together
  Macro,     ///< the mean over classes
  Weighted,  ///< the mean, weighted by how often each class is the target
  None,      ///< none: one figure per class
};

/// A metric whose state is a fixed number of sums. An update sums its batch up first and adds that, so that a run that
/// was resumed in between adds the same numbers in the same order.
class SumsMetric : public Metric {
 public:
  void reset() override { sums_.assign(sums_.size(), 0.0); }
  std::vector<double> state() const override { return sums_; }
  void merge(std::span<const double> earlier) override;

 protected:
  explicit SumsMetric(size_t count) : sums_(count, 0.0) {}
  std::vector<double> sums_;
};

/// The weighted mean of values: of losses per batch, say.
class MeanMetric : public SumsMetric {
 public:
  /// What happens to values that are not numbers.
  enum class Nan : uint8_t { Warn, Ignore, Error, Keep };
  explicit MeanMetric(Nan nan = Nan::Warn) : SumsMetric(2), nan_(nan) {}
  /// Weights: one, one per value, or undefined (1).
  void update(const Tensor& values, const Tensor& weights) override;
  void update(const Tensor& values) { update(values, Tensor()); }
  void update(double value, double weight = 1);
  Tensor compute() const override;

 private:
  void add(double& total, double& weights, double value, double weight) const;
  const Nan nan_;
};

}  // namespace fulmen::trainer::metric
