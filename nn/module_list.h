#pragma once
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/module_holder.h>

namespace fulmen::nn {

/// A list of modules, registered as "0", "1", ...; it has no forward of its own.
class ModuleListImpl : public Cloneable<ModuleListImpl> {
 public:
  using Iterator = std::vector<std::shared_ptr<Module>>::iterator;
  using ConstIterator = std::vector<std::shared_ptr<Module>>::const_iterator;

  ModuleListImpl();
  template <class... Modules>
  requires(sizeof...(Modules) > 0 && !(std::is_base_of_v<ModuleListImpl, std::decay_t<Modules>> &&
                                       ...)) explicit ModuleListImpl(Modules&&... modules) {
    modules_.reserve(sizeof...(Modules));
    (push_back(std::forward<Modules>(modules)), ...);
  }

  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override;
  void reset() override {}
  void pretty_print(std::ostream& stream) const override;

  void push_back(std::shared_ptr<Module> module) { insert(modules_.size(), std::move(module)); }
  template <class M>
  requires std::is_base_of_v<Module, std::decay_t<M>>
  void push_back(M&& module) { push_back(detail::own(new std::decay_t<M>(std::forward<M>(module)))); }
  template <class M>
  void push_back(const ModuleHolder<M>& holder) {
    push_back(holder.module_ptr());
  }
  /// Puts a module before position `index`; the names of the ones after it grow by one.
  void insert(size_t index, std::shared_ptr<Module> module);
  template <class M>
  requires std::is_base_of_v<Module, std::decay_t<M>>
  void insert(size_t index, M&& module) { insert(index, detail::own(new std::decay_t<M>(std::forward<M>(module)))); }
  template <class M>
  void insert(size_t index, const ModuleHolder<M>& holder) {
    insert(index, holder.module_ptr());
  }
  /// Adds the modules of any range of modules, holders or shared pointers.
  template <class Range>
  void extend(const Range& range) {
    for (const auto& module : range) push_back(module);
  }

  Iterator begin() { return modules_.begin(); }
  Iterator end() { return modules_.end(); }
  ConstIterator begin() const { return modules_.begin(); }
  ConstIterator end() const { return modules_.end(); }

  template <class M>
  M& at(size_t index) {
    M* module = checked(index)->as<M>();
    if (!module) wrong_type(index, typeid(M));
    return *module;
  }
  template <class M>
  const M& at(size_t index) const {
    return const_cast<ModuleListImpl*>(this)->template at<M>(index);
  }
  std::shared_ptr<Module> ptr(size_t index) const { return checked(index); }
  template <class M>
  auto ptr(size_t index) const {
    if constexpr (IsHolder<M>) {
      return std::dynamic_pointer_cast<typename M::ContainedType>(checked(index));
    } else {
      return std::dynamic_pointer_cast<M>(checked(index));
    }
  }
  std::shared_ptr<Module> operator[](size_t index) const { return checked(index); }
  size_t size() const noexcept { return modules_.size(); }
  bool is_empty() const noexcept { return modules_.empty(); }

 private:
  const std::shared_ptr<Module>& checked(size_t index) const;
  [[noreturn]] void wrong_type(size_t index, const std::type_info& wanted) const;
  std::vector<std::shared_ptr<Module>> modules_;
};
FULMEN_MODULE(ModuleList);

}  // namespace fulmen::nn
