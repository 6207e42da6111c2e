#include <fulmen/autograd/ops/creation.h>
#include <fulmen/optim/adam.h>
#include <fulmen/optim/replays.h>
#include <fulmen/tensor/cuda.h>

#include <cmath>

namespace fulmen::optim {
namespace {

template <class Options>
std::vector<OptionField> adam_fields(Options& o) {
  return {{"lr", &o.lr()},
          {"beta1", &std::get<0>(o.betas())},
          {"beta2", &std::get<1>(o.betas())},
          {"eps", &o.eps()},
          {"weight_decay", &o.weight_decay()},
          {"amsgrad", nullptr, &o.amsgrad()},
          {"maximize", nullptr, &o.maximize()}};
}

template <class Options>
void check(const char* name, const Options& o) {
  const auto [beta1, beta2] = o.betas();
  FULMEN_CHECK(o.lr() >= 0, name, ": invalid learning rate: ", o.lr());
  FULMEN_CHECK(o.eps() >= 0, name, ": invalid epsilon value: ", o.eps());
  FULMEN_CHECK(beta1 >= 0 && beta1 < 1, name, ": invalid beta parameter at index 0: ", beta1);
  FULMEN_CHECK(beta2 >= 0 && beta2 < 1, name, ": invalid beta parameter at index 1: ", beta2);
  FULMEN_CHECK(o.weight_decay() >= 0, name, ": invalid weight_decay value: ", o.weight_decay());
}

/// beta^step, remembered: the parameters of a group have nearly always taken the same number of steps.
class BiasCorrections {
 public:
  explicit BiasCorrections(const std::tuple<double, double>& betas) : betas_(betas) {}
  void set(OptimEntry& entry, int64_t step) {
    if (step != step_) {
      step_ = step;
      first_ = 1 - std::pow(std::get<0>(betas_), static_cast<double>(step));
      second_ = 1 - std::pow(std::get<1>(betas_), static_cast<double>(step));
    }
    entry.bias_correction1 = first_;
    entry.bias_correction2 = second_;
  }

 private:
  std::tuple<double, double> betas_;
  int64_t step_ = -1;
  double first_ = 1, second_ = 1;
};

/// The entries of one group; their state is made where it is missing, and its step counted.
template <class Options, class ParamState, class StateOf>
void collect(std::vector<OptimEntry>& entries, OptimizerParamGroup& group, const Options& options,
             const StateOf& state_of) {
  entries.clear();
  BiasCorrections corrections(options.betas());
  for (const Tensor& parameter : group.params()) {
    if (!parameter.grad().defined()) continue;
    ParamState& state = state_of(parameter);
    if (!state.exp_avg().defined()) {
      FULMEN_CHECK(!cuda::is_capturing(),
                   "a step of an optimizer that has no state yet cannot be captured in a CUDA "
                   "graph; take a step before");
      state.exp_avg(zeros_like(parameter.detach()));
      state.exp_avg_sq(zeros_like(parameter.detach()));
    }
    if (options.amsgrad() && !state.max_exp_avg_sq().defined()) state.max_exp_avg_sq(zeros_like(parameter.detach()));
    OptimEntry entry{&parameter, &parameter.grad(), &state.exp_avg(), &state.exp_avg_sq()};
    if (options.amsgrad()) entry.state3 = &state.max_exp_avg_sq();
    corrections.set(entry, state.step() + 1);
    if (!cuda::is_capturing()) ++state.step();  // a capture runs nothing: replays count
    entries.push_back(entry);
  }
}

/// The step as a CUDA graph records it: every replay counts a step, and takes the learning rate of its time.
template <class Collect>
void follow_replays(AdamStep& step, std::vector<OptimEntry>& entries, OptimizerParamGroup& group,
                    const Collect& collect) {
  step.live = live_numbers(entries, [&entries, &group, collect](std::vector<double>& numbers) {
    collect();
    numbers.push_back(group.options().get_lr());
    for (const OptimEntry& entry : entries) {
      numbers.push_back(entry.bias_correction1);
      numbers.push_back(entry.bias_correction2);
    }
  });
}

template <class Options>
AdamStep step_of(const Options& o, bool decoupled) {
  return {o.lr(),      std::get<0>(o.betas()), std::get<1>(o.betas()),
          o.eps(),     o.weight_decay(),       decoupled,
          o.amsgrad(), o.maximize(),           nullptr};
}

}  // namespace

AdamOptions::AdamOptions(double lr) : lr_(lr) {}
AdamWOptions::AdamWOptions(double lr) : lr_(lr) {}
NamedState AdamParamState::named_tensors() {
  return {{"exp_avg", &exp_avg_}, {"exp_avg_sq", &exp_avg_sq_}, {"max_exp_avg_sq", &max_exp_avg_sq_}};
}
NamedState AdamWParamState::named_tensors() {
  return {{"exp_avg", &exp_avg_}, {"exp_avg_sq", &exp_avg_sq_}, {"max_exp_avg_sq", &max_exp_avg_sq_}};
}
std::vector<OptionField> AdamOptions::fields() { return adam_fields(*this); }
std::vector<OptionField> AdamWOptions::fields() { return adam_fields(*this); }

Adam::Adam(const std::vector<OptimizerParamGroup>& groups, AdamOptions defaults)
    : Optimizer(groups, std::make_unique<AdamOptions>(defaults)) {
  check("Adam", defaults);
}
Adam::Adam(std::vector<Tensor> params, AdamOptions defaults)
    : Adam(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}
std::unique_ptr<OptimizerParamState> Adam::make_state() const { return std::make_unique<AdamParamState>(); }

Tensor Adam::step(LossClosure closure) {
  Tensor loss = run(closure);
  for (OptimizerParamGroup& group : param_groups_) {
    const auto& options = static_cast<const AdamOptions&>(group.options());
    auto gather = [this, &group, &options] {
      collect<AdamOptions, AdamParamState>(
          entries_, group, options,
          [this](const Tensor& parameter) -> AdamParamState& { return state_of<AdamParamState>(parameter); });
    };
    gather();
    AdamStep step = step_of(options, /*decoupled=*/false);
    if (cuda::is_capturing()) follow_replays(step, entries_, group, gather);
    adam_step_(entries_, step);
  }
  return loss;
}

AdamW::AdamW(const std::vector<OptimizerParamGroup>& groups, AdamWOptions defaults)
    : Optimizer(groups, std::make_unique<AdamWOptions>(defaults)) {
  check("AdamW", defaults);
}
AdamW::AdamW(std::vector<Tensor> params, AdamWOptions defaults)
    : AdamW(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}
std::unique_ptr<OptimizerParamState> AdamW::make_state() const { return std::make_unique<AdamWParamState>(); }

Tensor AdamW::step(LossClosure closure) {
  Tensor loss = run(closure);
  for (OptimizerParamGroup& group : param_groups_) {
    const auto& options = static_cast<const AdamWOptions&>(group.options());
    auto gather = [this, &group, &options] {
      collect<AdamWOptions, AdamWParamState>(
          entries_, group, options,
          [this](const Tensor& parameter) -> AdamWParamState& { return state_of<AdamWParamState>(parameter); });
    };
    gather();
    AdamStep step = step_of(options, /*decoupled=*/true);
    if (cuda::is_capturing()) follow_replays(step, entries_, group, gather);
    adam_step_(entries_, step);
  }
  return loss;
}

}  // namespace fulmen::optim
