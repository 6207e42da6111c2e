#pragma once
#include <fulmen/optim/optimizer.h>

#include <memory>
#include <string>
#include <vector>

namespace fulmen::optim {

class LRScheduler;

/// Visits, by name, the numbers of a scheduler that change from step to step; the visitor writes them down or sets
/// them.
class SchedulerFields {
 public:
  virtual ~SchedulerFields() = default;
  virtual void operator()(const char* name, int64_t& value) = 0;
  virtual void operator()(const char* name, double& value) = 0;
  virtual void operator()(const char* name, std::vector<double>& values) = 0;
  virtual void operator()(const char* name, std::vector<std::shared_ptr<LRScheduler>>& schedulers) = 0;
};

/// Changes the learning rates of an optimizer's groups; call step() after each epoch (or step) of training. The
/// optimizer must outlive the scheduler. Names, arguments and values are those of Python's schedulers, computed in the
/// same way. A schedule of your own overrides get_lrs().
class LRScheduler {
 public:
  explicit LRScheduler(Optimizer& optimizer);
  virtual ~LRScheduler() = default;

  /// Moves on by one epoch (or step).
  virtual void step();
  /// The same for a scheduler that watches a metric. The others refuse it (E016).
  virtual void step(double metric);
  virtual bool needs_metric() const { return false; }
  /// Epoch 0 again, from the learning rates that the optimizer has now.
  virtual void begin();
  /// Epoch 0 again, from base_lrs().
  virtual void restart();

  Optimizer& optimizer() const { return optimizer_; }
  /// How often step() was called.
  int64_t last_epoch() const { return step_count_; }
  /// The learning rates before any scheduler changed them, one per group.
  const std::vector<double>& base_lrs() const { return base_lrs_; }
  /// The learning rates of now, one per group.
  std::vector<double> get_last_lr() const { return get_current_lrs(); }

  /// Everything that changes from step to step, as JSON, for checkpoints. What the constructor was given is not in it,
  /// nor are the learning rates, which the optimizer keeps.
  std::string state_dict() const;
  /// Takes over what state_dict() gave. A text that is none, or of another number of groups, is an error.
  void load_state_dict(const std::string& json);
  void visit_state(SchedulerFields& fields) { state_fields(fields); }

 protected:
  /// The learning rates for epoch `step_count_`, one per group.
  virtual std::vector<double> get_lrs() = 0;
  /// Those for epoch 0, where they are not what the optimizer has anyway. A constructor whose class overrides this ends
  /// with begin().
  virtual std::vector<double> first_lrs() { return get_current_lrs(); }
  /// Names what state_dict() holds; an override begins with a call of this one.
  virtual void state_fields(SchedulerFields& fields);

  std::vector<double> get_current_lrs() const;
  void set_lrs(const std::vector<double>& lrs);
  /// "StepLR", for messages.
  std::string name() const;

  int64_t step_count_ = 0;

 private:
  Optimizer& optimizer_;
  std::vector<double> base_lrs_;
};

/// One number for every group, or one each.
class PerGroup {
 public:
  PerGroup(double all) : values_{all} {}
  PerGroup(std::initializer_list<double> each) : values_(each) {}
  PerGroup(std::vector<double> each) : values_(std::move(each)) {}
  /// One value per group of the optimizer; another number of them is an error that names the option.
  std::vector<double> spread(const Optimizer& optimizer, const char* option) const;

 private:
  std::vector<double> values_;
};

}  // namespace fulmen::optim
