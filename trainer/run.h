#pragma once
#include <fulmen/trainer/lightning_counters.h>
#include <fulmen/trainer/metric_book.h>
#include <fulmen/trainer/precision.h>
#include <fulmen/trainer/trainer.h>

// What the loops share while a run is under way. Private to the trainer's sources.
namespace fulmen::trainer {

/// How far a fit has come: with weights, optimizer, random streams and sampler (see Checkpoint) everything that a
/// resumed run needs.
struct Progress {
  /// What of the epoch is done; a checkpoint can be written at each of these points.
  enum class Point : uint8_t {
    EpochStart,   ///< nothing
    BatchDone,    ///< `batches` batches; the last one's row in the log and its validation are still to come
    Validated,    ///< the validation after them, too
    BatchClosed,  ///< and everything else that follows from them
    EpochDone,    ///< all of it: the next epoch comes next
  };
  Point point = Point::EpochStart;
  bool epoch_was_done = false;  ///< restored from EpochDone: `epoch` is still to be counted
  bool cut_short = false;       ///< the epoch before `epoch` ended after `batches` batches, because the fit did
  int64_t epoch = 0;            ///< epochs completed
  int64_t batches = 0;          ///< batches done in this epoch
  int64_t global_step = 0;      ///< optimizer steps
  int64_t stepped = 0;          ///< batches that ended in an optimizer step; the loggers' clock
  int64_t total_batches = 0;    ///< batches done in all epochs
  bool last_batch = false;      ///< the last of `batches` is the epoch's last one
  bool window_filled = false;   ///< there are gradients of batches in the accumulation window
  int64_t window = 1;           ///< batches that it was to hold when the checkpoint was written
  std::vector<int64_t> validation_batches;  ///< per loader, in all epochs
  LightningCounters counted;                ///< what a resumed run needs with lightning_compatible
};

/// A batch of a loader, in memory that is used again for the next one.
class BatchSlot {
 public:
  BatchSlot() = default;
  explicit BatchSlot(std::shared_ptr<data::LoaderEngine> loader)
      : loader_(std::move(loader)), batch_(loader_->source()->make_batch()) {}
  BatchSlot(BatchSlot&& other) noexcept { *this = std::move(other); }
  BatchSlot& operator=(BatchSlot&& other) noexcept {
    std::swap(loader_, other.loader_);
    std::swap(batch_, other.batch_);
    return *this;
  }
  ~BatchSlot() {
    if (batch_) loader_->source()->destroy_batch(batch_);
  }
  void* get() const { return batch_; }
  bool fill() { return loader_->next(batch_); }
  void take(BatchSlot& other) { loader_->source()->move_batch(other.batch_, batch_); }

 private:
  std::shared_ptr<data::LoaderEngine> loader_;
  void* batch_ = nullptr;
};

/// Thrown by a tuner that was all the run was for.
struct TunerExit {};

/// A moment of a fit that a checkpoint may have to go back to: one that is written while a batch is trained (in a hook,
/// or because the batch failed) must neither skip that batch nor train it twice.
struct Mark {
  Progress progress;
  std::vector<uint64_t> random, cuda_random;
  std::vector<int64_t> sampler;  ///< empty for a loader that can tell it from the position
  int64_t position = 0;
  MetricBook::Mark metrics;
  OrderedDict<std::string, Tensor> gradients{"Gradient"};  ///< that the fit was resumed with, in the middle of a window
  std::vector<Tensor> buffers;                             ///< values of Run::buffers
  std::vector<int64_t> versions;                           ///< of the tensors that they were copied from
};

struct Run {
  Run(Trainer& owner, TrainerOptions settings);

  Trainer& trainer;
  TrainerOptions options;
  int64_t max_epochs = 1000;
  std::vector<std::shared_ptr<Callback>> own_callbacks;  ///< of the options, with the default ones
  std::vector<std::shared_ptr<Callback>> callbacks;      ///< of this run, in the order in which they are called
  std::vector<std::shared_ptr<Logger>> loggers;
  MetricBook metrics;
  Progress progress;

  // The run under way.
  ModuleSteps* steps = nullptr;
  AnyLightningModule* module = nullptr;
  AnyDataModule* data_module = nullptr;
  const LoaderRequests* requests = nullptr;
  Optimizers optimizers;
  Device device{DeviceType::CPU};
  std::vector<int> devices;  ///< CUDA devices that a fit trains on; `device` is the first
  Precision precision;
  Stage stage = Stage::Fit;
  bool running = false, validating = false, sanity_checking = false, should_stop = false, interrupted = false;
  bool in_trial = false;          ///< a tuner tries something out: predictions go nowhere
  bool skip_backward = false;     ///< training steps only look at the data
  bool in_batch = false;          ///< metrics show step values
  bool stepped_in_batch = false;  ///< a module that steps its own optimizers has done so
  int64_t accumulate_grad_batches = 1;
  std::string resumed_from;  ///< the checkpoint that a fit goes on from
  std::shared_ptr<data::LoaderEngine> train_loader, current_loader;
  AnyFunction<void()> request_training_data;  ///< while a fit begins: asks for the loader now
  Engines val_loaders;
  bool val_loaders_requested = false, is_last_batch = false;
  std::vector<int64_t> resumed_sampler;
  std::vector<int64_t> before_ahead;  ///< the loader's state before the batch that was fetched ahead, if there is one
  /// What a checkpoint has to go back to now: nothing, the beginning of the batch under way, or (its gradients are
  /// being added to those of earlier batches) that of the accumulation window.
  enum class Unfinished : uint8_t { Nothing, Batch, Window };
  Unfinished unfinished = Unfinished::Nothing;
  Mark batch_mark, window_mark;
  OrderedDict<std::string, Tensor> buffers{"Buffer"};  ///< the module's, which training steps change as they compute
  std::vector<uint64_t> resumed_random, resumed_cuda_random;
  int64_t batch_idx = 0, num_training_batches = -1, val_check_batch = -1;
  std::vector<int64_t> num_val_batches;

