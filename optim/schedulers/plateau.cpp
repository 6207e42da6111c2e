#include <fulmen/optim/schedulers/plateau.h>

#include <algorithm>
#include <cmath>

namespace fulmen::optim {

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, SchedulerMode mode, double factor, int64_t patience,
                                     double threshold, ThresholdMode threshold_mode, int64_t cooldown,
                                     std::vector<double> min_lr, double eps)
    : LRScheduler(optimizer),
      mode_(mode),
      threshold_mode_(threshold_mode),
      factor_(factor),
      threshold_(threshold),
      eps_(eps),
      patience_(patience),
      cooldown_(cooldown) {
  if (!(factor < 1.0)) {
    throw Error("E016", str("ReduceLROnPlateau: factor is ", factor, "; allowed: less than 1"), "change factor");
  }
  min_lrs_ = PerGroup(min_lr.empty() ? std::vector<double>{0.0} : std::move(min_lr))
                 .spread(optimizer, "ReduceLROnPlateau: min_lr");
  begin();
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& o)
    : ReduceLROnPlateau(optimizer, o.mode, o.factor, o.patience, o.threshold, o.threshold_mode, o.cooldown, o.min_lr,
                        o.eps) {}

void ReduceLROnPlateau::begin() {
  step_count_ = cooldown_counter_ = num_bad_epochs_ = 0;
  best_ = mode_ == min ? HUGE_VAL : -HUGE_VAL;
}

void ReduceLROnPlateau::step() {
  throw Error("E016", "ReduceLROnPlateau: step() was given no metric",
              "call step(metric) with the value to be watched");
}

void ReduceLROnPlateau::step(double metric) {
  ++step_count_;
  if (is_better(metric)) {
    best_ = metric;
    num_bad_epochs_ = 0;
  } else {
    ++num_bad_epochs_;
  }
  if (cooldown_counter_ > 0) {
    --cooldown_counter_;
    num_bad_epochs_ = 0;
  }
  if (num_bad_epochs_ > patience_) {
    reduce();
    cooldown_counter_ = cooldown_;
    num_bad_epochs_ = 0;
  }
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const double sign = mode_ == min ? -1.0 : 1.0;
  const double bar = threshold_mode_ == rel ? best_ * (1.0 + sign * threshold_) : best_ + sign * threshold_;
  return mode_ == min ? metric < bar : metric > bar;
}

void ReduceLROnPlateau::reduce() {
  std::vector<double> lrs = get_current_lrs();
  FULMEN_CHECK(lrs.size() == min_lrs_.size(), "ReduceLROnPlateau: the optimizer now has ", lrs.size(),
               " parameter groups; it had ", min_lrs_.size(), " when this scheduler was made");
  for (size_t i = 0; i < lrs.size(); ++i) {
    const double reduced = std::max(lrs[i] * factor_, min_lrs_[i]);
    if (lrs[i] - reduced > eps_) lrs[i] = reduced;
  }
  set_lrs(lrs);
}

void ReduceLROnPlateau::state_fields(SchedulerFields& fields) {
  LRScheduler::state_fields(fields);
  fields("best", best_);
  fields("num_bad_epochs", num_bad_epochs_);
  fields("cooldown_counter", cooldown_counter_);
}

}  // namespace fulmen::optim
