#pragma once
#include <fulmen/optim/lr_scheduler.h>
#include <fulmen/optim/optimizer.h>

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// When a learning-rate scheduler moves: after every epoch or after every optimizer step.
enum class Interval : uint8_t { Epoch, Step };

struct SchedulerOptions {
  Interval interval = Interval::Epoch;
  int64_t frequency = 1;     ///< every how many epochs or steps
  std::string monitor = {};  ///< ReduceLROnPlateau: the metric it looks at
  bool strict = true;        ///< a metric that was not logged is an error (E011); otherwise the scheduler waits
  std::string name = {};     ///< for LearningRateMonitor, instead of "lr-SGD"
  int64_t optimizer = 0;     ///< which of several optimizers
};

/// What configure_optimizers returns: an optimizer, and schedulers if there are any. Several optimizers are for modules
/// that step them on their own (automatic_optimization = false).
///
///     return optim::AdamW(parameters(), optim::AdamWOptions(hp.lr));
///     return Optimizers(optim::SGD(parameters(), 0.1)).schedule<optim::StepLR>({.frequency = 1}, 30, 0.1);
///     return {optim::Adam(generator->parameters()), optim::Adam(critic->parameters())};
class Optimizers {
 public:
  /// A scheduler, and when it moves.
  struct Scheduled {
    std::shared_ptr<optim::LRScheduler> scheduler;
    SchedulerOptions when;

    optim::Optimizer& optimizer() const { return scheduler->optimizer(); }
    /// `metric` is for a scheduler that needs one.
    void step(std::optional<double> metric) const;
  };

  /// No optimizer: the training steps run, nothing is learned.
  Optimizers() = default;
  template <std::derived_from<optim::Optimizer>... O>
  requires(sizeof...(O) > 0) Optimizers(O... optimizers) { (add(std::make_shared<O>(std::move(optimizers))), ...); }
  template <std::derived_from<optim::Optimizer> O>
  Optimizers(std::shared_ptr<O> optimizer) {
    add(std::move(optimizer));
  }
  template <class T>
  requires(!std::same_as<std::remove_cvref_t<T>, Optimizers> &&
           !std::derived_from<std::remove_cvref_t<T>, optim::Optimizer> &&
           !std::convertible_to<T, std::shared_ptr<optim::Optimizer>>) Optimizers(T&&) {
    static_assert(sizeof(T) == 0,
                  "configure_optimizers() returns an optimizer, several of them, or Optimizers with their schedulers");
  }
  Optimizers& add(std::shared_ptr<optim::Optimizer> optimizer) {
    if (optimizer) optimizers_.push_back(std::move(optimizer));
    return *this;
  }

  /// Adds a scheduler S of one of the optimizers; `arguments` are what its constructor takes after the optimizer.
  template <std::derived_from<optim::LRScheduler> S, class... A>
  Optimizers schedule(SchedulerOptions when, A&&... arguments) && {
    auto scheduler = std::make_shared<S>(scheduled_optimizer(when), std::forward<A>(arguments)...);
    add_schedule({std::move(scheduler), std::move(when)});
    return std::move(*this);
  }

  size_t size() const { return optimizers_.size(); }
  bool empty() const { return optimizers_.empty(); }
  optim::Optimizer& operator[](size_t i) const { return *optimizers_[i]; }
  const std::vector<std::shared_ptr<optim::Optimizer>>& all() const { return optimizers_; }
  /// The first; null if there is none.
  optim::Optimizer* first() const { return optimizers_.empty() ? nullptr : optimizers_[0].get(); }
  std::vector<Scheduled>& schedulers() { return schedulers_; }
  const std::vector<Scheduled>& schedulers() const { return schedulers_; }

 private:
  optim::Optimizer& scheduled_optimizer(const SchedulerOptions& when) const;
  void add_schedule(Scheduled scheduled);

  std::vector<std::shared_ptr<optim::Optimizer>> optimizers_;
  std::vector<Scheduled> schedulers_;
};

}  // namespace fulmen::trainer
