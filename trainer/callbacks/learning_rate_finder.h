#pragma once
#include <fulmen/trainer/callback.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// How a learning rate grows from step to step.
enum class Sweep : uint8_t { Exponential, Linear };

struct LearningRateFinderOptions {
  double min_lr = 1e-8, max_lr = 1;
  /// Steps from the one to the other.
  int64_t num_training = 100;
  Sweep mode = Sweep::Exponential;
  /// Stops when the smoothed loss is so many times the best one; not set: goes to the end.
  std::optional<double> early_stop_threshold = 4.0;
  /// Writes the suggestion into the model's learning rate, and into the optimizer of the fit that follows.
  bool update_attr = true;
  /// The learning rate's name among the model's hyperparameters (`hp`, see detail::tunables_of); empty: "lr" or
  /// "learning_rate".
  std::string attr_name = {};
};

/// What a range test saw: learning rates, and the smoothed loss under each (Smith 2017).
struct LearningRateSweep {
  Sweep mode = Sweep::Exponential;
  double min_lr = 0, max_lr = 0;
  std::vector<double> lr, loss;

  /// The learning rate at which the loss fell most steeply; none where too few points are left. Skips so many points
  /// at the beginning and at the end.
  std::optional<double> suggestion(int64_t skip_begin = 10, int64_t skip_end = 1) const;
  /// Its place in the lists.
  std::optional<size_t> suggested_index(int64_t skip_begin = 10, int64_t skip_end = 1) const;
};

/// Before a fit: trains for some steps under a growing learning rate, takes it all back, and goes on with the learning
/// rate at which the loss fell most steeply. Weights, optimizer, counters and random streams are then what they were.
///
///     Trainer trainer({.callbacks = {std::make_shared<LearningRateFinder>()}});
///
/// Tuner::lr_find does the same without the fit.
class LearningRateFinder : public Callback {
 public:
  explicit LearningRateFinder(LearningRateFinderOptions options = {});

  /// Of the last fit; none before, and after a fast_dev_run.
  const std::optional<LearningRateSweep>& optimal_lr() const { return sweep_; }
  /// The search itself; on_fit_start calls it. Derived classes may search again at other times of a fit.
  void lr_find(Trainer& trainer);

  void on_fit_start(Trainer& trainer, Module&) override { lr_find(trainer); }
  Order order() const override { return Order::Tune; }

 private:
  friend class Tuner;
  std::string find_attribute(Trainer& trainer) const;
  void apply_suggestion(Trainer& trainer, const std::string& attribute) const;

  LearningRateFinderOptions options_;
  std::optional<LearningRateSweep> sweep_;
  bool exits_ = false;  ///< the fit was only for this
};

}  // namespace fulmen::trainer
