#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/optim/optimizer.h>

#include <unordered_set>

namespace fulmen::optim {

std::unique_ptr<OptimizerParamState> OptimizerParamState::clone() const {
  fail(str("clone() has not been implemented for ", nn::type_name(typeid(*this)),
           ": derive it from OptimizerCloneableParamState"));
}
bool OptimizerParamState::equal(const OptimizerParamState& a, const OptimizerParamState& b) {
  auto& left = const_cast<OptimizerParamState&>(a);
  auto& right = const_cast<OptimizerParamState&>(b);
  if (left.step_count() && *left.step_count() != *right.step_count()) return false;
  const NamedState x = left.named_tensors(), y = right.named_tensors();
  if (x.size() != y.size() || left.numbers() != right.numbers()) return false;
  for (size_t i = 0; i < x.size(); ++i) {
    const Tensor &t = *x[i].second, &u = *y[i].second;
    if (t.defined() != u.defined() || (t.defined() && !t.equal(u))) return false;
  }
  return true;
}

std::unique_ptr<OptimizerOptions> OptimizerOptions::clone() const {
  fail(str("clone() has not been implemented for ", nn::type_name(typeid(*this)),
           ": derive it from OptimizerCloneableOptions"));
}
double OptimizerOptions::get_lr() const {
  fail(str("double get_lr() has not been overidden and implemented in ", nn::type_name(typeid(*this))));
}
void OptimizerOptions::set_lr(double) {
  fail(str("void set_lr(double) has not been overidden and implemented in ", nn::type_name(typeid(*this))));
}
bool OptimizerOptions::equal(const OptimizerOptions& a, const OptimizerOptions& b) {
  const auto x = const_cast<OptimizerOptions&>(a).fields(), y = const_cast<OptimizerOptions&>(b).fields();
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i].get() != y[i].get()) return false;
  }
  return true;
}

OptimizerOptions& OptimizerParamGroup::options() {
  FULMEN_CHECK(options_,
               "OptimizerParamGroup: this group has no options yet: it gets them from the optimizer it is added to");
  return *options_;
}

Optimizer::Optimizer(const std::vector<OptimizerParamGroup>& groups, std::unique_ptr<OptimizerOptions> defaults)
    : defaults_(std::move(defaults)) {
  for (const OptimizerParamGroup& group : groups) add_param_group(group);
}
Optimizer::Optimizer(std::vector<Tensor> parameters, std::unique_ptr<OptimizerOptions> defaults)
    : Optimizer(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(parameters))}, std::move(defaults)) {}
Optimizer::~Optimizer() = default;

std::string Optimizer::name() const { return nn::short_type_name(typeid(*this)); }
std::unique_ptr<OptimizerParamState> Optimizer::make_state() const {
  fail(str(name(), " keeps no state: override make_state()"));
}

void Optimizer::add_param_group(const OptimizerParamGroup& group) {
  std::unordered_set<void*> known;
  for (const OptimizerParamGroup& other : param_groups_) {
    for (const Tensor& parameter : other.params()) known.insert(parameter.unsafeGetTensorImpl());
  }
  for (const Tensor& parameter : group.params()) {
    FULMEN_CHECK(parameter.defined(), name(), ": a parameter is undefined");
    FULMEN_CHECK(parameter.is_leaf(), name(), ": can't optimize a non-leaf Tensor; got ", parameter,
                 ", the result of an operation: pass the leaf it comes from");
    FULMEN_CHECK(known.insert(parameter.unsafeGetTensorImpl()).second,
                 "some parameters appear in more than one parameter group");
  }
  OptimizerParamGroup copy = group;
  if (!copy.has_options()) copy.set_options(defaults_->clone());
  param_groups_.push_back(std::move(copy));
}

void Optimizer::zero_grad(bool set_to_none) {
  for (OptimizerParamGroup& group : param_groups_) {
    for (Tensor& parameter : group.params()) {
      Tensor& grad = parameter.mutable_grad();
      if (!grad.defined()) continue;
      if (set_to_none) {
        grad.reset();
      } else {
        grad.detach_();
        grad.zero_();
      }
    }
  }
}

Tensor Optimizer::run(const LossClosure& closure) {
  if (!closure) return {};
  AutoGradMode enable_grad(true);
  return closure();
}

OrderedDict<std::string, Tensor> Optimizer::named_state(const OrderedDict<std::string, Tensor>& parameters) const {
  OrderedDict<std::string, Tensor> out;
  for (const auto& item : parameters) {
    const auto found = state_.find(item.value().unsafeGetTensorImpl());
    if (found == state_.end()) continue;
    OptimizerParamState& state = *found->second;
    if (const int64_t* step = state.step_count()) out.insert(item.key() + ".step", full({}, *step, kLong));
    for (auto& [name, tensor] : state.named_tensors()) {
      if (tensor->defined()) out.insert(item.key() + "." + name, *tensor);
    }
  }
  return out;
}

void Optimizer::load_named_state(const OrderedDict<std::string, Tensor>& parameters,
                                 const OrderedDict<std::string, Tensor>& saved) {
  std::unordered_set<std::string> used;
  for (const auto& item : parameters) {
    const std::string prefix = item.key() + ".";
    const auto find = [&](const std::string& name) -> const Tensor* {
      const Tensor* tensor = saved.find(prefix + name);
      if (tensor) used.insert(prefix + name);
      return tensor;
    };
    void* key = item.value().unsafeGetTensorImpl();
    std::unique_ptr<OptimizerParamState> state;
    const auto ensure = [&]() -> OptimizerParamState& {
      if (!state) state = make_state();
      return *state;
    };
    if (const Tensor* step = find("step")) {
      if (int64_t* count = ensure().step_count()) *count = step->item<int64_t>();
    }
    // A fresh state tells which tensors there may be.
    std::unique_ptr<OptimizerParamState> layout = saved.is_empty() ? nullptr : make_state();
    for (const auto& entry : layout ? layout->named_tensors() : NamedState()) {
      const Tensor* tensor = find(entry.first);
      if (!tensor) continue;
      FULMEN_CHECK(tensor->sizes() == item.value().sizes(), name(), ": state ", prefix, entry.first, " has shape ",
                   tensor->sizes(), ", its parameter ", item.value().sizes());
      FULMEN_CHECK(tensor->is_floating_point(), name(), ": state ", prefix, entry.first, " is ", *tensor,
                   ", its parameter ", item.value());
      for (auto& [own, target] : ensure().named_tensors()) {
        if (own == entry.first) *target = tensor->to(item.value().device()).to(item.value().scalar_type()).clone();
      }
    }
    if (state) {
      state_[key] = std::move(state);
    } else {
      state_.erase(key);
    }
  }
  for (const auto& item : saved) {
    FULMEN_CHECK(used.count(item.key()), name(), ": state ", item.key(), " belongs to no parameter of this optimizer");
  }
}

}  // namespace fulmen::optim
