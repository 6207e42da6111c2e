#pragma once
#include <fulmen/trainer/run.h>
#include <fulmen/trainer/step_graph.h>
#include <fulmen/trainer/stopwatch.h>

namespace fulmen::autograd {
class DetectAnomalyGuard;
}

namespace fulmen::trainer {

class DataParallel;

/// Throws E009, E004 or E005 if what training_step returned is no loss to learn from; false if it left the batch out.
bool has_loss(const StepOutput& output);

/// The steps of a fit, in the words of its loop (Trainer::run_fit in fit.cpp). fit_setup.cpp: begin and end;
/// fit_loop.cpp: epochs, batches and validation; fit_learn.cpp: loss, gradients, optimizer, schedulers.
class FitLoop {
 public:
  FitLoop(Run& run, ModuleSteps& steps, const LoaderRequests& requests, const FitOptions& options);
  ~FitLoop();

  /// Setup, optimizers, the state of a checkpoint, sanity check, loaders, on_train_start.
  void begin();
  /// on_train_end, on_fit_end, teardown.
  void end();
  /// A training within on_fit_start, for tuners: from on_train_start to on_train_end, with its own batches.
  /// `loaders_are_there` is called before they are used.
  void run_trial(const AnyFunction<void()>& loaders_are_there);
  /// Another epoch is to come (or to go on).
  bool more_epochs();
  void start_epoch();
  void end_epoch();

  /// Fetches a batch; false at the end of the epoch, or when the fit has to stop in the middle of it.
  bool next_batch();
  const void* batch() const { return batch_.get(); }
  /// on_train_batch_start; -1 ends the epoch.
  int start_batch();
  /// This batch closes the accumulation window, and the trainer steps the optimizer.
  bool steps() const { return steps_ && automatic_ && !run_.optimizers.empty(); }
  /// The step needs the closure that computes loss and gradients: the module overrides optimizer_step, or the optimizer
  /// evaluates it several times.
  bool takes_closure() const {
    return module_steps_.overrides().optimizer_step || run_.optimizers.first()->needs_closure();
  }
  /// TrainerOptions::cuda_graph: trains on the batch by replaying a recorded step; false if it has to be done as usual.
  bool replay(StepOutput& output);
  void enter_step();
  /// Checks the step's output, drops the gradients of the window before, adds those of this loss, and clips them if
  /// this batch steps. Nothing if the module does all that itself.
  void learn(StepOutput& output);
  /// Counts a step, after the optimizer took it.
  bool has_gradients() const { return at_.window_filled || run_.options.lightning_compatible; }
  void count_step();
  /// Learning rates, on_train_batch_end, the row in the log.
  void end_batch(StepOutput& output);
  bool validation_due() const;
  void validate();
  /// Validation (if it was due) is over: the batch is entirely dealt with.
  void close_batch();

 private:
  bool fetch();
  void check_resumed_epoch() const;
  bool accept(const StepOutput& output);
  int64_t window_length() const;
  bool is_finite_or_stop(const Tensor& loss);
  void prepare_step();
  void go_on_within_epoch();
  bool more_batches() const;
  void configure_optimizers();
  void start_training();
  void request_loaders();
  void set_validation_interval();
  void sanity_check();
  void request_val_loaders();
  void reload_train_loader();
  void reload_val_loaders();
  bool validates_in(int64_t epoch) const;
  bool can_stop() const;
  bool reached_limits();
  bool closes_window(int64_t batches_done) const;
  void move_schedulers(Interval interval, bool plateau);
  void log_step_row();

  // --- fit_lightning.cpp: TrainerOptions::lightning_compatible -------------------------------------------------------
  void follow_counters();
  void start_epoch_as_lightning();
  bool more_batches_as_lightning();
  void pass_over_validation();

  Run& run_;
  Progress& at_;
  LightningCounters& counted_;
  ModuleSteps& module_steps_;
  const LoaderRequests& requests_;
  std::string ckpt_path_;
  BatchSlot batch_, ahead_;
  bool values_shown_ = false;  ///< the step's metrics are where callbacks look
  int64_t evaluations_ = 0;    ///< of the step under way
  bool have_ahead_ = false, steps_ = false, automatic_ = true, started_ = false;
  int64_t train_loaded_in_ = 0, val_loaded_in_ = 0;  ///< epochs in which loaders were asked for
  Stopwatch since_validation_;
  std::optional<SignalWatch> signals_;
  std::optional<StepGraph> graph_;
  std::unique_ptr<DataParallel> others_;  ///< devices beside the first, if there are any
  std::unique_ptr<autograd::DetectAnomalyGuard> anomaly_;
};

}  // namespace fulmen::trainer
