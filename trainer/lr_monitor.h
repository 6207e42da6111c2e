#pragma once
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/optimizers.h>

#include <string>
#include <vector>

namespace fulmen::trainer {

class Metrics;

struct LearningRateMonitorOptions {
  /// When rates are logged. Not set: as often as their schedulers move, and without a scheduler in both places.
  std::optional<Interval> logging_interval = {};
  bool log_momentum = false;
  bool log_weight_decay = false;
};

/// Logs learning rates at the start of epochs or steps: `lr-SGD`, with several optimizers of a kind also `lr-SGD-1`,
/// with parameter groups `lr-SGD/pg1`; a scheduler's name takes the place of `lr-SGD`.
class LearningRateMonitor : public Callback {
 public:
  explicit LearningRateMonitor(LearningRateMonitorOptions options = {}) : options_(std::move(options)) {}
  explicit LearningRateMonitor(Interval interval) { options_.logging_interval = interval; }
  void on_train_start(Trainer&, Module&) override;
  void on_train_epoch_start(Trainer&, Module&) override;
  void on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t) override;

 private:
  void log_rates(Trainer& trainer, Interval when) const;
  void add(Metrics& rates, const optim::Optimizer& optimizer, const std::string& name) const;
  LearningRateMonitorOptions options_;
};

}  // namespace fulmen::trainer
