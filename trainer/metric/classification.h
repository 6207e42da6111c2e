#pragma once
#include <fulmen/trainer/metric/metric.h>

#include <optional>

namespace fulmen::trainer::metric {

/// What is being classified. With num_classes: one of several classes; predictions are scores [n, classes, ...] or
/// labels [n, ...], targets labels [n, ...]. With num_labels: each of several labels is there or not; predictions are
/// scores or 0 and 1, [n, labels, ...], as are the targets. With neither: yes or no; predictions and targets [n, ...].
/// Scores that are no probabilities are taken for logits.
struct ClassificationOptions {
  int64_t num_classes = 0;
  int64_t num_labels = 0;
  Average average = Average::Micro;
  double threshold = 0.5;                    ///< a probability above it is a yes
  int64_t top_k = 1;                         ///< the target counts as predicted when it is among the k highest scores
  std::optional<int64_t> ignore_index = {};  ///< targets of this value are left out
};

/// Counts, per class or label, of true and false positives and negatives: what the metrics below are made of.
class StatScores : public SumsMetric {
 public:
  void update(const Tensor& prediction, const Tensor& target) override;
  Tensor compute() const override;

 protected:
  explicit StatScores(const ClassificationOptions& options);
  struct Counts {
    double tp = 0, fp = 0, tn = 0, fn = 0;
  };
  /// The figure for these counts.
  virtual double score(const Counts& counts) const = 0;
  bool is_multiclass() const { return options_.num_classes > 0; }

 private:
  void update_classes(const Tensor& prediction, const Tensor& target);
  void update_labels(const Tensor& prediction, const Tensor& target);
  Counts counts(size_t k) const;

  const ClassificationOptions options_;
  size_t width_;  ///< classes, labels, or 1
};

/// The share of predictions that are right. Averaged over classes it is the recall's mean.
class Accuracy : public StatScores {
 public:
  explicit Accuracy(const ClassificationOptions& options = {}) : StatScores(options) {}

 protected:
  double score(const Counts& counts) const override;
};

/// The share of samples whose class is among the k with the highest scores.
class TopKAccuracy : public Accuracy {
 public:
  TopKAccuracy(int64_t num_classes, int64_t top_k, Average average = Average::Micro)
      : Accuracy({.num_classes = num_classes, .average = average, .top_k = top_k}) {}
};

/// tp / (tp + fp): how many of what was found are right.
class Precision : public StatScores {
 public:
  explicit Precision(const ClassificationOptions& options = {}) : StatScores(options) {}

 protected:
  double score(const Counts& counts) const override;
};

/// tp / (tp + fn): how many of what there is were found.
class Recall : public StatScores {
 public:
  explicit Recall(const ClassificationOptions& options = {}) : StatScores(options) {}

 protected:
  double score(const Counts& counts) const override;
};

/// 2 tp / (2 tp + fp + fn): the harmonic mean of precision and recall.
class F1Score : public StatScores {
 public:
  explicit F1Score(const ClassificationOptions& options = {}) : StatScores(options) {}

 protected:
  double score(const Counts& counts) const override;
};

struct ConfusionMatrixOptions {
  int64_t num_classes = 0;
  int64_t num_labels = 0;
  double threshold = 0.5;
  enum class Normalize : uint8_t {
    None,  ///< counts
    True,  ///< shares of each target class
    Pred,  ///< shares of each predicted class
    All,   ///< shares of everything
  } normalize = Normalize::None;
  std::optional<int64_t> ignore_index = {};
};

/// How often class j was predicted where class i is true: [i, j], [classes, classes] (or [2, 2], or [labels, 2, 2]).
class ConfusionMatrix : public SumsMetric {
 public:
  explicit ConfusionMatrix(const ConfusionMatrixOptions& options);
  void update(const Tensor& prediction, const Tensor& target) override;
  Tensor compute() const override;

 private:
  const ConfusionMatrixOptions options_;
  int64_t matrices_, side_;
};

}  // namespace fulmen::trainer::metric
