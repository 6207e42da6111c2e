#pragma once
#include <fulmen/optim/schedulers/lr_scheduler.h>

namespace fulmen::optim {

struct ReduceLROnPlateauOptions;

/// Multiplies the learning rates by `factor` when a metric has not improved for more than `patience` steps.
/// `threshold` is what counts as an improvement: relative to the best value so far, or absolute. After a reduction
/// nothing is counted for `cooldown` steps. Rates never fall below `min_lr`, and changes below `eps` are left out.
class ReduceLROnPlateau : public LRScheduler {
 public:
  enum SchedulerMode : uint8_t { min, max };
  enum ThresholdMode : uint8_t { rel, abs };

  explicit ReduceLROnPlateau(Optimizer& optimizer, SchedulerMode mode = min, double factor = 0.1, int64_t patience = 10,
                             double threshold = 1e-4, ThresholdMode threshold_mode = rel, int64_t cooldown = 0,
                             std::vector<double> min_lr = {}, double eps = 1e-8);
  ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options);

  /// Without a metric: an error (E016).
  void step() override;
  void step(double metric) override;
  bool needs_metric() const override { return true; }
  void begin() override;
  double best() const { return best_; }
  int64_t num_bad_epochs() const { return num_bad_epochs_; }

 protected:
  std::vector<double> get_lrs() override { return get_current_lrs(); }
  void state_fields(SchedulerFields& fields) override;

 private:
  bool is_better(double metric) const;
  void reduce();

  SchedulerMode mode_;
  ThresholdMode threshold_mode_;
  double factor_, threshold_, eps_, best_ = 0;
  int64_t patience_, cooldown_, cooldown_counter_ = 0, num_bad_epochs_ = 0;
  std::vector<double> min_lrs_;
};

/// The same arguments by name: `ReduceLROnPlateau(sgd, {.mode = ReduceLROnPlateau::max, .patience = 3})`.
struct ReduceLROnPlateauOptions {
  ReduceLROnPlateau::SchedulerMode mode = ReduceLROnPlateau::min;
  double factor = 0.1;
  int64_t patience = 10;
  double threshold = 1e-4;
  ReduceLROnPlateau::ThresholdMode threshold_mode = ReduceLROnPlateau::rel;
  int64_t cooldown = 0;
  std::vector<double> min_lr = {};  ///< empty: 0; one value for all groups, or one each
  double eps = 1e-8;
};

/// LibTorch's name.
using ReduceLROnPlateauScheduler = ReduceLROnPlateau;

}  // namespace fulmen::optim
