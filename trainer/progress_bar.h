#pragma once
#include <fulmen/trainer/callback.h>

#include <memory>
#include <string>

namespace fulmen::trainer {

/// Shows how far a run is, on standard error: a bar with metrics, speed and remaining time where that is a terminal,
/// otherwise one plain line per epoch and every ten seconds. Nothing ever goes to standard output, where predictions
/// go. The bar is drawn by the clock, so a step costs a few nanoseconds.
class ProgressBar : public Callback {
 public:
  enum class Style : uint8_t { Auto, Bar, Lines };
  explicit ProgressBar(Style style = Style::Auto);
  ~ProgressBar() override;

  void on_sanity_check_start(Trainer&, Module&) override;
  void on_sanity_check_end(Trainer&, Module&) override;
  void on_train_epoch_start(Trainer&, Module&) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_train_end(Trainer&, Module&) override;
  void on_validation_start(Trainer&, Module&) override;
  void on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) override;
  void on_validation_end(Trainer&, Module&) override;
  void on_test_start(Trainer&, Module&) override;
  void on_test_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) override;
  void on_test_end(Trainer&, Module&) override;
  void on_predict_start(Trainer&, Module&) override;
  void on_predict_batch_end(Trainer&, Module&, const AnyRef&, const AnyRef&, int64_t, int64_t) override;
  void on_predict_end(Trainer&, Module&) override;
  void on_exception(Trainer&, Module&, const std::exception&) override;
  /// After callbacks that read metrics, so that what they log is shown.
  Order order() const override { return Order::Monitor; }

  /// Writes a line above the bar.
  void print(std::string_view line);

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace fulmen::trainer
