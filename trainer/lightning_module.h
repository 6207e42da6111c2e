#pragma once
#include <fulmen/data/batch.h>
#include <fulmen/data/loader.h>
#include <fulmen/data/preprocessor.h>
#include <fulmen/nn/module.h>
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/fields.h>
#include <fulmen/trainer/lightning_optimizer.h>
#include <fulmen/trainer/metrics.h>
#include <fulmen/trainer/optimizers.h>

namespace fulmen::trainer {

class MetricBook;
class Logger;
namespace metric {
class Metric;
}

/// The part of a LightningModule that does not depend on what a batch and a prediction are: what the trainer's loops
/// and the callbacks see.
class AnyLightningModule : public nn::Module, public Hooks {
 public:
  AnyLightningModule() = default;
  ~AnyLightningModule() override;

  /// The optimizer, and schedulers if there are any; a module that is trained must override it.
  virtual Optimizers configure_optimizers();
  /// False: training_step itself computes gradients (manual_backward) and steps its optimizers.
  bool automatic_optimization = true;
  /// False: a checkpoint may lack some of the weights, or have others besides.
  bool strict_loading = true;
  /// Callbacks that the module brings along; they replace the trainer's of the same type.
  virtual std::vector<std::shared_ptr<Callback>> configure_callbacks() { return {}; }

  // --- verbs: what the trainer does in each step, to be changed where that is not enough -----------------------------
  /// Must run the closure, which computes loss and gradients; the default is `optimizer.step(closure)`.
  virtual void optimizer_step(int64_t epoch, int64_t batch_idx, optim::Optimizer& optimizer,
                              const optim::Optimizer::LossClosure& closure);
  virtual void optimizer_zero_grad(int64_t epoch, int64_t batch_idx, optim::Optimizer& optimizer);
  virtual void backward(const Tensor& loss);
  /// Called before every optimizer step, with the trainer's options; the default is clip_gradients.
  virtual void configure_gradient_clipping(optim::Optimizer& optimizer, std::optional<double> clip_val,
                                           ClipAlgorithm algorithm);
  /// Throws E016 if the trainer has another gradient_clip_val.
  void clip_gradients(optim::Optimizer& optimizer, std::optional<double> clip_val, ClipAlgorithm algorithm);
  /// Moves a scheduler; `metric` is the monitored one, for a scheduler that looks at it.
  virtual void lr_scheduler_step(const Optimizers::Scheduled& scheduled, std::optional<double> metric);
  /// Before validation within a fit: drops the gradients, whose memory nobody needs now.
  virtual void on_validation_model_zero_grad();
  /// Into evaluation mode, and back to what every submodule was before.
  virtual void on_validation_model_eval();
  virtual void on_validation_model_train();
  virtual void on_test_model_eval();
  virtual void on_test_model_train();
  virtual void on_predict_model_eval();
  virtual void on_predict_model_train();

  // --- logging -------------------------------------------------------------------------------------------------------
  /// Reports a value: a number, or a tensor of one element, which keeps no graph alive. See LogOptions for what is
  /// reported when. Not allowed in hooks that run outside of epochs, nor in predict (E012).
  void log(std::string_view name, const Tensor& value, const LogOptions& options = {});
  void log(std::string_view name, double value, const LogOptions& options = {});
  /// A metric that is a member of this module and was updated with the batch: what it makes of all batches is reported
  /// at the end of the epoch, and it begins anew in the next.
  void log(std::string_view name, metric::Metric& metric, const LogOptions& options = {});
  template <class T>
  requires(!std::convertible_to<T, Tensor> && !std::convertible_to<T, double> &&
           !std::convertible_to<T*, metric::Metric*>) void log(std::string_view, const T&, const LogOptions& = {}) {
    static_assert(sizeof(T) == 0, "log() takes a number, a Tensor of one element, or a metric");
  }
  void log_dict(const Dict& values, const LogOptions& options = {});
  void log_dict(const Metrics& values, const LogOptions& options = {});
  /// Writes a line to standard error without tearing the progress bar.
  void print(std::string_view line) const;

