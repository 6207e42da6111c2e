#include <fulmen/autograd/anomaly.h>
#include <fulmen/nn/sequential.h>
#include <fulmen/nn/type_name.h>

#include <ostream>

namespace fulmen::nn {

Sequential::Sequential() : ModuleHolder() {}
Sequential::Sequential(std::initializer_list<NamedAnyModule> named)
    : ModuleHolder(std::make_shared<SequentialImpl>(named)) {}

SequentialImpl::SequentialImpl(std::initializer_list<NamedAnyModule> named) {
  modules_.reserve(named.size());
  for (const NamedAnyModule& module : named) push_back(module);
}
SequentialImpl::SequentialImpl(const OrderedDict<std::string, AnyModule>& named) {
  modules_.reserve(named.size());
  for (const auto& item : named) push_back(item.key(), item.value());
}

SequentialImpl::SequentialImpl() = default;
std::shared_ptr<Module> SequentialImpl::clone(const std::optional<Device>& device) const {
  auto copy = std::make_shared<SequentialImpl>();
  for (size_t i = 0; i < modules_.size(); ++i) copy->push_back(children_[i].key(), modules_[i].clone(device));
  if (!is_training()) copy->eval();
  return copy;
}

void SequentialImpl::pretty_print(std::ostream& stream) const { stream << printed_namespace() << "Sequential"; }

void SequentialImpl::push_back(std::string name, AnyModule module) {
  register_module(std::move(name), module.ptr());
  modules_.push_back(std::move(module));
}

const AnyModule& SequentialImpl::checked(size_t index) const {
  FULMEN_CHECK_INDEX(index < modules_.size(), "Index out of range: position ", index, " of a container with ",
                     modules_.size(), " modules");
  return modules_[index];
}

AnyValue SequentialImpl::run(size_t index, detail::AnyArguments inputs) {
  if (detail::call_observer) [[unlikely]]
    return observed_run(index, inputs);
  if (!autograd::anomaly_enabled()) [[likely]]
    return modules_[index].forward_values(inputs);
  const Module& child = *children_[index].value();
  autograd::CallScope scope(children_[index].key() + " (" + short_type_name(typeid(child)) + ")");
  return modules_[index].forward_values(inputs);
}

AnyValue SequentialImpl::observed_run(size_t index, detail::AnyArguments inputs) {
  const auto tensor_in = [](AnyValue& value) {
    if (const auto* tensor = value.try_get<Tensor>()) return *tensor;
    const auto* pair = value.try_get<std::tuple<Tensor, Tensor>>();  // GRU and its like: output and state
    return pair ? std::get<0>(*pair) : Tensor();
  };
  const Tensor input = inputs.empty() ? Tensor() : tensor_in(inputs[0]);
  AnyValue result = modules_[index].forward_values(inputs);
  detail::call_observer->called(*children_[index].value(), input, tensor_in(result));
  return result;
}

AnyValue SequentialImpl::forward_any(detail::AnyArguments inputs) {
  FULMEN_CHECK(!modules_.empty(), "Cannot call forward() on an empty Sequential");
  size_t i = 0;
  try {
    AnyValue value = run(0, inputs);
    for (i = 1; i < modules_.size(); ++i) value = run(i, {&value, 1});
    return value;
  } catch (Error& error) {
    const Module& child = *modules_[i].ptr();
    error.set_module(&child, short_type_name(typeid(child)));  // unless a module inside the child is known already
    error.set_module_path(path_of(error.module()));
    throw;
  }
}

}  // namespace fulmen::nn
