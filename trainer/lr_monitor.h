#pragma once
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/optimizers.h>

namespace fulmen::trainer {

/// Logs the learning rates, as `lr-AdamW`, or `lr-SGD/pg1`, `lr-SGD/pg2` where there are several parameter groups: at
/// the start of every epoch, or before every optimizer step that gets a row in the log.
class LearningRateMonitor : public Callback {
 public:
  explicit LearningRateMonitor(Interval interval = Interval::Epoch) : interval_(interval) {}
  void on_train_epoch_start(Trainer&, Module&) override;
  void on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t) override;

 private:
  static void log_rates(Trainer& trainer);
  Interval interval_;
};

}  // namespace fulmen::trainer