  // --- state of the run ----------------------------------------------------------------------------------------------
  /// The trainer that runs this module now; an error if there is none.
  Trainer& trainer() const;
  bool has_trainer() const { return trainer_ != nullptr; }
  /// Epochs completed.
  int64_t current_epoch() const;
  /// Optimizer steps taken.
  int64_t global_step() const;
  /// An optimizer of the fit that is under way. Its step() runs on_before_optimizer_step and is counted.
  LightningOptimizer optimizer(int64_t index = 0) const;
  std::vector<LightningOptimizer> optimizers() const;
  /// The fit's schedulers; with automatic_optimization = false nobody else moves them.
  const std::vector<Optimizers::Scheduled>& lr_schedulers() const;
  /// backward() of a loss with the hooks around it, for automatic_optimization = false.
  void manual_backward(const Tensor& loss);
  /// True: the trainer keeps what the steps of an epoch returned, without graph, until the epoch's end hooks have run.
  bool collect_step_outputs = false;
  /// Those of the epoch that is under way (of validation while that runs), in order, one loader after the other.
  const std::vector<StepOutput>& step_outputs() const;
  /// Only this optimizer's parameters require gradients, until untoggle_optimizer.
  void toggle_optimizer(const optim::Optimizer& optimizer);
  void untoggle_optimizer();
  /// toggle_optimizer while the returned object lives: `const auto only = toggled_optimizer(optimizer(0));`. An
  /// exception untoggles, too.
  [[nodiscard]] auto toggled_optimizer(const optim::Optimizer& optimizer) {
    struct Toggled {
      Toggled(AnyLightningModule& module_, const optim::Optimizer& optimizer_) : module(module_) {
        module.toggle_optimizer(optimizer_);
      }
      ~Toggled() { module.untoggle_optimizer(); }
      Toggled(const Toggled&) = delete;
      AnyLightningModule& module;
    };
    return Toggled(*this, optimizer);
  }
  /// If it is set, a fit begins by forwarding it, and ModelSummary shows what sizes every layer takes and gives.
  Tensor example_input_array;
  /// Where the first parameter lies, and what it is made of.
  Device device() const;
  ScalarType dtype() const;
  /// The trainer's first logger; null if there is none.
  Logger* logger() const;
  /// Parameters stop (and start again) to require gradients; freeze also switches to evaluation mode.
  void freeze();
  void unfreeze();

  // --- hyperparameters and transforms: what a checkpoint restores beside the weights ---------------------------------
  /// Remembers hyperparameters (a struct with `fields`) for logs and checkpoints, and returns them:
  /// `explicit Net(Hparams h) : hp(save_hyperparameters(h)) {}`.
  template <HasFields H>
  H save_hyperparameters(H hparams) {
    hparams_ = hparams_initial_ = fields_to_json(hparams);
    return hparams;
  }
  /// Hyperparameters that changed later, for checkpoints; hparams_initial() stays.
  template <HasFields H>
  void update_hyperparameters(H& hparams) {
    hparams_ = fields_to_json(hparams);
  }
  /// JSON of what save_hyperparameters was given; "{}" without. Checkpoints hold hparams(), logs hparams_initial().
  const std::string& hparams() const { return hparams_; }
  const std::string& hparams_initial() const { return hparams_initial_; }

  /// Registers something that was (or will be) fitted on training data, whose state then is part of every checkpoint,
  /// and returns it. Copies of a preprocessor share what was learnt, so the member and the registered one are one:
  /// `data::Standardize price = register_transform("price", data::Standardize());`.
  template <std::derived_from<data::Preprocessor> T>
  T register_transform(std::string name, T transform) {
    add_transform(std::move(name), std::make_shared<T>(transform));
    return transform;
  }
  struct RegisteredTransform {
    std::string name;
    std::shared_ptr<data::Preprocessor> transform;
  };
  const std::vector<RegisteredTransform>& transforms() const { return transforms_; }

 private:
  friend class Trainer;
  friend struct Run;
  friend class FitLoop;
  friend class ModelSummary;
  void add_transform(std::string name, std::shared_ptr<data::Preprocessor> transform);
  void log_unattached(std::string_view name);
  void remember_modes();
  void restore_modes();

