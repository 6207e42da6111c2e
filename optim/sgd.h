#pragma once
#include <fulmen/optim/optimizer.h>

namespace fulmen::optim {

struct SGDOptions : public OptimizerCloneableOptions<SGDOptions> {
  SGDOptions(double lr = 1e-3);
  FULMEN_ARG(double, lr);
  FULMEN_ARG(double, momentum) = 0;
  FULMEN_ARG(double, dampening) = 0;
  FULMEN_ARG(double, weight_decay) = 0;
  FULMEN_ARG(bool, nesterov) = false;
  FULMEN_ARG(bool, maximize) = false;

 public:
  double get_lr() const override { return lr(); }
  void set_lr(double value) override { lr(value); }
  std::vector<OptionField> fields() override;
};

struct SGDParamState : public OptimizerCloneableParamState<SGDParamState> {
  FULMEN_ARG(Tensor, momentum_buffer);

 public:
  NamedState named_tensors() override;
};

/// Stochastic gradient descent: g += weight_decay p; b = momentum b + (1 - dampening) g; p -= lr b (with Nesterov's
/// variant p -= lr (g + momentum b)). The first b of a parameter is its g.
class SGD : public Optimizer {
 public:
  explicit SGD(const std::vector<OptimizerParamGroup>& groups, SGDOptions defaults = {});
  explicit SGD(std::vector<Tensor> params, SGDOptions defaults = {});
  Tensor step(LossClosure closure = nullptr) override;

 protected:
  std::unique_ptr<OptimizerParamState> make_state() const override;
};

}  // namespace fulmen::optim
