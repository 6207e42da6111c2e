#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/callbacks/learning_rate_finder.h>
#include <fulmen/trainer/trial.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace fulmen::trainer {
namespace {

/// Goes from the first learning rate to the last in equal steps, or by equal factors.
class SweepSchedule : public optim::LRScheduler {
 public:
  SweepSchedule(optim::Optimizer& optimizer, const LearningRateFinderOptions& options)
      : LRScheduler(optimizer), o_(options) {}
  double lr() const { return get_current_lrs().at(0); }

 protected:
  std::vector<double> get_lrs() override {
    std::vector<double> lrs = base_lrs();
    const double part = static_cast<double>(step_count_ + 1) / static_cast<double>(o_.num_training);
    for (double& lr : lrs) {
      lr = o_.mode == Sweep::Linear ? lr + part * (o_.max_lr - lr) : lr * std::pow(o_.max_lr / lr, part);
    }
    return lrs;
  }

 private:
  const LearningRateFinderOptions& o_;
};

/// Writes down the learning rate before each step and the smoothed loss after it.
class SweepRecorder : public Callback {
 public:
  SweepRecorder(const SweepSchedule& schedule, const LearningRateFinderOptions& options)
      : schedule_(schedule), o_(options) {}

  void on_train_batch_start(Trainer& trainer, Module&, const AnyRef&, int64_t batch_idx) override {
    if (closes_window(trainer, batch_idx)) lr.push_back(schedule_.lr());
  }
  void on_train_batch_end(Trainer& trainer, Module&, const StepOutput& output, const AnyRef&,
                          int64_t batch_idx) override {
    if (!closes_window(trainer, batch_idx)) return;
    if (output.is_skip() || !output.loss().defined()) {
      loss.push_back(std::numeric_limits<double>::quiet_NaN());
      return;
    }
    const int64_t step = trainer.global_step();
    mean_ = memory * mean_ + (1 - memory) * output.loss().item().toDouble();
    const double smoothed = mean_ / (1 - std::pow(memory, static_cast<double>(step + 1)));
    if (o_.early_stop_threshold && step > 1 && smoothed > *o_.early_stop_threshold * best_) {
      trainer.set_should_stop(true);
    }
    if (smoothed < best_ || step == 1) best_ = smoothed;
    loss.push_back(smoothed);
  }

  std::vector<double> lr, loss;

 private:
  static constexpr double memory = 0.98;
  static bool closes_window(const Trainer& trainer, int64_t batch_idx) {
    return (batch_idx + 1) % trainer.accumulate_grad_batches() == 0;
  }

  const SweepSchedule& schedule_;
  const LearningRateFinderOptions& o_;
  double mean_ = 0, best_ = 0;
};

void check_fit(const Run& run) {
  if (run.optimizers.size() != 1 || !run.module->automatic_optimization) {
    throw Error(
        "E016",
        str("LearningRateFinder needs one optimizer that the trainer steps; configure_optimizers gives ",
            run.optimizers.size(), run.module->automatic_optimization ? "" : ", and automatic_optimization is false"),
        "choose the learning rates of such a model by hand");
  }
}

}  // namespace

std::optional<size_t> LearningRateSweep::suggested_index(int64_t skip_begin, int64_t skip_end) const {
  const auto last = static_cast<int64_t>(loss.size()) - skip_end;
  std::vector<size_t> points;
  for (int64_t i = std::max<int64_t>(skip_begin, 0); i < last; ++i) {
    if (std::isfinite(loss[static_cast<size_t>(i)])) points.push_back(static_cast<size_t>(i));
  }
  if (points.size() < 2) return std::nullopt;
  // Slopes by second-order differences over uneven distances, in float32 as in Lightning, where a tie may depend on it.
  auto x = [&](size_t i) { return static_cast<float>(lr[points[i]]); };
  auto y = [&](size_t i) { return static_cast<float>(loss[points[i]]); };
  const size_t n = points.size();
  auto slope = [&](size_t i) {
    if (i == 0) return (y(1) - y(0)) / (x(1) - x(0));
    if (i == n - 1) return (y(n - 1) - y(n - 2)) / (x(n - 1) - x(n - 2));
    const float left = x(i) - x(i - 1), right = x(i + 1) - x(i);
    return -right / (left * (left + right)) * y(i - 1) + (right - left) / (left * right) * y(i) +
           left / (right * (left + right)) * y(i + 1);
  };
  size_t steepest = 0;
  for (size_t i = 1; i < n; ++i) {
    if (slope(i) < slope(steepest)) steepest = i;
  }
  return points[steepest];
}

