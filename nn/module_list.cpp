#include <fulmen/nn/module_list.h>
#include <fulmen/nn/type_name.h>

#include <ostream>

namespace fulmen::nn {

ModuleListImpl::ModuleListImpl() = default;
std::shared_ptr<Module> ModuleListImpl::clone(const std::optional<Device>& device) const {
  auto copy = std::make_shared<ModuleListImpl>();
  for (const auto& module : modules_) copy->push_back(module->clone(device));
  if (!is_training()) copy->eval();
  return copy;
}

void ModuleListImpl::pretty_print(std::ostream& stream) const { stream << printed_namespace() << "ModuleList"; }

void ModuleListImpl::insert(size_t index, std::shared_ptr<Module> module) {
  FULMEN_CHECK_INDEX(index <= modules_.size(), "Index out of range: cannot insert at ", index,
                     " into a ModuleList with ", modules_.size(), " modules");
  FULMEN_CHECK(module, "ModuleList: cannot hold an empty module");
  modules_.insert(modules_.begin() + static_cast<std::ptrdiff_t>(index), module);
  if (index + 1 == modules_.size()) {
    register_module(std::to_string(index), std::move(module));
    return;
  }
  children_.clear();
  for (size_t i = 0; i < modules_.size(); ++i) register_module(std::to_string(i), modules_[i]);
}

const std::shared_ptr<Module>& ModuleListImpl::checked(size_t index) const {
  FULMEN_CHECK_INDEX(index < modules_.size(), "Index out of range: position ", index, " of a ModuleList with ",
                     modules_.size(), " modules");
  return modules_[index];
}

void ModuleListImpl::wrong_type(size_t index, const std::type_info& wanted) const {
  fail(str("Unable to cast module[", index, "] to ", type_name(wanted), ": it is ", modules_[index]->name()));
}

}  // namespace fulmen::nn
