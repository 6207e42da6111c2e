#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/optim/adagrad.h>
#include <fulmen/tensor/cuda.h>

namespace fulmen::optim {
namespace {
void check(const AdagradOptions& o) {
  FULMEN_CHECK(o.lr() >= 0, "Adagrad: Invalid learning rate: ", o.lr());
  FULMEN_CHECK(o.lr_decay() >= 0, "Adagrad: Invalid lr_decay value: ", o.lr_decay());
  FULMEN_CHECK(o.weight_decay() >= 0, "Adagrad: Invalid weight_decay value: ", o.weight_decay());
  FULMEN_CHECK(o.initial_accumulator_value() >= 0,
               "Adagrad: Invalid initial_accumulator_value value: ", o.initial_accumulator_value());
  FULMEN_CHECK(o.eps() >= 0, "Adagrad: Invalid epsilon value: ", o.eps());
}
}  // namespace

AdagradOptions::AdagradOptions(double lr) : lr_(lr) {}
std::vector<OptionField> AdagradOptions::fields() {
  return {{"lr", &lr_},
          {"lr_decay", &lr_decay_},
          {"weight_decay", &weight_decay_},
          {"initial_accumulator_value", &initial_accumulator_value_},
          {"eps", &eps_}};
}
NamedState AdagradParamState::named_tensors() { return {{"sum", &sum_}}; }

Adagrad::Adagrad(const std::vector<OptimizerParamGroup>& groups, AdagradOptions defaults)
    : Optimizer(groups, std::make_unique<AdagradOptions>(defaults)) {
  check(defaults);
  for (const OptimizerParamGroup& group : param_groups_) {
    for (const Tensor& parameter : group.params()) {
      state_of<AdagradParamState>(parameter).sum(full_like(parameter.detach(), defaults.initial_accumulator_value()));
    }
  }
}
Adagrad::Adagrad(std::vector<Tensor> params, AdagradOptions defaults)
    : Adagrad(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}
std::unique_ptr<OptimizerParamState> Adagrad::make_state() const { return std::make_unique<AdagradParamState>(); }

Tensor Adagrad::step(LossClosure closure) {
  Tensor loss = run(closure);
  NoGradGuard no_grad;
  FULMEN_CHECK(!cuda::is_capturing(), "Adagrad: a step cannot be captured in a CUDA graph; Adam, AdamW and SGD can");
  for (OptimizerParamGroup& group : param_groups_) {
    const auto& o = static_cast<const AdagradOptions&>(group.options());
    for (Tensor parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      auto& state = state_of<AdagradParamState>(parameter);
      if (!state.sum().defined()) state.sum(full_like(parameter, o.initial_accumulator_value()));
      Tensor gradient = parameter.grad();
      if (o.weight_decay() != 0) gradient = gradient.add(parameter, o.weight_decay());
      const double lr = o.lr() / (1 + static_cast<double>(state.step()) * o.lr_decay());
      state.step(state.step() + 1);
      state.sum().addcmul_(gradient, gradient);
      parameter.addcdiv_(gradient, state.sum().sqrt().add_(o.eps()), -lr);
    }
  }
  return loss;
}

}  // namespace fulmen::optim
