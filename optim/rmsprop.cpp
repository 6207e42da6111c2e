#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/optim/rmsprop.h>
#include <fulmen/tensor/cuda.h>

namespace fulmen::optim {
namespace {

void check(const RMSpropOptions& o) {
  FULMEN_CHECK(o.lr() >= 0, "RMSprop: Invalid learning rate: ", o.lr());
  FULMEN_CHECK(o.eps() >= 0, "RMSprop: Invalid epsilon value: ", o.eps());
  FULMEN_CHECK(o.momentum() >= 0, "RMSprop: Invalid momentum value: ", o.momentum());
  FULMEN_CHECK(o.weight_decay() >= 0, "RMSprop: Invalid weight_decay value: ", o.weight_decay());
  FULMEN_CHECK(o.alpha() >= 0, "RMSprop: Invalid alpha value: ", o.alpha());
}

Tensor& ensure(Tensor& state, const Tensor& like) {
  if (!state.defined()) state = zeros_like(like);
  return state;
}

}  // namespace

RMSpropOptions::RMSpropOptions(double lr) : lr_(lr) {}
std::vector<OptionField> RMSpropOptions::fields() {
  return {{"lr", &lr_},
          {"alpha", &alpha_},
          {"eps", &eps_},
          {"weight_decay", &weight_decay_},
          {"momentum", &momentum_},
          {"centered", nullptr, &centered_}};
}
NamedState RMSpropParamState::named_tensors() {
  return {{"square_avg", &square_avg_}, {"momentum_buffer", &momentum_buffer_}, {"grad_avg", &grad_avg_}};
}

RMSprop::RMSprop(const std::vector<OptimizerParamGroup>& groups, RMSpropOptions defaults)
    : Optimizer(groups, std::make_unique<RMSpropOptions>(defaults)) {
  check(defaults);
}
RMSprop::RMSprop(std::vector<Tensor> params, RMSpropOptions defaults)
    : RMSprop(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}
std::unique_ptr<OptimizerParamState> RMSprop::make_state() const { return std::make_unique<RMSpropParamState>(); }

Tensor RMSprop::step(LossClosure closure) {
  Tensor loss = run(closure);
  NoGradGuard no_grad;
  FULMEN_CHECK(!cuda::is_capturing(), "RMSprop: a step cannot be captured in a CUDA graph; Adam, AdamW and SGD can");
  for (OptimizerParamGroup& group : param_groups_) {
    const auto& o = static_cast<const RMSpropOptions&>(group.options());
    for (Tensor parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      auto& state = state_of<RMSpropParamState>(parameter);
      state.step(state.step() + 1);
      Tensor gradient = parameter.grad();
      if (o.weight_decay() != 0) gradient = gradient.add(parameter, o.weight_decay());
      const Tensor& squares = ensure(state.square_avg(), parameter);
      squares.mul_(o.alpha()).addcmul_(gradient, gradient, 1 - o.alpha());
      Tensor spread = squares;
      if (o.centered()) {
        const Tensor& mean = ensure(state.grad_avg(), parameter);
        mean.mul_(o.alpha()).add_(gradient, 1 - o.alpha());
        spread = squares.addcmul(mean, mean, -1);
      }
      spread = spread.sqrt().add_(o.eps());
      if (o.momentum() > 0) {
        const Tensor& buffer = ensure(state.momentum_buffer(), parameter);
        buffer.mul_(o.momentum()).addcdiv_(gradient, spread);
        parameter.add_(buffer, -o.lr());
      } else {
        parameter.addcdiv_(gradient, spread, -o.lr());
      }
    }
  }
  return loss;
}

}  // namespace fulmen::optim
