#include <fulmen/optim/schedulers/cosine.h>

#include <cmath>

namespace fulmen::optim {
namespace {
constexpr double pi = 3.14159265358979323846;
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, int64_t T_max, double eta_min)
    : LRScheduler(optimizer), t_max_(T_max), eta_min_(eta_min) {
  FULMEN_CHECK(T_max > 0, "CosineAnnealingLR: T_max must be positive; got ", T_max);
}

std::vector<double> CosineAnnealingLR::get_lrs() {
  std::vector<double> lrs = get_current_lrs();
  const double period = static_cast<double>(t_max_), now = static_cast<double>(step_count_);
  for (size_t i = 0; i < lrs.size(); ++i) {
    if ((step_count_ - 1 - t_max_) % (2 * t_max_) == 0) {
      // At the bottom the ratio below would be 0 / 0.
      lrs[i] += (base_lrs()[i] - eta_min_) * (1 - std::cos(pi / period)) / 2;
    } else {
      lrs[i] =
          (1 + std::cos(pi * now / period)) / (1 + std::cos(pi * (now - 1) / period)) * (lrs[i] - eta_min_) + eta_min_;
    }
  }
  return lrs;
}

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t T_0, int64_t T_mult,
                                                         double eta_min)
    : LRScheduler(optimizer), t_0_(T_0), t_mult_(T_mult), eta_min_(eta_min), t_i_(T_0) {
  if (T_0 <= 0) {
    throw Error("E016", str("CosineAnnealingWarmRestarts: T_0 is ", T_0, "; allowed: 1 or more"), "change T_0");
  }
  if (T_mult < 1) {
    throw Error("E016", str("CosineAnnealingWarmRestarts: T_mult is ", T_mult, "; allowed: 1 or more"),
                "change T_mult");
  }
  begin();
}

void CosineAnnealingWarmRestarts::begin() {
  t_cur_ = 0;
  t_i_ = t_0_;
  LRScheduler::begin();
}

std::vector<double> CosineAnnealingWarmRestarts::get_lrs() {
  if (++t_cur_ >= t_i_) {
    t_cur_ -= t_i_;
    t_i_ *= t_mult_;
  }
  return rates();
}

std::vector<double> CosineAnnealingWarmRestarts::rates() const {
  const double share = (1 + std::cos(pi * static_cast<double>(t_cur_) / static_cast<double>(t_i_))) / 2;
  std::vector<double> lrs = base_lrs();
  for (double& lr : lrs) lr = eta_min_ + (lr - eta_min_) * share;
  return lrs;
}

void CosineAnnealingWarmRestarts::state_fields(SchedulerFields& fields) {
  LRScheduler::state_fields(fields);
  fields("T_cur", t_cur_);
  fields("T_i", t_i_);
}

}  // namespace fulmen::optim