  // --- run.cpp: beginning and end of every run -----------------------------------------------------------------------
  /// configure_callbacks, prepare_data, setup, configure_model, and the weights of the checkpoint at `ckpt_path`, which
  /// may be "best" or "last". Returns that checkpoint, if there is one.
  std::optional<Checkpoint> begin(Stage stage, ModuleSteps& steps, const LoaderRequests& requests,
                                  const std::string& ckpt_path);
  /// The file that "best" or "last" mean; any other path is itself. Empty if there is no "last" one yet.
  std::string path_of_checkpoint(const std::string& wanted) const;
  void forget_fit();
  /// teardown, and the loggers' end.
  void end();
  /// The exception that is being handled: told to callbacks and loggers, and given the place where it happened.
  void fail() noexcept;
  /// A batch of any loop begins: to the device and to the precision's type, and measured.
  void enter_batch(void* batch, int64_t dataloader_idx);
  void log_hyperparams();
  /// A row for the loggers; `step` -1 takes the training step and adds the epoch.
  void log_row(const Metrics& row, int64_t step = -1);
  void save_logs();
  void update_metrics(unsigned lists = MetricBook::All);
  /// The step under way has a row in the log, if it ends in an optimizer step.
  bool logs_this_step() const;

  /// Calls a hook of all callbacks, then of the module.
  template <class... A>
  void call(HookSite site, void (Callback::*of_callback)(Trainer&, AnyLightningModule&, A...),
            void (Hooks::*of_module)(A...), std::type_identity_t<A>... arguments) {
    call_callbacks(site, of_callback, arguments...);
    (module->*of_module)(arguments...);
  }
  template <class... A>
  void call_callbacks(HookSite site, void (Callback::*hook)(Trainer&, AnyLightningModule&, A...),
                      std::type_identity_t<A>... arguments) {
    metrics.site = site;
    for (const auto& callback : callbacks) (callback.get()->*hook)(trainer, *module, arguments...);
  }

  // --- fit_learn.cpp -------------------------------------------------------------------------------------------------
  /// module.backward with the hooks around it.
  void backward(const Tensor& loss);
  /// With a scaled loss: lets go of gradients that are not finite, and adjusts the scale.
  void close_scaled_step(optim::Optimizer& optimizer);
  /// A step of a module that optimizes manually: with its hook, and counted.
  Tensor step_optimizer(optim::Optimizer& optimizer, const optim::Optimizer::LossClosure& closure);

  // --- evaluation.cpp ------------------------------------------------------------------------------------------------
  /// One pass of validation or test over all loaders; at most `limits[i]` batches of loader i (-1: all).
  std::vector<Metrics> evaluate(Stage what, const Engines& loaders, const std::vector<int64_t>& limits);
  size_t predict(const Engines& loaders, const std::vector<int64_t>& limits);
  /// Batches to use of a loader under a limit, or steps that take so many `at_once`; -1 when nobody knows. Throws E016
  /// if a fraction leaves none.
  int64_t batches_of(const data::LoaderEngine& loader, const Amount& limit, const char* option,
                     int64_t at_once = 1) const;
  std::vector<int64_t> batches_of(const Engines& loaders, const Amount& limit, const char* option) const;

  // --- trial.cpp ---------------------------------------------------------------------------------------------------
  /// Callbacks that look for a batch size do so now: before an evaluation's loaders are asked for.
  void tune_evaluation();

  // --- resume.cpp ----------------------------------------------------------------------------------------------------
  Checkpoint state(bool weights_only);
  /// A batch begins, of which `sampler` is the loader's state (empty: its position says it all).
  void mark_batch(std::vector<int64_t> sampler);
  const Mark* mark_to_go_back_to() const;
  /// Running statistics and the like as they were before the batch under way: it fails, or is left out.
  void restore_buffers();
  Progress progress_to_save(const Mark* mark) const;
  std::vector<int64_t> sampler_state(const Mark* mark) const;
  void save_gradients(const Mark* mark, const Progress& at, Checkpoint& out) const;
  /// The step that closes the window under way is still to come, and there are gradients for it.
  bool window_open(const Progress& at) const;
  void restore_module_state(const Checkpoint& checkpoint, const std::string& path);
  /// Optimizer, schedulers, progress, metrics.
  void restore_training(const Checkpoint& checkpoint, const std::string& path);
  /// Gradients of an accumulation window that was under way.
  void restore_gradients(const Checkpoint& checkpoint);
  /// Random stream and sampler, once the loader is there.
  void restore_position(const std::string& path);
};

/// Ctrl-C and TERM only raise a flag while this exists; a second signal does what it did before.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  static bool raised();
};

/// Calls a hook of all callbacks and of the module: FULMEN_CALL(run, on_train_start, EpochOnly). What it may log is the
/// LogRule.
#define FULMEN_CALL(run, hook, rule, ...) \
  (run).call({#hook, LogRule::rule}, &Callback::hook, &Hooks::hook __VA_OPT__(, ) __VA_ARGS__)

}  // namespace fulmen::trainer