std::optional<double> LearningRateSweep::suggestion(int64_t skip_begin, int64_t skip_end) const {
  const std::optional<size_t> at = suggested_index(skip_begin, skip_end);
  return at ? std::optional(lr[*at]) : std::nullopt;
}

LearningRateFinder::LearningRateFinder(LearningRateFinderOptions options) : options_(std::move(options)) {
  if (!(options_.min_lr > 0 && options_.max_lr > options_.min_lr)) {
    throw Error("E016", str("LearningRateFinder: min_lr is ", options_.min_lr, ", max_lr ", options_.max_lr),
                "give 0 < min_lr < max_lr");
  }
  if (options_.num_training < 1) {
    throw Error("E016", str("LearningRateFinder: num_training is ", options_.num_training), "give at least 1");
  }
}

std::string LearningRateFinder::find_attribute(Trainer& trainer) const {
  if (!options_.update_attr) return {};
  std::vector<std::string> names{"lr", "learning_rate"};
  if (!options_.attr_name.empty()) names = {options_.attr_name};
  for (const std::string& name : names) {
    if (trainer.run_->steps->number(name)) return name;
  }
  throw Error(
      "E014",
      str("LearningRateFinder: the model has no number ", names[0],
          names.size() > 1 ? " and none called learning_rate" : "", " to write the suggestion to"),
      "keep the hyperparameters as a public member `hp`, name the one with attr_name, or set update_attr = false");
}

void LearningRateFinder::lr_find(Trainer& trainer) {
  Run& run = *trainer.run_;
  sweep_.reset();
  if (is_pointless_to_tune(run, "LearningRateFinder")) {
    if (exits_) throw TunerExit();
    return;
  }
  check_fit(run);
  const std::string attribute = find_attribute(trainer);
  Trial trial(run);
  trial.run([&] {
    optim::Optimizer& optimizer = run.optimizers[0];
    for (auto& group : optimizer.param_groups()) {
      group.options().set_lr(options_.min_lr);
      group.set_initial_lr(options_.min_lr);
    }
    auto schedule = std::make_shared<SweepSchedule>(optimizer, options_);
    run.optimizers.schedulers().assign(1, {schedule, {.interval = Interval::Step}});
    run.options.max_steps = run.progress.global_step + options_.num_training;
    run.options.limit_val_batches = options_.num_training;
    run.options.on_nonfinite = OnNonfinite::Ignore;  // a loss that explodes is an answer
    const auto recorder = std::make_shared<SweepRecorder>(*schedule, options_);
    trial.train(recorder);
    sweep_ = LearningRateSweep{options_.mode, options_.min_lr, options_.max_lr, recorder->lr, recorder->loss};
    sweep_->lr.resize(std::min(sweep_->lr.size(), sweep_->loss.size()));
  });
  run.request_training_data();
  if (!attribute.empty() && !run.interrupted) apply_suggestion(trainer, attribute);
  if (exits_) throw TunerExit();
}

void LearningRateFinder::apply_suggestion(Trainer& trainer, const std::string& attribute) const {
  const std::optional<double> lr = sweep_->suggestion();
  if (!lr) {
    warn(str("LearningRateFinder: too few steps for a suggestion; ", attribute, " stays ",
             *trainer.run_->steps->number(attribute)));
    return;
  }
  trainer.run_->steps->set_number(attribute, *lr);
  for (const auto& optimizer : trainer.optimizers().all()) {
    for (auto& group : optimizer->param_groups()) group.options().set_lr(*lr);
  }
}

}  // namespace fulmen::trainer
