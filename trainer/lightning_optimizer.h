#pragma once
#include <fulmen/trainer/optimizers.h>

namespace fulmen::trainer {

class Trainer;

/// An optimizer in the hands of a training step (automatic_optimization = false): step() runs
/// on_before_optimizer_step and is counted in global_step. A small value, good while the fit runs.
class LightningOptimizer {
 public:
  LightningOptimizer(Trainer& trainer, optim::Optimizer& optimizer) : trainer_(&trainer), optimizer_(&optimizer) {}

  /// With a closure, which computes loss and gradients, the loss that it gave.
  Tensor step(const optim::Optimizer::LossClosure& closure = nullptr);
  void zero_grad(bool set_to_none = true) { optimizer_->zero_grad(set_to_none); }
  std::vector<optim::OptimizerParamGroup>& param_groups() const { return optimizer_->param_groups(); }
  optim::Optimizer& get() const { return *optimizer_; }
  operator optim::Optimizer&() const { return *optimizer_; }

 private:
  Trainer* trainer_;
  optim::Optimizer* optimizer_;
};

}  // namespace fulmen::trainer
