#pragma once
#include <fulmen/optim/optimizer.h>

namespace fulmen::optim {

struct AdagradOptions : public OptimizerCloneableOptions<AdagradOptions> {
  AdagradOptions(double lr = 1e-2);
  FULMEN_ARG(double, lr);
  FULMEN_ARG(double, lr_decay) = 0;
  FULMEN_ARG(double, weight_decay) = 0;
  FULMEN_ARG(double, initial_accumulator_value) = 0;
  FULMEN_ARG(double, eps) = 1e-10;

 public:
  double get_lr() const override { return lr(); }
  void set_lr(double value) override { lr(value); }
  std::vector<OptionField> fields() override;
};

struct AdagradParamState : public OptimizerCloneableParamState<AdagradParamState> {
  FULMEN_ARG(Tensor, sum);
  FULMEN_ARG(int64_t, step) = 0;

 public:
  NamedState named_tensors() override;
  int64_t* step_count() override { return &step_; }
};

/// Divides a gradient by the root of the sum of all its squares so far: s += g^2,
/// p -= lr / (1 + (steps - 1) lr_decay) g / (sqrt(s) + eps) (Duchi, Hazan and Singer 2011).
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const std::vector<OptimizerParamGroup>& groups, AdagradOptions defaults = {});
  explicit Adagrad(std::vector<Tensor> params, AdagradOptions defaults = {});
  Tensor step(LossClosure closure = nullptr) override;

 protected:
  std::unique_ptr<OptimizerParamState> make_state() const override;
};

}  // namespace fulmen::optim
