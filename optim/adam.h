#pragma once
#include <fulmen/optim/optimizer.h>

#include <tuple>

namespace fulmen::optim {

struct AdamOptions : public OptimizerCloneableOptions<AdamOptions> {
  AdamOptions(double lr = 1e-3);
  FULMEN_ARG(double, lr);
  typedef std::tuple<double, double> betas_t;
  FULMEN_ARG(betas_t, betas) = betas_t(0.9, 0.999);
  FULMEN_ARG(double, eps) = 1e-8;
  FULMEN_ARG(double, weight_decay) = 0;
  FULMEN_ARG(bool, amsgrad) = false;
  FULMEN_ARG(bool, maximize) = false;

 public:
  double get_lr() const override { return lr(); }
  void set_lr(double value) override { lr(value); }
  std::vector<OptionField> fields() override;
};

struct AdamParamState : public OptimizerCloneableParamState<AdamParamState> {
  FULMEN_ARG(int64_t, step) = 0;
  FULMEN_ARG(Tensor, exp_avg);
  FULMEN_ARG(Tensor, exp_avg_sq);
  FULMEN_ARG(Tensor, max_exp_avg_sq) = {};

 public:
  NamedState named_tensors() override;
  int64_t* step_count() override { return &step_; }
};

/// Kingma and Ba 2015; amsgrad: Reddi et al. 2018. Weight decay enters the gradient; AdamW decouples it.
class Adam : public Optimizer {
 public:
  explicit Adam(const std::vector<OptimizerParamGroup>& groups, AdamOptions defaults = {});
  explicit Adam(std::vector<Tensor> params, AdamOptions defaults = {});
  Tensor step(LossClosure closure = nullptr) override;

 protected:
  std::unique_ptr<OptimizerParamState> make_state() const override;
};

struct AdamWOptions : public OptimizerCloneableOptions<AdamWOptions> {
  AdamWOptions(double lr = 1e-3);
  FULMEN_ARG(double, lr);
  typedef std::tuple<double, double> betas_t;
  FULMEN_ARG(betas_t, betas) = betas_t(0.9, 0.999);
  FULMEN_ARG(double, eps) = 1e-8;
  FULMEN_ARG(double, weight_decay) = 1e-2;
  FULMEN_ARG(bool, amsgrad) = false;
  FULMEN_ARG(bool, maximize) = false;

 public:
  double get_lr() const override { return lr(); }
  void set_lr(double value) override { lr(value); }
  std::vector<OptionField> fields() override;
};

struct AdamWParamState : public OptimizerCloneableParamState<AdamWParamState> {
  FULMEN_ARG(int64_t, step) = 0;
  FULMEN_ARG(Tensor, exp_avg);
  FULMEN_ARG(Tensor, exp_avg_sq);
  FULMEN_ARG(Tensor, max_exp_avg_sq) = {};

 public:
  NamedState named_tensors() override;
  int64_t* step_count() override { return &step_; }
};

/// Adam whose weight decay shrinks the parameters directly: p *= 1 - lr weight_decay (Loshchilov and Hutter 2019).
class AdamW : public Optimizer {
 public:
  explicit AdamW(const std::vector<OptimizerParamGroup>& groups, AdamWOptions defaults = {});
  explicit AdamW(std::vector<Tensor> params, AdamWOptions defaults = {});
  Tensor step(LossClosure closure = nullptr) override;

 protected:
  std::unique_ptr<OptimizerParamState> make_state() const override;
};

}  // namespace fulmen::optim
