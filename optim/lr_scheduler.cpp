#include <fulmen/optim/lr_scheduler.h>

#include <cmath>

namespace fulmen::optim {
namespace {
constexpr double pi = 3.14159265358979323846;
}

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) { base_lrs_ = get_current_lrs(); }

void LRScheduler::step() {
  ++step_count_;
  const std::vector<double> lrs = get_lrs();
  auto& groups = optimizer_.param_groups();
  FULMEN_CHECK(lrs.size() == groups.size(), "LRScheduler: get_lrs() gave ", lrs.size(), " learning rates for ",
               groups.size(), " parameter groups");
  for (size_t i = 0; i < lrs.size(); ++i) groups[i].options().set_lr(lrs[i]);
}

std::vector<double> LRScheduler::get_current_lrs() const {
  std::vector<double> lrs;
  for (const OptimizerParamGroup& group : optimizer_.param_groups()) lrs.push_back(group.options().get_lr());
  return lrs;
}

void LRScheduler::set_state(int64_t last_epoch, std::vector<double> base_lrs) {
  FULMEN_CHECK(base_lrs.size() == optimizer_.param_groups().size(), "LRScheduler: state of ", base_lrs.size(),
               " parameter groups for an optimizer with ", optimizer_.param_groups().size());
  step_count_ = last_epoch;
  base_lrs_ = std::move(base_lrs);
}

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  FULMEN_CHECK(step_size > 0, "StepLR: step_size must be positive; got ", step_size);
}

std::vector<double> StepLR::get_lrs() {
  std::vector<double> lrs = get_current_lrs();
  if (step_count_ % step_size_ != 0) return lrs;
  for (double& lr : lrs) lr *= gamma_;
  return lrs;
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

}  // namespace fulmen::optim
