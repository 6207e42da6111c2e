#pragma once
#include <fulmen/optim/lr_scheduler.h>
#include <fulmen/optim/optimizer.h>

#include <concepts>
#include <memory>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// When a learning-rate scheduler moves: after every epoch or after every optimizer step.
enum class Interval : uint8_t { Epoch, Step };

struct SchedulerOptions {
  Interval interval = Interval::Epoch;
  int64_t frequency = 1;  ///< every how many epochs or steps
};

/// What configure_optimizers returns: one optimizer, and schedulers if there are any.
///
///     return optim::AdamW(parameters(), optim::AdamWOptions(hp.lr));
///     return Optimizers(optim::SGD(parameters(), 0.1)).schedule<optim::StepLR>({.frequency = 1}, 30, 0.1);
class Optimizers {
 public:
  struct Scheduled {
    std::shared_ptr<optim::LRScheduler> scheduler;
    SchedulerOptions when;
  };

  /// No optimizer: the training steps run, nothing is learned.
  Optimizers() = default;
  template <std::derived_from<optim::Optimizer> O>
  Optimizers(O optimizer) : optimizer_(std::make_shared<O>(std::move(optimizer))) {}
  template <std::derived_from<optim::Optimizer> O>
  Optimizers(std::shared_ptr<O> optimizer) : optimizer_(std::move(optimizer)) {}

  /// Adds a scheduler S of this optimizer; `arguments` are what its constructor takes after the optimizer.
  template <std::derived_from<optim::LRScheduler> S, class... A>
  Optimizers schedule(SchedulerOptions when, A&&... arguments) && {
    schedulers_.push_back({std::make_shared<S>(*optimizer_, std::forward<A>(arguments)...), when});
    return std::move(*this);
  }

  const std::shared_ptr<optim::Optimizer>& optimizer() const { return optimizer_; }
  const std::vector<Scheduled>& schedulers() const { return schedulers_; }

 private:
  std::shared_ptr<optim::Optimizer> optimizer_;
  std::vector<Scheduled> schedulers_;
};

}  // namespace fulmen::trainer
