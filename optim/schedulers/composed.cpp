#include <fulmen/nn/type_name.h>
#include <fulmen/optim/schedulers/composed.h>

#include <algorithm>

namespace fulmen::optim {
namespace {

using Schedulers = std::vector<std::shared_ptr<LRScheduler>>;

Schedulers checked(const Optimizer& optimizer, Schedulers schedulers, const char* who) {
  if (schedulers.empty()) throw Error("E016", str(who, ": no scheduler was given"), "give at least one");
  for (size_t i = 0; i < schedulers.size(); ++i) {
    if (!schedulers[i]) throw Error("E016", str(who, ": scheduler ", i, " is null"), "give a scheduler");
    const LRScheduler& scheduler = *schedulers[i];
    if (scheduler.needs_metric()) {
      throw Error(
          "E016",
          str(who, ": scheduler ", i, " (", nn::short_type_name(typeid(scheduler)), ") needs a metric at each step"),
          "give it to the trainer beside this one");
    }
    if (&scheduler.optimizer() != &optimizer) {
      throw Error("E016", str(who, ": scheduler ", i, " belongs to another optimizer"),
                  "make all schedulers for the same optimizer");
    }
  }
  return schedulers;
}

Optimizer& first_optimizer(const Schedulers& schedulers) {
  if (schedulers.empty() || !schedulers[0]) {
    throw Error("E016", "ChainedScheduler: no scheduler was given", "give at least one");
  }
  return schedulers[0]->optimizer();
}

}  // namespace

SequentialLR::SequentialLR(Optimizer& optimizer, Schedulers schedulers, std::vector<int64_t> milestones)
    : LRScheduler(optimizer),
      schedulers_(checked(optimizer, std::move(schedulers), "SequentialLR")),
      milestones_(std::move(milestones)) {
  if (milestones_.size() + 1 != schedulers_.size()) {
    throw Error("E016",
                str("SequentialLR: ", schedulers_.size(), " schedulers and ", milestones_.size(), " milestones"),
                "give one milestone fewer than schedulers");
  }
  if (!std::is_sorted(milestones_.begin(), milestones_.end())) {
    throw Error("E016", "SequentialLR: the milestones are not in order", "give them in ascending order");
  }
  // What the others' constructors did to the rates is undone.
  auto& groups = optimizer.param_groups();
  for (OptimizerParamGroup& group : groups) group.options().set_lr(*group.initial_lr());
  begin();
}

size_t SequentialLR::current() const {
  return static_cast<size_t>(std::upper_bound(milestones_.begin(), milestones_.end(), step_count_) -
                             milestones_.begin());
}

void SequentialLR::begin() {
  step_count_ = 0;
  schedulers_[current()]->begin();
}

void SequentialLR::restart() {
  step_count_ = 0;
  schedulers_[current()]->restart();
}

void SequentialLR::step() {
  ++step_count_;
  const size_t k = current();
  if (k > 0 && milestones_[k - 1] == step_count_) {
    schedulers_[k]->restart();
  } else {
    schedulers_[k]->step();
  }
}

void SequentialLR::state_fields(SchedulerFields& fields) {
  LRScheduler::state_fields(fields);
  fields("schedulers", schedulers_);
}

ChainedScheduler::ChainedScheduler(const Schedulers& schedulers)
    : ChainedScheduler(first_optimizer(schedulers), schedulers) {}

ChainedScheduler::ChainedScheduler(Optimizer& optimizer, Schedulers schedulers)
    : LRScheduler(optimizer), schedulers_(checked(optimizer, std::move(schedulers), "ChainedScheduler")) {}

void ChainedScheduler::step() {
  ++step_count_;
  for (const auto& scheduler : schedulers_) scheduler->step();
}

void ChainedScheduler::begin() {
  step_count_ = 0;
  for (const auto& scheduler : schedulers_) scheduler->begin();
}

void ChainedScheduler::state_fields(SchedulerFields& fields) {
  LRScheduler::state_fields(fields);
  fields("schedulers", schedulers_);
}

}  // namespace fulmen::optim
