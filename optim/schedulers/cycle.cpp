#include <fulmen/optim/schedulers/cycle.h>

#include <cmath>

namespace fulmen::optim {
namespace {

constexpr double pi = 3.14159265358979323846;

[[noreturn]] void refuse(const std::string& what, const char* fix) { throw Error("E016", what, fix); }

/// The option of a group that cycles against the learning rate.
OptionField momentum_of(OptimizerParamGroup& group, const char* who) {
  for (const OptionField& field : group.options().fields()) {
    if (field.name == "momentum" || field.name == "beta1") return field;
  }
  refuse(str(who, ": cycle_momentum is set, but the optimizer has neither momentum nor beta1"),
         "set cycle_momentum to false");
}

/// Before the scheduler remembers its base rates: they are the schedule's own.
Optimizer& starting_at(Optimizer& optimizer, const std::vector<double>& lrs, bool replace_initial) {
  auto& groups = optimizer.param_groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    if (replace_initial) {
      groups[i].set_initial_lr(lrs[i]);
    } else {
      groups[i].options().set_lr(lrs[i]);
    }
  }
  return optimizer;
}

std::vector<double> divided(std::vector<double> values, double by) {
  for (double& value : values) value /= by;
  return values;
}

}  // namespace

OneCycleLR::OneCycleLR(Optimizer& optimizer, double max_lr, int64_t total_steps)
    : OneCycleLR(optimizer, OneCycleLROptions{.max_lr = max_lr, .total_steps = total_steps}) {}

OneCycleLR::OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& o)
    : LRScheduler(
          starting_at(optimizer, divided(o.max_lr.spread(optimizer, "OneCycleLR: max_lr"), o.div_factor), true)),
      anneal_(o.anneal_strategy),
      cycle_momentum_(o.cycle_momentum),
      total_steps_(o.total_steps > 0 ? o.total_steps : o.epochs * o.steps_per_epoch),
      max_lrs_(o.max_lr.spread(optimizer, "OneCycleLR: max_lr")),
      first_lrs_(divided(max_lrs_, o.div_factor)),
      last_lrs_(divided(first_lrs_, o.final_div_factor)) {
  if (o.total_steps < 0 || total_steps_ <= 0) {
    refuse(str("OneCycleLR: the cycle has ", o.total_steps, " steps"),
           "set total_steps, or epochs and steps_per_epoch, to 1 or more");
  }
  if (!(o.pct_start >= 0 && o.pct_start <= 1)) {
    refuse(str("OneCycleLR: pct_start is ", o.pct_start, "; allowed: 0 to 1"), "change pct_start");
  }
  const double steps = static_cast<double>(total_steps_), risen = o.pct_start * steps - 1;
  if (o.three_phase) {
    phases_ = {
        {risen, 0, 1, true, false}, {2 * o.pct_start * steps - 2, 1, 0, false, true}, {steps - 1, 0, 2, true, true}};
  } else {
    phases_ = {{risen, 0, 1, true, false}, {steps - 1, 1, 2, false, true}};
  }
  if (cycle_momentum_) {
    low_momentum_ = o.base_momentum.spread(optimizer, "OneCycleLR: base_momentum");
    high_momentum_ = o.max_momentum.spread(optimizer, "OneCycleLR: max_momentum");
  }
  begin();
}

double OneCycleLR::anneal(double from, double to, double share) const {
  if (anneal_ == Anneal::Linear) return (to - from) * share + from;
  return to + (from - to) / 2.0 * (std::cos(pi * share) + 1);
}

std::vector<double> OneCycleLR::get_lrs() {
  if (step_count_ > total_steps_) {
    refuse(str("OneCycleLR: step ", step_count_, " of a cycle of ", total_steps_, " steps"),
           "raise total_steps, or train for fewer steps");
  }
  const double now = static_cast<double>(step_count_);
  size_t k = 0;
  while (k + 1 < phases_.size() && now > phases_[k].end) ++k;
  const Phase& phase = phases_[k];
  const double start = k == 0 ? 0.0 : phases_[k - 1].end;
  const double share = phase.end == start ? 1.0 : (now - start) / (phase.end - start);
  auto& groups = optimizer().param_groups();
  std::vector<double> lrs;
  for (size_t i = 0; i < groups.size(); ++i) {
    const double rates[] = {first_lrs_[i], max_lrs_[i], last_lrs_[i]};
    lrs.push_back(anneal(rates[phase.from_lr], rates[phase.to_lr], share));
    if (!cycle_momentum_) continue;
    const double ends[] = {low_momentum_[i], high_momentum_[i]};
    momentum_of(groups[i], "OneCycleLR").set(anneal(ends[phase.from_high], ends[phase.to_high], share));
  }
  return lrs;
}

CyclicLR::CyclicLR(Optimizer& optimizer, const CyclicLROptions& o)
    : LRScheduler(starting_at(optimizer, o.base_lr.spread(optimizer, "CyclicLR: base_lr"), false)),
      options_(o),
      low_lrs_(o.base_lr.spread(optimizer, "CyclicLR: base_lr")),
      high_lrs_(o.max_lr.spread(optimizer, "CyclicLR: max_lr")) {
  if (o.step_size_up < 1 || o.step_size_down < 0) {
    refuse(str("CyclicLR: step_size_up is ", o.step_size_up, ", step_size_down ", o.step_size_down),
           "give 1 or more steps");
  }
  const auto up = static_cast<double>(o.step_size_up);
  total_size_ = up + (o.step_size_down > 0 ? static_cast<double>(o.step_size_down) : up);
  rise_share_ = up / total_size_;
  if (o.cycle_momentum) {
    low_momentum_ = o.base_momentum.spread(optimizer, "CyclicLR: base_momentum");
    high_momentum_ = o.max_momentum.spread(optimizer, "CyclicLR: max_momentum");
  }
  begin();
}

double CyclicLR::scale(double cycle) const {
  const double now = static_cast<double>(step_count_);
  if (options_.scale_fn) return options_.scale_fn(options_.scale_by_step ? now : cycle);
  switch (options_.mode) {
    case CyclicLROptions::Mode::Triangular2:
      return 1 / std::pow(2.0, cycle - 1);
    case CyclicLROptions::Mode::ExpRange:
      return std::pow(options_.gamma, now);
    default:
      return 1.0;
  }
}

std::vector<double> CyclicLR::get_lrs() {
  const double position = 1 + static_cast<double>(step_count_) / total_size_;
  const double cycle = std::floor(position), x = position - cycle;
  const double height = (x <= rise_share_ ? x / rise_share_ : (x - 1) / (rise_share_ - 1)) * scale(cycle);
  auto& groups = optimizer().param_groups();
  std::vector<double> lrs;
  for (size_t i = 0; i < groups.size(); ++i) {
    lrs.push_back(low_lrs_[i] + (high_lrs_[i] - low_lrs_[i]) * height);
    if (!options_.cycle_momentum) continue;
    momentum_of(groups[i], "CyclicLR").set(high_momentum_[i] - (high_momentum_[i] - low_momentum_[i]) * height);
  }
  return lrs;
}

}  // namespace fulmen::optim
