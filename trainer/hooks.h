#pragma once
#include <fulmen/tensor/tensor.h>

#include <optional>
#include <string>

namespace fulmen::optim {
class Optimizer;
}

namespace fulmen::trainer {

struct Checkpoint;

/// Which of the four entry points is running.
enum class Stage : uint8_t { Fit, Validate, Test, Predict };
/// "fit", "validate", "test", "predict"
const char* stage_name(Stage stage);

/// How gradients are bounded: by the norm over all of them, or element by element.
enum class ClipAlgorithm : uint8_t { Norm, Value };

/// The hooks of a module that do not see a batch, with Lightning's names and in Lightning's order
/// (`Trainer::explain()` prints it). They do nothing; override what you need. Callbacks have hooks of the same names,
/// which run first.
struct Hooks {
  virtual ~Hooks() = default;

  /// Before everything else: download, unpack.
  virtual void prepare_data() {}
  virtual void setup(Stage) {}
  virtual void teardown(Stage) {}
  /// Builds layers that are too expensive for the constructor.
  virtual void configure_model() {}

  virtual void on_fit_start() {}
  virtual void on_fit_end() {}
  virtual void on_train_start() {}
  virtual void on_train_end() {}
  /// Around every epoch of training, validation, test and prediction.
  virtual void on_epoch_start() {}
  virtual void on_epoch_end() {}
  virtual void on_train_epoch_start() {}
  virtual void on_train_epoch_end() {}

  virtual void on_validation_start() {}
  virtual void on_validation_end() {}
  virtual void on_validation_epoch_start() {}
  virtual void on_validation_epoch_end() {}
  virtual void on_test_start() {}
  virtual void on_test_end() {}
  virtual void on_test_epoch_start() {}
  virtual void on_test_epoch_end() {}
  virtual void on_predict_start() {}
  virtual void on_predict_end() {}
  virtual void on_predict_epoch_start() {}
  virtual void on_predict_epoch_end() {}

  virtual void on_before_zero_grad(optim::Optimizer&) {}
  virtual void on_before_backward(const Tensor& /*loss*/) {}
  virtual void on_after_backward() {}
  /// The gradients are complete, and not clipped yet.
  virtual void on_before_optimizer_step(optim::Optimizer&) {}

  /// Add to a checkpoint, or read back what was added, beside what the trainer keeps there anyway.
  virtual void on_save_checkpoint(Checkpoint&) {}
  virtual void on_load_checkpoint(const Checkpoint&) {}
};

}  // namespace fulmen::trainer
