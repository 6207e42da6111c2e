#pragma once
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/metrics.h>
#include <fulmen/trainer/stopwatch.h>

#include <memory>
#include <string>
#include <vector>

namespace fulmen::trainer {

struct RunReportOptions {
  /// Where the page goes; empty: `report.html` in the logger's folder.
  std::string path = {};
  /// Empty: the module's type.
  std::string title = {};
  /// Names of the classes 0, 1, ...
  std::vector<std::string> class_names = {};
  /// Points of a curve at most; longer ones are thinned.
  int64_t max_points = 1000;
  /// Predictions of the last validation that are shown at most.
  int64_t max_predictions = 2000;
};

/// Writes what came of a fit as one page of HTML that needs nothing else: curves of losses, metrics and learning rate,
/// time and memory, parameters, the best checkpoint. What validation_step returns says what more there is:
///
///     return Dict{{"prediction", p}, {"target", t}};   // regression: predicted against true, residuals
///     return Dict{{"logits", z}, {"target", labels}};  // classification: confusion matrix, calibration
///
/// Text goes in by add_text(). The page is written at the end of a fit, also when an exception ends it.
class RunReport : public Callback {
 public:
  explicit RunReport(RunReportOptions options = {});
  ~RunReport() override;

  /// A sample of generated text, shown beside the step it was made at.
  void add_text(int64_t step, std::string_view text);
  /// Where the page was written; empty before.
  const std::string& path() const;

  void on_fit_start(Trainer&, Module&) override;
  void on_train_epoch_start(Trainer&, Module&) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_validation_start(Trainer&, Module&) override;
  void on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) override;
  void on_validation_end(Trainer&, Module&) override;
  void on_fit_end(Trainer&, Module&) override;
  void on_exception(Trainer&, Module&, const std::exception&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;
  Order order() const override { return Order::Monitor; }

 private:
  struct Body;
  void write(Trainer& trainer, Module& module, const std::string& outcome);
  std::unique_ptr<Body> body_;
};

}  // namespace fulmen::trainer
