#include <fulmen/optim/schedulers/decay.h>

#include <algorithm>
#include <cmath>

namespace fulmen::optim {
namespace {

void check_range(bool good, const char* what, double value, const char* allowed) {
  if (!good) throw Error("E016", str(what, " is ", value, "; allowed: ", allowed), "change it");
}

std::vector<double> scaled(std::vector<double> lrs, double factor) {
  for (double& lr : lrs) lr *= factor;
  return lrs;
}

std::vector<LRLambda> one_per_group(const Optimizer& optimizer, std::vector<LRLambda> lambdas, const char* who) {
  const size_t groups = optimizer.param_groups().size();
  if (lambdas.size() != groups) {
    throw Error("E016", str(who, ": ", lambdas.size(), " functions for ", groups, " parameter groups"),
                "give one function, or one per group");
  }
  for (const LRLambda& lambda : lambdas) {
    if (!lambda) throw Error("E016", str(who, ": a function is empty"), "give a function of the epoch");
  }
  return lambdas;
}
std::vector<LRLambda> for_all_groups(const Optimizer& optimizer, LRLambda lambda) {
  return std::vector<LRLambda>(optimizer.param_groups().size(), std::move(lambda));
}

}  // namespace

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  FULMEN_CHECK(step_size > 0, "StepLR: step_size must be positive; got ", step_size);
}

std::vector<double> StepLR::get_lrs() {
  return step_count_ % step_size_ == 0 ? scaled(get_current_lrs(), gamma_) : get_current_lrs();
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {}

std::vector<double> MultiStepLR::get_lrs() {
  const auto times = std::count(milestones_.begin(), milestones_.end(), step_count_);
  return times == 0 ? get_current_lrs() : scaled(get_current_lrs(), std::pow(gamma_, static_cast<double>(times)));
}

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, int64_t total_iters)
    : LRScheduler(optimizer), factor_(factor), total_iters_(total_iters) {
  check_range(factor >= 0 && factor <= 1, "ConstantLR: factor", factor, "0 to 1");
  begin();
}

std::vector<double> ConstantLR::first_lrs() { return scaled(get_current_lrs(), factor_); }

std::vector<double> ConstantLR::get_lrs() {
  if (step_count_ != total_iters_) return get_current_lrs();
  return factor_ == 0 ? base_lrs() : scaled(get_current_lrs(), 1.0 / factor_);
}

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, int64_t total_iters)
    : LRScheduler(optimizer), start_factor_(start_factor), end_factor_(end_factor), total_iters_(total_iters) {
  check_range(start_factor > 0 && start_factor <= 1, "LinearLR: start_factor", start_factor, "above 0, at most 1");
  check_range(end_factor >= 0 && end_factor <= 1, "LinearLR: end_factor", end_factor, "0 to 1");
  begin();
}

std::vector<double> LinearLR::first_lrs() { return scaled(get_current_lrs(), start_factor_); }

// f(t) / f(t - 1) = 1 + (f(t) - f(t - 1)) / f(t - 1), for f on the line from start_factor to end_factor
std::vector<double> LinearLR::get_lrs() {
  if (step_count_ > total_iters_) return get_current_lrs();
  const double rise = end_factor_ - start_factor_;
  const double before = static_cast<double>(total_iters_) * start_factor_ + static_cast<double>(step_count_ - 1) * rise;
  return scaled(get_current_lrs(), 1.0 + rise / before);
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) {}

std::vector<double> ExponentialLR::get_lrs() { return scaled(get_current_lrs(), gamma_); }

PolynomialLR::PolynomialLR(Optimizer& optimizer, int64_t total_iters, double power)
    : LRScheduler(optimizer), total_iters_(total_iters), power_(power) {}

std::vector<double> PolynomialLR::get_lrs() {
  if (step_count_ > total_iters_) return get_current_lrs();
  const double total = static_cast<double>(total_iters_), now = static_cast<double>(step_count_);
  return scaled(get_current_lrs(), std::pow((1.0 - now / total) / (1.0 - (now - 1) / total), power_));
}

LambdaLR::LambdaLR(Optimizer& optimizer, LRLambda lr_lambda)
    : LambdaLR(optimizer, for_all_groups(optimizer, std::move(lr_lambda))) {}
LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<LRLambda> lr_lambdas)
    : LRScheduler(optimizer), lambdas_(one_per_group(optimizer, std::move(lr_lambdas), "LambdaLR")) {
  begin();
}

std::vector<double> LambdaLR::get_lrs() {
  std::vector<double> lrs = base_lrs();
  for (size_t i = 0; i < lrs.size(); ++i) lrs[i] *= lambdas_[i](step_count_);
  return lrs;
}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, LRLambda lr_lambda)
    : MultiplicativeLR(optimizer, for_all_groups(optimizer, std::move(lr_lambda))) {}
MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::vector<LRLambda> lr_lambdas)
    : LRScheduler(optimizer), lambdas_(one_per_group(optimizer, std::move(lr_lambdas), "MultiplicativeLR")) {}

void MultiplicativeLR::restart() {
  step_count_ = 0;
  set_lrs(get_lrs());
}

std::vector<double> MultiplicativeLR::get_lrs() {
  std::vector<double> lrs = get_current_lrs();
  for (size_t i = 0; i < lrs.size(); ++i) lrs[i] *= lambdas_[i](step_count_);
  return lrs;
}

}  // namespace fulmen::optim
