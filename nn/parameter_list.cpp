#include <fulmen/nn/parameter_list.h>
#include <fulmen/nn/type_name.h>

#include <ostream>
#include <sstream>

namespace fulmen::nn {
namespace {

Tensor deep_copy(const Tensor& parameter, const std::optional<Device>& device) {
  Tensor copy = parameter.detach().clone();
  if (device) copy = copy.to(*device);
  return copy.set_requires_grad(parameter.requires_grad());
}

void print_parameters(std::ostream& stream, const char* type, const OrderedDict<std::string, Tensor>& parameters) {
  stream << printed_namespace() << type << "(\n";
  for (const auto& item : parameters) {
    std::ostringstream sizes;
    const IntArrayRef shape = item.value().sizes();
    for (size_t i = 0; i < shape.size(); ++i) sizes << (i ? ", " : "") << shape[i];
    stream << "(" << item.key() << "): Parameter containing: [" << to_string(item.value().scalar_type()) << " of size ["
           << sizes.str() << "]]\n";
  }
  stream << ")";
}

}  // namespace

ParameterListImpl::ParameterListImpl() = default;
void ParameterListImpl::append(Tensor parameter) {
  const bool requires_grad = parameter.requires_grad();
  register_parameter(std::to_string(parameters_.size()), std::move(parameter), requires_grad);
}
Tensor& ParameterListImpl::at(size_t index) {
  FULMEN_CHECK_INDEX(index < size(), "Index out of range: position ", index, " of a ParameterList with ", size(),
                     " parameters");
  return parameters_[index].value();
}
std::shared_ptr<Module> ParameterListImpl::clone(const std::optional<Device>& device) const {
  auto copy = std::make_shared<ParameterListImpl>();
  for (const auto& item : parameters_) copy->append(deep_copy(item.value(), device));
  return copy;
}
void ParameterListImpl::pretty_print(std::ostream& stream) const {
  print_parameters(stream, "ParameterList", parameters_);
}

ParameterDictImpl::ParameterDictImpl() = default;
ParameterDictImpl::ParameterDictImpl(const OrderedDict<std::string, Tensor>& parameters) {
  for (const auto& item : parameters) insert(item.key(), item.value());
}
Tensor& ParameterDictImpl::insert(std::string key, Tensor parameter) {
  const bool requires_grad = parameter.requires_grad();
  return register_parameter(std::move(key), std::move(parameter), requires_grad);
}
std::vector<std::string> ParameterDictImpl::keys() const { return parameters_.keys(); }
std::vector<Tensor> ParameterDictImpl::values() const { return parameters_.values(); }
Tensor ParameterDictImpl::pop(const std::string& key) {
  Tensor parameter = parameters_[key];
  parameters_.erase(key);
  return parameter;
}
std::shared_ptr<Module> ParameterDictImpl::clone(const std::optional<Device>& device) const {
  auto copy = std::make_shared<ParameterDictImpl>();
  for (const auto& item : parameters_) copy->insert(item.key(), deep_copy(item.value(), device));
  return copy;
}
void ParameterDictImpl::pretty_print(std::ostream& stream) const {
  print_parameters(stream, "ParameterDict", parameters_);
}

}  // namespace fulmen::nn
