#pragma once
#include <fulmen/optim/optimizer.h>

namespace fulmen::optim {

struct RMSpropOptions : public OptimizerCloneableOptions<RMSpropOptions> {
  RMSpropOptions(double lr = 1e-2);
  FULMEN_ARG(double, lr);
  FULMEN_ARG(double, alpha) = 0.99;
  FULMEN_ARG(double, eps) = 1e-8;
  FULMEN_ARG(double, weight_decay) = 0;
  FULMEN_ARG(double, momentum) = 0;
  FULMEN_ARG(bool, centered) = false;

 public:
  double get_lr() const override { return lr(); }
  void set_lr(double value) override { lr(value); }
  std::vector<OptionField> fields() override;
};

struct RMSpropParamState : public OptimizerCloneableParamState<RMSpropParamState> {
  FULMEN_ARG(int64_t, step) = 0;
  FULMEN_ARG(Tensor, square_avg);
  FULMEN_ARG(Tensor, momentum_buffer) = {};
  FULMEN_ARG(Tensor, grad_avg) = {};

 public:
  NamedState named_tensors() override;
  int64_t* step_count() override { return &step_; }
};

/// Divides a gradient by the root of the running mean of its squares: v = alpha v + (1 - alpha) g^2,
/// p -= lr g / (sqrt(v) + eps) (Hinton's lecture 6e). `centered` takes the square of the running mean of g from v
/// (Graves 2013); with `momentum` the quotients are summed up first.
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(const std::vector<OptimizerParamGroup>& groups, RMSpropOptions defaults = {});
  explicit RMSprop(std::vector<Tensor> params, RMSpropOptions defaults = {});
  Tensor step(LossClosure closure = nullptr) override;

 protected:
  std::unique_ptr<OptimizerParamState> make_state() const override;
};

}  // namespace fulmen::optim
