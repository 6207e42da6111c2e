#pragma once
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/stopwatch.h>

#include <string>

namespace fulmen::trainer {

/// Ends a fit after a time, "DD:HH:MM:SS": after the batch (or the epoch) in which it is over. The time that a resumed
/// run has used before counts.
class Timer : public Callback {
 public:
  enum class Check : uint8_t { AfterBatches, AfterEpochs };
  explicit Timer(const std::string& duration, Check check = Check::AfterBatches);

  /// Seconds of training so far, validation included, and seconds left.
  double time_elapsed() const;
  double time_remaining() const { return duration_ - time_elapsed(); }

  void on_fit_start(Trainer&, Module&) override;
  void on_train_start(Trainer&, Module&) override;
  void on_train_end(Trainer&, Module&) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;

 private:
  void check(Trainer& trainer);

  double duration_, before_ = 0;
  Check check_;
  bool running_ = false;
  Stopwatch since_start_;
};

}  // namespace fulmen::trainer
