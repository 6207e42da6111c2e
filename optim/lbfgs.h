#pragma once
#include <fulmen/optim/optimizer.h>

namespace fulmen::optim {

struct LBFGSOptions : public OptimizerCloneableOptions<LBFGSOptions> {
  LBFGSOptions(double lr = 1);
  FULMEN_ARG(double, lr);
  /// Iterations per step.
  FULMEN_ARG(int64_t, max_iter) = 20;
  /// Evaluations of the closure per step; not set: 5/4 of max_iter.
  FULMEN_ARG(std::optional<int64_t>, max_eval) = {};
  /// A step ends when no gradient is larger, or when loss and parameters change by less.
  FULMEN_ARG(double, tolerance_grad) = 1e-7;
  FULMEN_ARG(double, tolerance_change) = 1e-9;
  /// Changes of parameters and gradients that are remembered.
  FULMEN_ARG(int64_t, history_size) = 100;
  /// "strong_wolfe"; not set: steps of length lr.
  FULMEN_ARG(std::optional<std::string>, line_search_fn) = {};

 public:
  double get_lr() const override { return lr(); }
  void set_lr(double value) override { lr(value); }
  std::vector<OptionField> fields() override;
};

/// Kept under the first parameter; vectors run over all parameters, flat.
struct LBFGSParamState : public OptimizerCloneableParamState<LBFGSParamState> {
  FULMEN_ARG(int64_t, func_evals) = 0;
  FULMEN_ARG(int64_t, n_iter) = 0;
  FULMEN_ARG(double, t) = 0;
  FULMEN_ARG(double, prev_loss) = 0;
  FULMEN_ARG(double, H_diag) = 1;
  FULMEN_ARG(Tensor, d);
  FULMEN_ARG(Tensor, prev_flat_grad);
  FULMEN_ARG(std::vector<Tensor>, old_dirs);  ///< changes of the gradient, the oldest first
  FULMEN_ARG(std::vector<Tensor>, old_stps);  ///< changes of the parameters
  FULMEN_ARG(std::vector<double>, ro);        ///< 1 / (old_dirs[i] . old_stps[i])

 public:
  NamedState named_tensors() override;
  std::vector<double> numbers() const override;
};

/// Quasi-Newton steps from a limited history of gradients (Liu and Nocedal 1989), as PyTorch takes them. One group of
/// parameters; the closure, which must compute the loss and its gradients, runs several times per step.
class LBFGS : public Optimizer {
 public:
  explicit LBFGS(const std::vector<OptimizerParamGroup>& groups, LBFGSOptions defaults = {});
  explicit LBFGS(std::vector<Tensor> params, LBFGSOptions defaults = {});
  /// Returns the loss before the step.
  Tensor step(LossClosure closure) override;
  bool needs_closure() const override { return true; }

  OrderedDict<std::string, Tensor> named_state(const OrderedDict<std::string, Tensor>& parameters) const override;
  void load_named_state(const OrderedDict<std::string, Tensor>& parameters,
                        const OrderedDict<std::string, Tensor>& state) override;

 protected:
  std::unique_ptr<OptimizerParamState> make_state() const override;

 private:
  /// Parameters' gradients in one vector.
  Tensor flat_gradient() const;
  void move(double step, const Tensor& direction);
  static void find_direction(LBFGSParamState& state, const Tensor& gradient, int64_t history_size);
  /// Moves along state.d and evaluates there; returns the evaluations that took.
  int64_t advance(LBFGSParamState& state, const LossClosure& closure, double slope, int64_t evaluations_left, bool last,
                  double& loss, Tensor& gradient);
};

}  // namespace fulmen::optim
