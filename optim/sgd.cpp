#include <fulmen/autograd/ops/creation.h>
#include <fulmen/optim/replays.h>
#include <fulmen/optim/sgd.h>
#include <fulmen/tensor/cuda.h>

namespace fulmen::optim {
namespace {
void check(const SGDOptions& o) {
  FULMEN_CHECK(o.lr() >= 0, "SGD: invalid learning rate: ", o.lr());
  FULMEN_CHECK(o.momentum() >= 0, "SGD: invalid momentum value: ", o.momentum());
  FULMEN_CHECK(o.weight_decay() >= 0, "SGD: invalid weight_decay value: ", o.weight_decay());
  FULMEN_CHECK(!o.nesterov() || (o.momentum() > 0 && o.dampening() == 0),
               "SGD: Nesterov momentum requires a momentum and zero dampening");
}
}  // namespace

SGDOptions::SGDOptions(double lr) : lr_(lr) {}
NamedState SGDParamState::named_tensors() { return {{"momentum_buffer", &momentum_buffer_}}; }
std::vector<OptionField> SGDOptions::fields() {
  return {{"lr", &lr_},
          {"momentum", &momentum_},
          {"dampening", &dampening_},
          {"weight_decay", &weight_decay_},
          {"nesterov", nullptr, &nesterov_},
          {"maximize", nullptr, &maximize_}};
}

SGD::SGD(const std::vector<OptimizerParamGroup>& groups, SGDOptions defaults)
    : Optimizer(groups, std::make_unique<SGDOptions>(defaults)) {
  check(defaults);
}
SGD::SGD(std::vector<Tensor> params, SGDOptions defaults)
    : SGD(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}

std::unique_ptr<OptimizerParamState> SGD::make_state() const { return std::make_unique<SGDParamState>(); }

Tensor SGD::step(LossClosure closure) {
  Tensor loss = run(closure);
  for (OptimizerParamGroup& group : param_groups_) {
    const auto& options = static_cast<const SGDOptions&>(group.options());
    entries_.clear();
    for (const Tensor& parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      OptimEntry entry{&parameter, &parameter.grad()};
      if (options.momentum() != 0) {
        Tensor& buffer = state_of<SGDParamState>(parameter).momentum_buffer();
        entry.first = !buffer.defined();
        if (entry.first) buffer = empty_like(parameter.detach());
        entry.state1 = &buffer;
      }
      entries_.push_back(entry);
    }
    SgdStep step{options.lr(),           options.momentum(), options.dampening(),
                 options.weight_decay(), options.nesterov(), options.maximize()};
    if (cuda::is_capturing()) {
      const size_t count = entries_.size();
      for (const OptimEntry& entry : entries_) {
        FULMEN_CHECK(!entry.first,
                     "a step of an optimizer that has no state yet cannot be captured in a CUDA graph; take "
                     "a step before");
      }
      step.live = live_numbers(entries_, [&options, count](std::vector<double>& numbers) {
        numbers.assign(1 + 2 * count, 1);
        numbers[0] = options.lr();
      });
    }
    sgd_step_(entries_, step);
  }
  return loss;
}

}  // namespace fulmen::optim
