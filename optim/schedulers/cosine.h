#pragma once
#include <fulmen/optim/schedulers/lr_scheduler.h>

namespace fulmen::optim {

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

/// From the base rate down to eta_min along half a cosine, then at once back up (Loshchilov and Hutter 2017, SGDR). The
/// first descent takes T_0 steps, each later one T_mult times as many as the one before.
class CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t T_0, int64_t T_mult = 1, double eta_min = 0);
  void begin() override;

 protected:
  std::vector<double> get_lrs() override;
  std::vector<double> first_lrs() override { return rates(); }
  void state_fields(SchedulerFields& fields) override;

 private:
  std::vector<double> rates() const;

  const int64_t t_0_, t_mult_;
  const double eta_min_;
  int64_t t_cur_ = 0, t_i_;
};

}  // namespace fulmen::optim
