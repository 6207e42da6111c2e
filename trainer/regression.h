#pragma once
#include <fulmen/data/preprocessor.h>
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/metrics.h>

#include <memory>
#include <span>

namespace fulmen::trainer {

/// How well predictions match the truth, both [n] or [n, 1], in the truth's units:
/// r2 = 1 - sum (t - p)^2 / sum (t - mean t)^2, rmse = root of the mean squared error, mae = mean absolute error.
struct RegressionScore {
  RegressionScore(const Tensor& prediction, const Tensor& truth);
  double r2 = 0, rmse = 0, mae = 0;
  /// {"<prefix>r2": ..., "<prefix>rmse": ..., "<prefix>mae": ...}
  Metrics metrics(const std::string& prefix) const;
};

/// Writes one line of JSON to standard output: the metrics, and "seconds" at the end.
void print_result(Metrics metrics, double seconds);
/// Writes to standard output what `line` says of the first and the last rows of an order, int64[n]: of
/// scores.argsort(), the lowest and the highest.
void print_extremes(const Tensor& order, const AnyFunction<std::string(int64_t row)>& line, int64_t few = 5);
/// Writes the rows of a tensor [n] or [n, columns] to standard output, one a line, numbers separated by blanks.
void print_rows(const Tensor& rows, int decimals = 6);

/// How far predictions are off: quantiles of the errors on data that the model was not trained on (split conformal
/// prediction, Vovk et al. 2005; Lei et al. 2018). Registered as a transform it travels in the checkpoint, so that
/// every prediction comes with an interval. Where predictions are transformed (logarithms of prices), fit it before the
/// inverse: the interval then is relative.
class PredictionInterval final : public data::Preprocessor {
 public:
  /// The share of truths that lie within the interval.
  explicit PredictionInterval(double coverage = 0.9);
  void fit(const Tensor& prediction, const Tensor& truth);
  /// Ends of the interval around predictions of any shape.
  Tensor low(const Tensor& prediction) const;
  Tensor high(const Tensor& prediction) const;
  double coverage() const { return learnt_->coverage; }

  std::string kind() const override { return "prediction_interval"; }
  data::PreprocessorState state() const override;
  void load_state(const data::PreprocessorState& state) override;
  bool fitted() const override { return learnt_->fitted; }

 private:
  struct Learnt {
    double coverage, low = 0, high = 0;
    bool fitted = false;
  };
  std::shared_ptr<Learnt> learnt_;
};

}  // namespace fulmen::trainer
