#include <fulmen/autograd/grad_mode.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/warning.h>

#include <ostream>

namespace fulmen::nn {
namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

// Depth first, parents before children.
template <class M, class Visit>
void visit_tree(M& module, const std::string& prefix, const Visit& visit) {
  visit(prefix, module);
  for (auto& child : module.named_children())
    visit_tree(static_cast<M&>(*child.value()), join(prefix, child.key()), visit);
}

void visit_pointers(const OrderedDict<std::string, std::shared_ptr<Module>>& children, const std::string& prefix,
                    const Module::NamedModulePointerApplyFunction& visit) {
  for (const auto& child : children) {
    const std::string name = join(prefix, child.key());
    visit(name, child.value());
    visit_pointers(child.value()->named_children(), name, visit);
  }
}

void check_name(const char* what, const std::string& name) {
  FULMEN_CHECK(!name.empty(), what, " name must not be empty");
  FULMEN_CHECK(name.find('.') == std::string::npos, what, " name must not contain a dot (got '", name, "')");
}

}  // namespace

Module::Module() = default;
Module::Module(std::string name) : name_(std::move(name)) {}
Module::Module(const Module&) = default;
Module::Module(Module&&) = default;
Module& Module::operator=(const Module&) = default;
Module& Module::operator=(Module&&) = default;
Module::~Module() = default;

std::shared_ptr<Module> detail::own(Module* module) { return std::shared_ptr<Module>(module); }

const std::string& Module::name() const noexcept {
  // In the constructor the dynamic type is not known yet, so the name is looked up when somebody asks.
  if (!name_) name_ = type_name(typeid(*this));
  return *name_;
}

std::shared_ptr<Module> Module::clone(const std::optional<Device>&) const {
  fail(str("clone() has not been implemented for ", name(), ". Subclass fulmen::nn::Cloneable<", name(),
           "> instead of fulmen::nn::Module to inherit the ability to clone."));
}

void Module::clone_(Module&, const std::optional<Device>&) {}

namespace detail {
void clone_of_other_type(const Module& copy, const Module& original) {
  fail(str("Attempted to clone submodule, but it is of a different type than the submodule it was to be cloned into: ",
           original.name(), " into ", copy.name()));
}
}  // namespace detail

void Module::forget_registrations() {
  parameters_.clear();
  buffers_.clear();
  children_.clear();
}

void Module::copy_values_from(const Module& original, const std::optional<Device>& device) {
  NoGradGuard no_grad;
  const auto copy_tensors = [&](OrderedDict<std::string, Tensor>& to, const OrderedDict<std::string, Tensor>& from,
                                const char* plural, const char* method) {
    FULMEN_CHECK(to.size() == from.size(), "The cloned module does not have the same number of ", plural,
                 " as the original module after calling reset(). Are you sure you called ", method,
                 " inside reset() and not the constructor?");
    for (const auto& item : from) {
      const Tensor& value = item.value();
      Tensor& copy = to[item.key()];
      if (value.defined()) {
        copy.set_data(device && *device != value.device() ? value.detach().to(*device) : value.detach().clone());
      }
    }
  };
  copy_tensors(parameters_, original.parameters_, "parameters", "register_parameter()");
  copy_tensors(buffers_, original.buffers_, "buffers", "register_buffer()");
  FULMEN_CHECK(children_.size() == original.children_.size(),
               "The cloned module does not have the same number of child modules as the original module after calling "
               "reset(). Are you sure you called register_module() inside reset() and not the constructor?");
  for (const auto& child : original.children_) children_[child.key()]->clone_(*child.value(), device);
}

void Module::apply(const ModuleApplyFunction& function) {
  visit_tree(*this, {}, [&](const std::string&, Module& module) { function(module); });
}
void Module::apply(const ConstModuleApplyFunction& function) const {
  visit_tree(*this, {}, [&](const std::string&, const Module& module) { function(module); });
}
void Module::apply(const NamedModuleApplyFunction& function, const std::string& name_prefix) {
  visit_tree(*this, name_prefix, function);
}
void Module::apply(const ConstNamedModuleApplyFunction& function, const std::string& name_prefix) const {
  visit_tree(*this, name_prefix, function);
}
void Module::apply(const ModulePointerApplyFunction& function) const {
  apply([&](const std::string&, const std::shared_ptr<Module>& module) { function(module); });
}
void Module::apply(const NamedModulePointerApplyFunction& function, const std::string& name_prefix) const {
  function(name_prefix, shared_from_this_checked());
  visit_pointers(children_, name_prefix, function);
}

std::shared_ptr<Module> Module::shared_from_this_checked() const {
  std::shared_ptr<const Module> self = weak_from_this().lock();
  FULMEN_CHECK(self,
               "It looks like you attempted to retrieve your top-level module as a shared_ptr, but it is not stored in "
               "a shared_ptr. Use std::make_shared<",
               name(),
               "> instead of creating your module on the stack, or "
               "alternatively do not try to access your top-level module at all by passing /*include_self=*/false to "
               "modules() or named_modules()");
  return std::const_pointer_cast<Module>(self);
}

std::vector<Tensor> Module::parameters(bool recurse) const {
  std::vector<Tensor> out;
  const auto collect = [&out](const auto& self, const Module& module, bool deep) -> void {
    for (const auto& item : module.parameters_) {
      if (item.value().defined()) out.push_back(item.value());
    }
    if (!deep) return;
    for (const auto& child : module.children_) self(self, *child.value(), true);
  };
  collect(collect, *this, recurse);
  return out;
}
std::vector<Tensor> Module::buffers(bool recurse) const { return named_buffers(recurse).values(); }

