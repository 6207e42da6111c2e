#pragma once
#include <fulmen/trainer/fields.h>
#include <fulmen/trainer/hooks.h>

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fulmen::trainer {

struct Callback;
class Logger;

/// A number of batches, or a fraction of all of them: `.limit_val_batches = 10`, `= 0.25`. For val_check_interval also
/// a time, "DD:HH:MM:SS".
class Amount {
 public:
  constexpr Amount(int batches) : Amount(static_cast<int64_t>(batches)) {}
  constexpr Amount(int64_t batches) : count_(batches) {}
  constexpr Amount(double fraction) : fraction_(fraction), kind_(Kind::Fraction) {}
  /// Throws E016 if it is no time.
  Amount(const char* time);
  constexpr bool is_count() const { return kind_ == Kind::Count; }
  constexpr bool is_fraction() const { return kind_ == Kind::Fraction; }
  constexpr bool is_duration() const { return kind_ == Kind::Duration; }
  constexpr int64_t count() const { return count_; }
  constexpr double fraction() const { return fraction_; }
  constexpr double seconds() const { return fraction_; }
  friend constexpr bool operator==(const Amount&, const Amount&) = default;

 private:
  enum class Kind : uint8_t { Count, Fraction, Duration };
  int64_t count_ = 0;
  double fraction_ = 0;  // or seconds
  Kind kind_ = Kind::Count;
};

/// Seconds of "DD:HH:MM:SS" ("01:12:00:00" is a day and a half); throws E016, naming the option, for anything else.
double seconds_of(const std::string& time, const char* option);

/// Devices of the accelerator: how many (`devices = 1`), which ones (`devices = {1}`), or "auto". On a command line "1"
/// is how many and "1," which one, as in Lightning. "auto" is one.
class Devices {
 public:
  Devices() = default;
  Devices(int count) : count_(count) {}
  Devices(std::initializer_list<int> numbers) : count_(static_cast<int64_t>(numbers.size())), numbers_(numbers) {}
  /// Throws E016 for anything but the forms above.
  Devices(const std::string& text);
  Devices(const char* text) : Devices(std::string(text)) {}
  bool is_auto() const { return count_ < 0; }
  int64_t count() const { return is_auto() ? 1 : count_; }
  /// The numbers of those to use; the first one.
  std::vector<int> numbers() const;
  int first() const { return numbers_.empty() ? 0 : numbers_[0]; }
  std::string text() const;
  friend bool operator==(const Devices&, const Devices&) = default;

 private:
  int64_t count_ = -1;
  std::vector<int> numbers_;
};

/// "simple": a table of where the time went, at the end of every run; or a Profiler of your own.
class ProfilerChoice {
 public:
  ProfilerChoice() = default;
  /// Throws E016 for anything but "simple" and "none".
  ProfilerChoice(const std::string& name);
  ProfilerChoice(const char* name) : ProfilerChoice(std::string(name)) {}
  template <std::derived_from<Callback> P>
  ProfilerChoice(std::shared_ptr<P> profiler) : profiler_(std::move(profiler)) {}
  bool is_simple() const { return simple_; }
  const std::shared_ptr<Callback>& given() const { return profiler_; }

 private:
  bool simple_ = false;
  std::shared_ptr<Callback> profiler_;
};

/// What happens at the first loss that is infinite or not a number: error E006, the batch is left out, or nothing.
enum class OnNonfinite : uint8_t { Stop, Skip, Ignore };

/// The trainer's settings, with Lightning's names and defaults. Out of range: error E016.
struct TrainerOptions {
  /// Epochs at most; -1 for no limit. Not set: 1000, or no limit when max_steps is set.
  std::optional<int64_t> max_epochs = {};
  /// Epochs and steps that must be done before a callback may stop the run.
  std::optional<int64_t> min_epochs = {};
  std::optional<int64_t> min_steps = {};
  /// Optimizer steps at most; -1 for no limit. The epoch that is under way ends without validation.
  int64_t max_steps = -1;
  /// Time after which the fit ends, "DD:HH:MM:SS"; empty for no limit.
  std::string max_time = {};

  /// How much of a loader is used: a number of batches or a fraction; 0 leaves the stage out.
  Amount limit_train_batches = 1.0;
  Amount limit_val_batches = 1.0;
  Amount limit_test_batches = 1.0;
  Amount limit_predict_batches = 1.0;
  /// Limits training and validation to the same few batches, without shuffling: can the model learn them by heart?
  Amount overfit_batches = 0;
  /// A trial run of this many batches of every kind: one epoch, no sanity check, checkpoints or logs.
  int64_t fast_dev_run = 0;

  /// How often validation runs within an epoch: every so many batches, after every such fraction of the epoch, or
  /// whenever so much time has passed ("00:00:10:00").
  Amount val_check_interval = 1.0;
  /// Validate in every n-th epoch only. Empty: val_check_interval counts batches across epochs.
  std::optional<int64_t> check_val_every_n_epoch = 1;
  /// Validation batches that are tried before training begins; -1 for all.
  int64_t num_sanity_val_steps = 2;

  /// Asks for new loaders in every n-th epoch; 0 keeps the first.
  int64_t reload_dataloaders_every_n_epochs = 0;

  /// A row of step metrics every so many optimizer steps; 0 for none.
  int64_t log_every_n_steps = 50;
  bool enable_checkpointing = true;
  bool enable_progress_bar = true;
  bool enable_model_summary = true;
  /// Loggers get the hyperparameters at the beginning of a run.
  bool enable_autolog_hparams = true;

  /// Gradients of so many batches are averaged into one optimizer step.
  int64_t accumulate_grad_batches = 1;
  std::optional<double> gradient_clip_val = {};
  ClipAlgorithm gradient_clip_algorithm = ClipAlgorithm::Norm;
  OnNonfinite on_nonfinite = OnNonfinite::Stop;

  /// A backward pass that fails, or gives NaN, names the forward call it belongs to. Slow; for finding errors.
  bool detect_anomaly = false;

  ProfilerChoice profiler = {};
  /// Only the training itself, to measure it: no checkpoints, loggers, progress bar, summary, sanity check or profiler,
  /// and log() does nothing.
  bool barebones = false;

  /// Does what Lightning does also where this trainer deviates on purpose. For comparing runs: the last, shorter
  /// accumulation window is divided by the full length, and outputs["loss"] is divided; global_step counts the steps of
  /// all optimizers, and batches that returned `skip`; a scheduler's frequency counts batches; a stop that was asked
  /// for before min_epochs stays asked for; a loss that is not finite is learned from; an exception skips teardown; a
  /// fit that goes on within an epoch begins its data anew,
  /// and a second fit of a trainer goes on where the first ended.
  bool lightning_compatible = false;

  /// validate, test and predict run in inference mode instead of no_grad.
  bool inference_mode = true;
  /// "32-true"; "64-true", "bf16-true" or "16-true" for parameters and batches of that type; "bf16-mixed" or "16-mixed"
  /// for float32 parameters and steps under Autocast, the latter with a scaled loss (GradScaler).
  std::string precision = "32-true";
  /// "auto" (a CUDA device if there is one), "cpu" or "cuda"; "cuda" without a device: error E018.
  std::string accelerator = "auto";
  /// Several CUDA devices: a fit takes a batch of the loader for each of them per optimizer step, adds up the gradients
  /// weighted by samples (NCCL), and logs means over devices, so that N devices with batches of b samples train like
  /// one with N b (the statistics of batch norm are the first device's). Hooks, callbacks, validate, test and predict
  /// work on the first one. Not with cuda_graph, OnNonfinite::Skip, or automatic_optimization = false.
  Devices devices = {};
  /// With CUDA: after three ordinary steps one training step is recorded, from the batch to the new weights, and
  /// replayed for all batches of its form. For small models, where the host's work per kernel counts. The step must not
  /// wait for the device (item(), printing), and its code and hooks from training_step to on_before_optimizer_step do
  /// not run again; what it logged is logged in every replay. Not with accumulate_grad_batches, an optimizer_step of
  /// the module, or OnNonfinite::Skip.
  bool cuda_graph = false;
  /// Where logs and checkpoints go if nothing else says so.
  std::string default_root_dir = ".";
  /// The default logger, a CsvLogger under default_root_dir, if `loggers` is empty.
  bool logger = true;
  std::vector<std::shared_ptr<Logger>> loggers = {};
  std::vector<std::shared_ptr<Callback>> callbacks = {};

  /// The options that a command line can set.
  void fields(FieldVisitor& f);
};

/// Every epoch ends with its one validation, so that "after an epoch" and "after a validation" are the same moment.
bool validates_once_per_epoch(const TrainerOptions& options);

/// Arguments of one fit.
struct FitOptions {
  /// A checkpoint to go on from. "last": the newest last.ckpt in the folders of this trainer's ModelCheckpoints, also
  /// of an earlier process; without one the fit begins at its start. "best": the best one of this trainer's last fit.
  std::string ckpt_path = {};
};
/// Arguments of one validate, test or predict.
struct RunOptions {
  /// A checkpoint whose weights are loaded first; "best" and "last" are the ones of this trainer's fit.
  std::string ckpt_path = {};
  /// Print the results to standard error.
  bool verbose = true;
};

}  // namespace fulmen::trainer
