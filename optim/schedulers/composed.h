#pragma once
#include <fulmen/optim/schedulers/lr_scheduler.h>

namespace fulmen::optim {

/// One schedule after the other: schedulers[i + 1] starts, from epoch 0 and the base rates, when milestones[i] steps
/// have been taken. All belong to one optimizer.
///
///     auto sgd = std::make_shared<SGD>(model->parameters(), 0.1);
///     auto warmup = std::make_shared<LinearLR>(*sgd, 0.1, 1.0, 5);
///     auto decay = std::make_shared<CosineAnnealingLR>(*sgd, 95);
///     SequentialLR schedule(*sgd, {warmup, decay}, {5});
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
               std::vector<int64_t> milestones);
  using LRScheduler::step;
  void step() override;
  void begin() override;
  void restart() override;

 protected:
  std::vector<double> get_lrs() override { return get_current_lrs(); }
  void state_fields(SchedulerFields& fields) override;

 private:
  size_t current() const;

  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
  const std::vector<int64_t> milestones_;
};

/// Several schedules at once: every step is a step of each, in this order. All belong to one optimizer.
class ChainedScheduler : public LRScheduler {
 public:
  explicit ChainedScheduler(const std::vector<std::shared_ptr<LRScheduler>>& schedulers);
  ChainedScheduler(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers);
  using LRScheduler::step;
  void step() override;
  void begin() override;

 protected:
  std::vector<double> get_lrs() override { return get_current_lrs(); }
  void state_fields(SchedulerFields& fields) override;

 private:
  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
};

}  // namespace fulmen::optim
