#include <fulmen/nn/module_dict.h>
#include <fulmen/nn/type_name.h>

#include <ostream>

namespace fulmen::nn {

ModuleDictImpl::ModuleDictImpl() = default;
ModuleDictImpl::ModuleDictImpl(const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& modules) {
  update(modules);
}
ModuleDictImpl::ModuleDictImpl(const Items& modules) { update(modules); }

std::shared_ptr<Module> ModuleDictImpl::clone(const std::optional<Device>& device) const {
  auto copy = std::make_shared<ModuleDictImpl>();
  for (const auto& item : children_) copy->register_module(item.key(), item.value()->clone(device));
  if (!is_training()) copy->eval();
  return copy;
}

void ModuleDictImpl::pretty_print(std::ostream& stream) const { stream << printed_namespace() << "ModuleDict"; }

ModuleDictImpl::Items ModuleDictImpl::items() const { return children_; }
std::vector<std::string> ModuleDictImpl::keys() const { return children_.keys(); }
std::vector<std::shared_ptr<Module>> ModuleDictImpl::values() const { return children_.values(); }
std::shared_ptr<Module> ModuleDictImpl::operator[](const std::string& key) const { return children_[key]; }
void ModuleDictImpl::update(const ModuleDictImpl& modules) { update(modules.items()); }

std::shared_ptr<Module> ModuleDictImpl::pop(const std::string& key) {
  std::shared_ptr<Module> module = children_[key];
  children_.erase(key);
  return module;
}

void ModuleDictImpl::update(const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& modules) {
  for (const auto& [key, module] : modules) set(key, module);
}
void ModuleDictImpl::update(const Items& modules) {
  for (const auto& item : modules) set(item.key(), item.value());
}

void ModuleDictImpl::set(const std::string& key, std::shared_ptr<Module> module) {
  if (contains(key)) {
    replace_module(key, std::move(module));
  } else {
    register_module(key, std::move(module));
  }
}

void ModuleDictImpl::wrong_type(const std::string& key, const std::type_info& wanted) const {
  fail(str("Unable to cast module[", key, "] to ", type_name(wanted), ": it is ", children_[key]->name()));
}

}  // namespace fulmen::nn
