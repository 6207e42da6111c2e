#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/callback.h>

namespace fulmen::trainer {

/// A callback made of functions, for the hooks that are given:
///
///     LambdaCallback({.on_train_epoch_end = [](Trainer& trainer, auto&) { trainer.print("another one"); }})
class LambdaCallback : public Callback {
 public:
  using Hook = AnyFunction<void(Trainer&, AnyLightningModule&)>;
  using StageHook = AnyFunction<void(Trainer&, AnyLightningModule&, Stage)>;
  using OptimizerHook = AnyFunction<void(Trainer&, AnyLightningModule&, optim::Optimizer&)>;
  using BatchStart = AnyFunction<void(Trainer&, AnyLightningModule&, const AnyRef&, int64_t)>;
  using BatchEnd = AnyFunction<void(Trainer&, AnyLightningModule&, const StepOutput&, const AnyRef&, int64_t)>;
  struct Functions {
    StageHook setup = {}, teardown = {};
    Hook on_fit_start = {}, on_fit_end = {}, on_sanity_check_start = {}, on_sanity_check_end = {};
    Hook on_train_start = {}, on_train_end = {}, on_epoch_start = {}, on_epoch_end = {};
    Hook on_train_epoch_start = {}, on_train_epoch_end = {};
    BatchStart on_train_batch_start = {};
    BatchEnd on_train_batch_end = {};
    OptimizerHook on_before_zero_grad = {}, on_before_optimizer_step = {};
    AnyFunction<void(Trainer&, AnyLightningModule&, const Tensor&)> on_before_backward = {};
    Hook on_after_backward = {};
    Hook on_validation_start = {}, on_validation_end = {}, on_validation_epoch_start = {}, on_validation_epoch_end = {};
    Hook on_test_start = {}, on_test_end = {}, on_test_epoch_start = {}, on_test_epoch_end = {};
    Hook on_predict_start = {}, on_predict_end = {}, on_predict_epoch_start = {}, on_predict_epoch_end = {};
    AnyFunction<void(Trainer&, AnyLightningModule&, const std::exception&)> on_exception = {};
    AnyFunction<void(Trainer&, AnyLightningModule&, Checkpoint&)> on_save_checkpoint = {};
    AnyFunction<void(Trainer&, AnyLightningModule&, const Checkpoint&)> on_load_checkpoint = {};
  };
  explicit LambdaCallback(Functions functions) : f_(std::move(functions)) {}

  void setup(Trainer& t, Module& m, Stage stage) override { run(f_.setup, t, m, stage); }
  void teardown(Trainer& t, Module& m, Stage stage) override { run(f_.teardown, t, m, stage); }
#define FULMEN_LAMBDA_HOOK(name) \
  void name(Trainer& t, Module& m) override { run(f_.name, t, m); }
  // clang-format off
  FULMEN_LAMBDA_HOOK(on_fit_start)
  FULMEN_LAMBDA_HOOK(on_fit_end)
  FULMEN_LAMBDA_HOOK(on_sanity_check_start)
  FULMEN_LAMBDA_HOOK(on_sanity_check_end)
  FULMEN_LAMBDA_HOOK(on_train_start)
  FULMEN_LAMBDA_HOOK(on_train_end)
  FULMEN_LAMBDA_HOOK(on_epoch_start)
  FULMEN_LAMBDA_HOOK(on_epoch_end)
  FULMEN_LAMBDA_HOOK(on_train_epoch_start)
  FULMEN_LAMBDA_HOOK(on_train_epoch_end)
  FULMEN_LAMBDA_HOOK(on_after_backward)
  FULMEN_LAMBDA_HOOK(on_validation_start)
  FULMEN_LAMBDA_HOOK(on_validation_end)
  FULMEN_LAMBDA_HOOK(on_validation_epoch_start)
  FULMEN_LAMBDA_HOOK(on_validation_epoch_end)
  FULMEN_LAMBDA_HOOK(on_test_start)
  FULMEN_LAMBDA_HOOK(on_test_end)
  FULMEN_LAMBDA_HOOK(on_test_epoch_start)
  FULMEN_LAMBDA_HOOK(on_test_epoch_end)
  FULMEN_LAMBDA_HOOK(on_predict_start)
  FULMEN_LAMBDA_HOOK(on_predict_end)
  FULMEN_LAMBDA_HOOK(on_predict_epoch_start)
  FULMEN_LAMBDA_HOOK(on_predict_epoch_end)
  // clang-format on
#undef FULMEN_LAMBDA_HOOK
  void on_train_batch_start(Trainer& t, Module& m, const AnyRef& batch, int64_t i) override {
    run(f_.on_train_batch_start, t, m, batch, i);
  }
  void on_train_batch_end(Trainer& t, Module& m, const StepOutput& output, const AnyRef& batch, int64_t i) override {
    run(f_.on_train_batch_end, t, m, output, batch, i);
  }
  void on_before_zero_grad(Trainer& t, Module& m, optim::Optimizer& o) override {
    run(f_.on_before_zero_grad, t, m, o);
  }
  void on_before_optimizer_step(Trainer& t, Module& m, optim::Optimizer& o) override {
    run(f_.on_before_optimizer_step, t, m, o);
  }
  void on_before_backward(Trainer& t, Module& m, const Tensor& loss) override {
    run(f_.on_before_backward, t, m, loss);
  }
  void on_exception(Trainer& t, Module& m, const std::exception& e) override { run(f_.on_exception, t, m, e); }
  void on_save_checkpoint(Trainer& t, Module& m, Checkpoint& c) override { run(f_.on_save_checkpoint, t, m, c); }
  void on_load_checkpoint(Trainer& t, Module& m, const Checkpoint& c) override { run(f_.on_load_checkpoint, t, m, c); }

 private:
  template <class F, class... A>
  static void run(const F& function, A&... arguments) {
    if (function) function(arguments...);
  }
  Functions f_;
};

}  // namespace fulmen::trainer
