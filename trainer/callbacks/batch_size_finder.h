#pragma once
#include <fulmen/trainer/callback.h>

#include <optional>
#include <string>

namespace fulmen::trainer {

/// Doubles until memory is exhausted; Bisection then looks between the last size that fitted and the first that did
/// not (Lightning's "power" and "binsearch").
enum class BatchSizeSearch : uint8_t { Power, Bisection };

struct BatchSizeFinderOptions {
  BatchSizeSearch mode = BatchSizeSearch::Power;
  /// Optimizer steps (or batches of an evaluation) that a size has to survive.
  int64_t steps_per_trial = 3;
  int64_t init_val = 2;
  int64_t max_trials = 25;
  /// The size's name among the numbers of the model or the data module (detail::tunables_of).
  std::string batch_arg_name = "batch_size";
  /// Bisection: takes so much less than what just fitted.
  double margin = 0.05;
  int64_t max_val = 8192;
};

/// Before a run: finds a batch size that fits into memory, and goes on with it. The loaders must be the model's or a
/// data module's, which are asked for again with every size. What the trials did to the model is taken back.
///
///     Trainer trainer({.callbacks = {std::make_shared<BatchSizeFinder>()}});
///
/// Tuner::scale_batch_size does the same without the run.
class BatchSizeFinder : public Callback {
 public:
  explicit BatchSizeFinder(BatchSizeFinderOptions options = {});

  /// What was found; none after a fast_dev_run.
  std::optional<int64_t> optimal_batch_size() const { return found_; }
  /// The search itself; called in on_fit_start, and before validate, test and predict ask for their loaders.
  void scale_batch_size(Trainer& trainer);

  void on_fit_start(Trainer& trainer, Module&) override { scale_batch_size(trainer); }
  Order order() const override { return Order::Tune; }

 private:
  friend class Tuner;
  class Search;

  BatchSizeFinderOptions options_;
  std::optional<int64_t> found_;
  bool exits_ = false;  ///< the run was only for this
};

}  // namespace fulmen::trainer
