#pragma once
#include <fulmen/autograd/ops/optim.h>
#include <fulmen/nn/options.h>
#include <fulmen/nn/ordered_dict.h>
#include <fulmen/optim/state_map.h>
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fulmen::optim {

/// One numeric option under its name ("lr", "beta1", "nesterov"; truth values are 0 and 1), for checkpoints.
struct OptionField {
  std::string name;
  double* number = nullptr;
  bool* flag = nullptr;
  int64_t* count = nullptr;
  double get() const { return number ? *number : count ? static_cast<double>(*count) : static_cast<double>(*flag); }
  void set(double value) const {
    if (number) {
      *number = value;
    } else if (count) {
      *count = static_cast<int64_t>(value);
    } else {
      *flag = value != 0;
    }
  }
};
/// Named tensors of one parameter's state, under PyTorch's names ("exp_avg").
using NamedState = std::vector<std::pair<std::string, Tensor*>>;

/// What an optimizer remembers about one parameter.
class OptimizerParamState {
 public:
  virtual ~OptimizerParamState() = default;
  virtual std::unique_ptr<OptimizerParamState> clone() const;
  /// Access to the state by name: tensors (undefined ones included) and, if it has one, the number of steps taken.
  virtual NamedState named_tensors() { return {}; }
  virtual int64_t* step_count() { return nullptr; }
  /// What else makes a difference; for comparisons.
  virtual std::vector<double> numbers() const { return {}; }

 protected:
  static bool equal(const OptimizerParamState& a, const OptimizerParamState& b);
};
template <class Derived>
class OptimizerCloneableParamState : public OptimizerParamState {
 public:
  std::unique_ptr<OptimizerParamState> clone() const override {
    return std::unique_ptr<OptimizerParamState>(new Derived(static_cast<const Derived&>(*this)));
  }
  friend bool operator==(const Derived& a, const Derived& b) { return OptimizerParamState::equal(a, b); }
};

/// What a user sets for a group of parameters.
class OptimizerOptions {
 public:
  virtual ~OptimizerOptions() = default;
  virtual std::unique_ptr<OptimizerOptions> clone() const;
  virtual double get_lr() const;
  virtual void set_lr(double lr);
  /// All options, by name.
  virtual std::vector<OptionField> fields() { return {}; }

 protected:
  static bool equal(const OptimizerOptions& a, const OptimizerOptions& b);
};
template <class Derived>
class OptimizerCloneableOptions : public OptimizerOptions {
 public:
  std::unique_ptr<OptimizerOptions> clone() const override {
    return std::unique_ptr<OptimizerOptions>(new Derived(static_cast<const Derived&>(*this)));
  }
  friend bool operator==(const Derived& a, const Derived& b) { return OptimizerOptions::equal(a, b); }
};

/// Parameters with options of their own; without options they get the optimizer's defaults.
class OptimizerParamGroup {
 public:
  OptimizerParamGroup(std::vector<Tensor> params) : params_(std::move(params)) {}
  OptimizerParamGroup(std::vector<Tensor> params, std::unique_ptr<OptimizerOptions> options)
      : params_(std::move(params)), options_(std::move(options)) {}
  OptimizerParamGroup(const OptimizerParamGroup& other)
      : params_(other.params_),
        options_(other.options_ ? other.options_->clone() : nullptr),
        initial_lr_(other.initial_lr_) {}
  OptimizerParamGroup(OptimizerParamGroup&&) = default;
  OptimizerParamGroup& operator=(OptimizerParamGroup other) {
    std::swap(params_, other.params_);
    std::swap(options_, other.options_);
    std::swap(initial_lr_, other.initial_lr_);
    return *this;
  }

  bool has_options() const { return options_ != nullptr; }
  OptimizerOptions& options();
  const OptimizerOptions& options() const { return const_cast<OptimizerParamGroup*>(this)->options(); }
  void set_options(std::unique_ptr<OptimizerOptions> options) { options_ = std::move(options); }
  std::vector<Tensor>& params() { return params_; }
  const std::vector<Tensor>& params() const { return params_; }
  /// The learning rate before any scheduler changed it; the first scheduler sets it.
  const std::optional<double>& initial_lr() const { return initial_lr_; }
  void set_initial_lr(std::optional<double> lr) { initial_lr_ = lr; }

 private:
  std::vector<Tensor> params_;
  std::unique_ptr<OptimizerOptions> options_;
  std::optional<double> initial_lr_;
};

/// Changes parameters by their gradients. Parameters without a gradient are left alone.
class Optimizer {
 public:
  /// Computes the loss anew, gradients included; some optimizers call it several times per step.
  using LossClosure = AnyFunction<Tensor()>;
  /// By the parameter's address (`param.unsafeGetTensorImpl()`).
  using State = StateMap;

  Optimizer(const std::vector<OptimizerParamGroup>& groups, std::unique_ptr<OptimizerOptions> defaults);
  Optimizer(std::vector<Tensor> parameters, std::unique_ptr<OptimizerOptions> defaults);
  Optimizer(const Optimizer&) = delete;
  Optimizer(Optimizer&&) = default;
  virtual ~Optimizer();

  /// A parameter may be in one group only, and must be a leaf.
  void add_param_group(const OptimizerParamGroup& group);
  /// One step; returns the closure's loss if one is given.
  virtual Tensor step(LossClosure closure = nullptr) = 0;
  /// Drops the gradients of all parameters, or zeroes them when `set_to_none` is false.
  void zero_grad(bool set_to_none = true);

  OptimizerOptions& defaults() noexcept { return *defaults_; }
  const OptimizerOptions& defaults() const noexcept { return *defaults_; }
  std::vector<OptimizerParamGroup>& param_groups() noexcept { return param_groups_; }
  const std::vector<OptimizerParamGroup>& param_groups() const noexcept { return param_groups_; }
  State& state() noexcept { return state_; }
  const State& state() const noexcept { return state_; }
  /// The first group's parameters.
  const std::vector<Tensor>& parameters() const { return param_groups_.at(0).params(); }

  /// step() evaluates the closure at several points and does not work without it.
  virtual bool needs_closure() const { return false; }

  /// "SGD", "Adam", ...
  virtual std::string name() const;
  /// All state as tensors named "<parameter>.exp_avg", "<parameter>.step" (int64); `parameters` gives the names. The
  /// tensors share memory with the optimizer, apart from the steps.
  virtual OrderedDict<std::string, Tensor> named_state(const OrderedDict<std::string, Tensor>& parameters) const;
  /// Takes over what named_state() gave. State of a parameter that is missing is removed; unknown names are errors.
  virtual void load_named_state(const OrderedDict<std::string, Tensor>& parameters,
                                const OrderedDict<std::string, Tensor>& state);

 protected:
  /// Fresh state for a parameter; optimizers that keep state override it.
  virtual std::unique_ptr<OptimizerParamState> make_state() const;
  /// Runs the closure, with recording on, if there is one.
  static Tensor run(const LossClosure& closure);
  /// The state of a parameter, made on first use; `fresh` says whether it was.
  template <class S>
  S& state_of(const Tensor& parameter, bool* fresh = nullptr) {
    std::unique_ptr<OptimizerParamState>& slot = state_[parameter.unsafeGetTensorImpl()];
    if (fresh) *fresh = slot == nullptr;
    if (!slot) slot = make_state();
    return static_cast<S&>(*slot);
  }

  std::vector<OptimizerParamGroup> param_groups_;
  State state_;
  std::unique_ptr<OptimizerOptions> defaults_;
  std::vector<OptimEntry> entries_;  ///< kept between steps for its memory
};

}  // namespace fulmen::optim
