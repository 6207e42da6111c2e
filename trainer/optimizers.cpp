#include <fulmen/tensor/error.h>
#include <fulmen/trainer/optimizers.h>

namespace fulmen::trainer {

void Optimizers::Scheduled::step(std::optional<double> metric) const {
  if (scheduler->needs_metric()) {
    scheduler->step(metric.value());
  } else {
    scheduler->step();
  }
}

optim::Optimizer& Optimizers::scheduled_optimizer(const SchedulerOptions& when) const {
  FULMEN_CHECK(when.optimizer >= 0 && static_cast<size_t>(when.optimizer) < optimizers_.size(),
               "configure_optimizers: schedule() for optimizer ", when.optimizer, ", but there are ",
               optimizers_.size());
  return *optimizers_[static_cast<size_t>(when.optimizer)];
}

void Optimizers::add_schedule(Scheduled scheduled) {
  if (scheduled.when.frequency < 1) {
    throw Error("E016", str("configure_optimizers: a scheduler's frequency is ", scheduled.when.frequency),
                "1 or more epochs or steps");
  }
  if (scheduled.scheduler->needs_metric() && scheduled.when.monitor.empty()) {
    throw Error("E016", "configure_optimizers: a scheduler that watches a metric has no monitor",
                "name the metric it looks at: schedule<optim::ReduceLROnPlateau>({.monitor = \"val_loss\"})");
  }
  schedulers_.push_back(std::move(scheduled));
}

}  // namespace fulmen::trainer