  Trainer* trainer_ = nullptr;     // while it runs
  MetricBook* metrics_ = nullptr;  // of that trainer
  std::string hparams_ = "{}", hparams_initial_ = "{}";
  std::vector<RegisteredTransform> transforms_;
  std::vector<std::pair<nn::Module*, bool>> modes_;  // training flags to go back to
  std::vector<StepOutput> training_outputs_, evaluation_outputs_;
  bool evaluating_ = false;
  std::vector<Tensor> toggled_;  // parameters that have to require gradients again
};

/// A model together with how it is trained, in Lightning's words: steps, hooks, optimizers. `Batch` is a Tensor, an
/// Example, a Dict, or any struct of these; `Prediction` is what predict_step gives for a batch.
///
/// A module that is trained overrides training_step and configure_optimizers; everything else is optional.
template <class B = data::Example<>, class P = Tensor>
class LightningModule : public AnyLightningModule {
 public:
  using Batch = B;
  using Prediction = P;
  using Loader = data::DataLoader<B>;

  /// Computes the loss of a batch. Returns it, or a Dict that holds it as "loss", or `skip`.
  virtual StepOutput training_step(const B& /*batch*/, int64_t /*batch_idx*/) { return {}; }
  virtual StepOutput validation_step(const B& /*batch*/, int64_t /*batch_idx*/, int64_t /*dataloader_idx*/) {
    return {};
  }
  virtual StepOutput test_step(const B& /*batch*/, int64_t /*batch_idx*/, int64_t /*dataloader_idx*/) { return {}; }
  /// The prediction for a batch. Without an override the trainer calls `forward(batch)`, or `forward(batch.data)`.
  virtual P predict_step(const B& /*batch*/, int64_t /*batch_idx*/, int64_t /*dataloader_idx*/) {
    fail("predict_step: override it, or give the module a forward() that takes the batch or its data");
  }
  /// Sees what the step returned and may replace it; what comes out is minimised.
  virtual StepOutput training_step_end(StepOutput output) { return output; }
  virtual StepOutput validation_step_end(StepOutput output) { return output; }
  virtual StepOutput test_step_end(StepOutput output) { return output; }

  /// Loaders of the module's own, for entry points that are called without one.
  virtual Loader train_dataloader() { return {}; }
  virtual std::vector<Loader> val_dataloader() { return {}; }
  virtual std::vector<Loader> test_dataloader() { return {}; }
  virtual std::vector<Loader> predict_dataloader() { return {}; }

  /// Returning -1 ends the epoch here.
  virtual int on_train_batch_start(const B& /*batch*/, int64_t /*batch_idx*/) { return 0; }
  virtual void on_train_batch_end(const StepOutput&, const B& /*batch*/, int64_t /*batch_idx*/) {}
  virtual void on_validation_batch_start(const B& /*batch*/, int64_t /*batch_idx*/, int64_t /*dataloader_idx*/) {}
  virtual void on_validation_batch_end(const StepOutput&, const B&, int64_t, int64_t) {}
  virtual void on_test_batch_start(const B& /*batch*/, int64_t /*batch_idx*/, int64_t /*dataloader_idx*/) {}
  virtual void on_test_batch_end(const StepOutput&, const B&, int64_t, int64_t) {}
  virtual void on_predict_batch_start(const B& /*batch*/, int64_t /*batch_idx*/, int64_t /*dataloader_idx*/) {}
  virtual void on_predict_batch_end(const P& /*prediction*/, const B&, int64_t, int64_t) {}

  /// Between the loader and the step: change a batch before or after it moves, or move it yourself.
  virtual B on_before_batch_transfer(B batch, int64_t /*dataloader_idx*/) { return batch; }
  virtual B transfer_batch_to_device(B batch, Device device, int64_t /*dataloader_idx*/) {
    return data::to_device(std::move(batch), device);
  }
  virtual B on_after_batch_transfer(B batch, int64_t /*dataloader_idx*/) { return batch; }
};

}  // namespace fulmen::trainer
