#pragma once
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/module_holder.h>

namespace fulmen::nn {

/// Modules under names of the user's choice, in order of insertion; it has no forward of its own.
class ModuleDictImpl : public Cloneable<ModuleDictImpl> {
 public:
  using Items = OrderedDict<std::string, std::shared_ptr<Module>>;
  using Iterator = Items::Iterator;
  using ConstIterator = Items::ConstIterator;

  ModuleDictImpl();
  explicit ModuleDictImpl(const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& modules);
  explicit ModuleDictImpl(const Items& modules);

  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override;
  void reset() override {}
  void pretty_print(std::ostream& stream) const override;

  Items items() const;
  std::vector<std::string> keys() const;
  std::vector<std::shared_ptr<Module>> values() const;
  Iterator begin() { return children_.begin(); }
  Iterator end() { return children_.end(); }
  ConstIterator begin() const { return std::as_const(children_).begin(); }
  ConstIterator end() const { return std::as_const(children_).end(); }
  size_t size() const noexcept { return children_.size(); }
  bool empty() const noexcept { return children_.is_empty(); }
  bool contains(const std::string& key) const noexcept { return children_.contains(key); }
  void clear() { children_.clear(); }

  /// Removes and returns a module; an unknown key is an error.
  std::shared_ptr<Module> pop(const std::string& key);
  /// Adds modules; those under known keys are replaced.
  void update(const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& modules);
  void update(const Items& modules);
  void update(const ModuleDictImpl& modules);

  std::shared_ptr<Module> operator[](const std::string& key) const;
  template <class M>
  M& at(const std::string& key) {
    M* module = children_[key]->template as<M>();
    if (!module) wrong_type(key, typeid(M));
    return *module;
  }
  template <class M>
  const M& at(const std::string& key) const {
    return const_cast<ModuleDictImpl*>(this)->template at<M>(key);
  }

 private:
  void set(const std::string& key, std::shared_ptr<Module> module);
  [[noreturn]] void wrong_type(const std::string& key, const std::type_info& wanted) const;
};
FULMEN_MODULE(ModuleDict);

}  // namespace fulmen::nn
