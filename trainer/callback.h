#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/hooks.h>
#include <fulmen/trainer/step_output.h>

#include <exception>
#include <typeinfo>

namespace fulmen::trainer {

class Trainer;
class AnyLightningModule;

/// A batch or a prediction as callbacks see it: of a type that only the module knows.
class AnyRef {
 public:
  AnyRef(const void* object, const std::type_info& type) : object_(object), type_(&type) {}
  /// The object, or null when it is not a T.
  template <class T>
  const T* as() const {
    return *type_ == typeid(T) ? static_cast<const T*>(object_) : nullptr;
  }
  const std::type_info& type() const { return *type_; }

 private:
  const void* object_;
  const std::type_info* type_;
};

/// What can be done from outside the module: every hook does nothing until it is overridden. They run before the
/// module's hooks of the same name, in the order of `TrainerOptions::callbacks`.
struct Callback {
  using Module = AnyLightningModule;

  virtual ~Callback() = default;

  virtual void setup(Trainer&, Module&, Stage) {}
  virtual void teardown(Trainer&, Module&, Stage) {}
  virtual void on_fit_start(Trainer&, Module&) {}
  virtual void on_fit_end(Trainer&, Module&) {}
  virtual void on_sanity_check_start(Trainer&, Module&) {}
  virtual void on_sanity_check_end(Trainer&, Module&) {}

  virtual void on_train_start(Trainer&, Module&) {}
  virtual void on_train_end(Trainer&, Module&) {}
  virtual void on_epoch_start(Trainer&, Module&) {}
  virtual void on_epoch_end(Trainer&, Module&) {}
  virtual void on_train_epoch_start(Trainer&, Module&) {}
  virtual void on_train_epoch_end(Trainer&, Module&) {}
  virtual void on_train_batch_start(Trainer&, Module&, const AnyRef& /*batch*/, int64_t /*batch_idx*/) {}
  virtual void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef& /*batch*/,
                                  int64_t /*batch_idx*/) {}
  virtual void on_before_zero_grad(Trainer&, Module&, optim::Optimizer&) {}
  virtual void on_before_backward(Trainer&, Module&, const Tensor& /*loss*/) {}
  virtual void on_after_backward(Trainer&, Module&) {}
  virtual void on_before_optimizer_step(Trainer&, Module&, optim::Optimizer&) {}

  virtual void on_validation_start(Trainer&, Module&) {}
  virtual void on_validation_end(Trainer&, Module&) {}
  virtual void on_validation_epoch_start(Trainer&, Module&) {}
  virtual void on_validation_epoch_end(Trainer&, Module&) {}
  virtual void on_validation_batch_start(Trainer&, Module&, const AnyRef&, int64_t /*batch_idx*/, int64_t /*loader*/) {}
  virtual void on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) {}

  virtual void on_test_start(Trainer&, Module&) {}
  virtual void on_test_end(Trainer&, Module&) {}
  virtual void on_test_epoch_start(Trainer&, Module&) {}
  virtual void on_test_epoch_end(Trainer&, Module&) {}
  virtual void on_test_batch_start(Trainer&, Module&, const AnyRef&, int64_t /*batch_idx*/, int64_t /*loader*/) {}
  virtual void on_test_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) {}

  virtual void on_predict_start(Trainer&, Module&) {}
  virtual void on_predict_end(Trainer&, Module&) {}
  virtual void on_predict_epoch_start(Trainer&, Module&) {}
  virtual void on_predict_epoch_end(Trainer&, Module&) {}
  virtual void on_predict_batch_start(Trainer&, Module&, const AnyRef&, int64_t /*batch_idx*/, int64_t /*loader*/) {}
  virtual void on_predict_batch_end(Trainer&, Module&, const AnyRef& /*prediction*/, const AnyRef&, int64_t, int64_t) {}

  virtual void on_exception(Trainer&, Module&, const std::exception&) {}
  virtual void on_save_checkpoint(Trainer&, Module&, Checkpoint&) {}
  virtual void on_load_checkpoint(Trainer&, Module&, const Checkpoint&) {}

  /// What the callback wants back when a run is resumed, as JSON; empty for nothing.
  virtual std::string state_dict() const { return {}; }
  virtual void load_state_dict(const std::string& /*json*/) {}
  /// Tells this callback's state from others' in a checkpoint. Two callbacks with state need different keys.
  virtual std::string state_key() const;

  /// When it runs among the others. Tuners run first, callbacks that read metrics after the module's
  /// on_train_epoch_end, and those that save last.
  enum class Order : uint8_t { Tune, Normal, Monitor, Save };
  virtual Order order() const { return Order::Normal; }
};

}  // namespace fulmen::trainer
