#pragma once
#include <fulmen/trainer/metric/metric.h>

#include <optional>

namespace fulmen::trainer::metric {

struct AUROCOptions {
  int64_t num_classes = 0;  ///< one of several classes: each against all others
  int64_t num_labels = 0;   ///< several yes-or-no labels; with neither: one
  Average average = Average::Macro;
  std::optional<int64_t> ignore_index = {};
};

/// The area under the receiver operating characteristic: the probability that a positive sample has a higher score than
/// a negative one, equal scores counting half. Exact: it keeps every score. Without any positive or any negative sample
/// it is 0; with a score that is not a number, NaN.
class AUROC : public Metric {
 public:
  explicit AUROC(const AUROCOptions& options = {});
  void update(const Tensor& prediction, const Tensor& target) override;
  /// Throws if nothing was seen.
  Tensor compute() const override;
  void reset() override { rows_.clear(); }
  std::vector<double> state() const override { return rows_; }
  void merge(std::span<const double> earlier) override;

 private:
  struct Area {
    double area, positives;
  };
  Area area_of(size_t column, size_t columns) const;
  size_t row_length() const { return width_ + (options_.num_classes > 0 ? 1 : width_); }

  const AUROCOptions options_;
  size_t width_;              ///< scores per row
  std::vector<double> rows_;  ///< per sample: its scores, then its label (or labels)
};

struct CalibrationErrorOptions {
  int64_t num_classes = 0;  ///< 0: yes or no
  int64_t n_bins = 15;
  enum class Norm : uint8_t {
    L1,   ///< the expected error
    L2,   ///< the root of the expected square
    Max,  ///< the largest error
  } norm = Norm::L1;
  std::optional<int64_t> ignore_index = {};
};

/// How far confidence is from the share of right predictions, over bins of equal confidence (Guo et al. 2017). Of
/// several classes the highest probability is the confidence; of yes or no, that of yes, and the share of yes is the
/// truth.
class CalibrationError : public SumsMetric {
 public:
  explicit CalibrationError(const CalibrationErrorOptions& options = {});
  void update(const Tensor& prediction, const Tensor& target) override;
  Tensor compute() const override;

  /// A bin of the reliability diagram.
  struct Bin {
    double low, high, count, confidence, accuracy;
  };
  std::vector<Bin> bins() const;

 private:
  void count(std::vector<double>& batch, double confidence, bool right) const;
  void count_all(std::vector<double>& batch, const Tensor& prediction, const Tensor& target) const;
  const CalibrationErrorOptions options_;
};

/// exp of the mean negative log likelihood of the target tokens: scores [..., vocabulary], targets [...].
class Perplexity : public SumsMetric {
 public:
  explicit Perplexity(std::optional<int64_t> ignore_index = {}) : SumsMetric(2), ignore_index_(ignore_index) {}
  void update(const Tensor& prediction, const Tensor& target) override;
  Tensor compute() const override;

 private:
  const std::optional<int64_t> ignore_index_;
};

}  // namespace fulmen::trainer::metric
