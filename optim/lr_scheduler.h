#pragma once
#include <fulmen/optim/optimizer.h>

namespace fulmen::optim {

/// Changes the learning rates of an optimizer's groups; call step() after each epoch (or step) of training. The
/// optimizer must outlive the scheduler. Values are those of Python's schedulers, computed in the same way.
class LRScheduler {
 public:
  explicit LRScheduler(Optimizer& optimizer);
  virtual ~LRScheduler() = default;
  void step();

  Optimizer& optimizer() const { return optimizer_; }
  /// How often step() was called.
  int64_t last_epoch() const { return step_count_; }
  /// The learning rates when the scheduler was made, one per group.
  const std::vector<double>& base_lrs() const { return base_lrs_; }
  /// Restores what last_epoch() and base_lrs() said (from a checkpoint); the optimizer keeps its learning rates.
  void set_state(int64_t last_epoch, std::vector<double> base_lrs);

 protected:
  /// The learning rates for epoch `step_count_`, one per group.
  virtual std::vector<double> get_lrs() = 0;
  std::vector<double> get_current_lrs() const;

  int64_t step_count_ = 0;

 private:
  Optimizer& optimizer_;
  std::vector<double> base_lrs_;
};

/// Multiplies by gamma every step_size steps.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const int64_t step_size_;
  const double gamma_;
};

/// From the base rate down to eta_min along half a cosine in T_max steps, and up again in the next T_max (Loshchilov
/// and Hutter 2017, without restarts). Each rate is computed from the one before, so other changes to it persist.
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, int64_t T_max, double eta_min = 0);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const int64_t t_max_;
  const double eta_min_;
};

}  // namespace fulmen::optim
