#pragma once
#include <fulmen/trainer/model_checkpoint.h>

#include <limits>

namespace fulmen::trainer {

struct EarlyStoppingOptions {
  /// The metric that is watched.
  std::string monitor = {};
  /// A smaller change is no improvement.
  double min_delta = 0;
  /// Checks without improvement after which training stops.
  int64_t patience = 3;
  Mode mode = Mode::Min;
  /// A metric that was not logged is an error (E011).
  bool strict = true;
  /// Stop when the metric is infinite or not a number.
  bool check_finite = true;
  /// Stop as soon as the metric is better than this ...
  std::optional<double> stopping_threshold = {};
  /// ... or worse than this.
  std::optional<double> divergence_threshold = {};
  /// Check at the end of training epochs (true) or of validations (false). Not set: of epochs, unless validation has
  /// another rhythm.
  std::optional<bool> check_on_train_epoch_end = {};
};

/// Ends a fit when a metric has stopped improving.
class EarlyStopping : public Callback {
 public:
  enum class Reason : uint8_t { NotStopped, Patience, NotFinite, Threshold, Divergence };

  explicit EarlyStopping(EarlyStoppingOptions options);

  Reason stopping_reason() const { return reason_; }
  /// The sentence that was printed; empty if it did not stop anything.
  const std::string& stopping_message() const { return message_; }
  double best_score() const { return best_; }
  int64_t wait_count() const { return wait_; }
  /// The epoch in which it stopped; 0 if it did not.
  int64_t stopped_epoch() const { return stopped_epoch_; }

  void setup(Trainer&, Module&, Stage) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_validation_end(Trainer&, Module&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;
  std::string state_key() const override;
  Order order() const override { return Order::Monitor; }

 private:
  void check(Trainer& trainer);
  Reason judge(double value);
  bool better(double a, double b) const { return options_.mode == Mode::Min ? a < b : a > b; }

  EarlyStoppingOptions options_;
  Reason reason_ = Reason::NotStopped;
  std::string message_;
  double best_;
  int64_t wait_ = 0, stopped_epoch_ = 0;
  bool on_train_epoch_end_ = true;
};

}  // namespace fulmen::trainer