OrderedDict<std::string, Tensor> Module::named_parameters(bool recurse) const {
  OrderedDict<std::string, Tensor> out;
  const auto collect = [&out](const std::string& prefix, const Module& module) {
    for (const auto& item : module.parameters_) {
      if (item.value().defined()) out.insert(join(prefix, item.key()), item.value());
    }
  };
  if (recurse) {
    visit_tree(*this, {}, collect);
  } else {
    collect({}, *this);
  }
  return out;
}

OrderedDict<std::string, Tensor> Module::named_buffers(bool recurse) const {
  OrderedDict<std::string, Tensor> out;
  const auto collect = [&out](const std::string& prefix, const Module& module) {
    for (const auto& item : module.buffers_) {
      if (item.value().defined()) out.insert(join(prefix, item.key()), item.value());
    }
  };
  if (recurse) {
    visit_tree(*this, {}, collect);
  } else {
    collect({}, *this);
  }
  return out;
}

std::vector<std::shared_ptr<Module>> Module::modules(bool include_self) const {
  return named_modules({}, include_self).values();
}

OrderedDict<std::string, std::shared_ptr<Module>> Module::named_modules(const std::string& name_prefix,
                                                                        bool include_self) const {
  OrderedDict<std::string, std::shared_ptr<Module>> out;
  if (include_self) out.insert(name_prefix, shared_from_this_checked());
  visit_pointers(children_, name_prefix,
                 [&](const std::string& name, const std::shared_ptr<Module>& module) { out.insert(name, module); });
  return out;
}

std::vector<std::shared_ptr<Module>> Module::children() const { return children_.values(); }
OrderedDict<std::string, std::shared_ptr<Module>> Module::named_children() const { return children_; }

void Module::train(bool on) {
  for (auto& child : children_) child.value()->train(on);
  is_training_ = on;
}

void Module::convert(const std::optional<Device>& device, const std::optional<ScalarType>& dtype, bool non_blocking) {
  NoGradGuard no_grad;
  const auto convert_tensor = [&](Tensor& tensor) {
    if (!tensor.defined()) return;
    TensorOptions options = tensor.options();
    if (device) options = options.device(device);
    if (dtype && tensor.is_floating_point() && is_floating_point(*dtype)) options = options.dtype(dtype);
    tensor.set_data(tensor.detach().to(options, non_blocking));
  };
  for (auto& item : parameters_) convert_tensor(item.value());
  for (auto& item : buffers_) convert_tensor(item.value());
}
void Module::to(Device device, ScalarType dtype, bool non_blocking) {
  for (auto& child : children_) child.value()->to(device, dtype, non_blocking);
  convert(device, dtype, non_blocking);
}
void Module::to(ScalarType dtype, bool non_blocking) {
  for (auto& child : children_) child.value()->to(dtype, non_blocking);
  convert(std::nullopt, dtype, non_blocking);
}
void Module::to(Device device, bool non_blocking) {
  for (auto& child : children_) child.value()->to(device, non_blocking);
  convert(device, std::nullopt, non_blocking);
}

void Module::zero_grad(bool set_to_none) {
  for (auto& child : children_) child.value()->zero_grad(set_to_none);
  for (auto& item : parameters_) {
    if (!item.value().defined()) continue;
    Tensor& grad = item.value().mutable_grad();
    if (!grad.defined()) continue;
    if (set_to_none) {
      grad.reset();
    } else {
      grad.detach_();
      grad.zero_();
    }
  }
}

void Module::pretty_print(std::ostream& stream) const { stream << name(); }

void Module::print_tree(std::ostream& stream, const std::string& indentation) const {
  pretty_print(stream);
  if (children_.is_empty()) return;
  stream << "(\n";
  const std::string deeper = indentation + "  ";
  for (const auto& child : children_) {
    stream << deeper << "(" << child.key() << "): ";
    child.value()->print_tree(stream, deeper);
    stream << "\n";
  }
  stream << indentation << ")";
}
std::ostream& operator<<(std::ostream& stream, const Module& module) {
  module.print_tree(stream, "");
  return stream;
}

Tensor& Module::register_parameter(std::string name, Tensor tensor, bool requires_grad) {
  check_name("Parameter", name);
  if (tensor.defined()) {
    tensor.set_requires_grad(requires_grad);
  } else if (requires_grad) {
    warn(str(
        "An undefined tensor cannot require grad. Ignoring the `requires_grad=true` function parameter (parameter '",
        name, "' of ", this->name(), ")"));
  }
  return parameters_.insert(std::move(name), std::move(tensor));
}

Tensor& Module::register_buffer(std::string name, Tensor tensor) {
  check_name("Buffer", name);
  return buffers_.insert(std::move(name), std::move(tensor));
}

void Module::add_child(std::string name, std::shared_ptr<Module> module) {
  check_name("Submodule", name);
  FULMEN_CHECK(module, "Submodule '", name, "' of ", this->name(), " is an empty module");
  children_.insert(std::move(name), std::move(module));
}

void Module::unregister_module(const std::string& name) {
  FULMEN_CHECK(children_.contains(name), "No Module with name `", name, "` is registered");
  children_.erase(name);
}

std::string Module::path_of(const void* module) const {
  for (const auto& child : children_) {
    if (child.value().get() == module) return child.key();
    std::string below = child.value()->path_of(module);
    if (!below.empty()) return child.key() + "." + below;
  }
  return {};
}

}  // namespace fulmen::nn
