#pragma once
#include <fulmen/nn/call_observer.h>
#include <fulmen/nn/module.h>

namespace fulmen::nn {

namespace detail {
[[noreturn]] void empty_holder(const std::type_info& contained);
void print_contained(std::ostream& stream, const Module* module);
template <class T>
inline constexpr bool is_shared_ptr = false;
template <class T>
inline constexpr bool is_shared_ptr<std::shared_ptr<T>> = true;
}  // namespace detail

/// A shared handle on a module: copying it aliases the same module. `Linear` is a ModuleHolder<LinearImpl>; arguments
/// of its constructor go to LinearImpl's. `nullptr` makes an empty one, to be assigned later.
template <class Contained>
class ModuleHolder : public ModuleHolderTag {
 public:
  using ContainedType = Contained;

  ModuleHolder() { hold(make_default()); }
  ModuleHolder(std::nullptr_t) {}
  template <class M>
  requires std::is_convertible_v<M*, Contained*> ModuleHolder(const std::shared_ptr<M>& module)
      : owner_(module), impl_(module.get()) {}
  /// The holder of a derived module is a holder of its parent.
  template <class Other>
  requires(!std::is_same_v<Other, Contained> && std::is_base_of_v<Contained, Other>)
      ModuleHolder(const ModuleHolder<Other>& other)
      : owner_(other.module_ptr()), impl_(other.unchecked()) {}
  template <class Head, class... Tail>
  requires(sizeof...(Tail) > 0 || !(std::is_base_of_v<ModuleHolder, std::decay_t<Head>> ||
                                    detail::is_shared_ptr<std::decay_t<Head>>)) explicit ModuleHolder(Head&& head,
                                                                                                      Tail&&... tail) {
    hold(new Contained(std::forward<Head>(head), std::forward<Tail>(tail)...));
  }

  explicit operator bool() const noexcept { return impl_ != nullptr; }
  bool is_empty() const noexcept { return impl_ == nullptr; }
  Contained* operator->() { return get(); }
  const Contained* operator->() const { return get(); }
  Contained& operator*() { return *get(); }
  const Contained& operator*() const { return *get(); }
  std::shared_ptr<Contained> ptr() const {
    check();
    return std::shared_ptr<Contained>(owner_, impl_);
  }
  /// The same as a pointer to Module, which is cheaper to copy around; null for an empty holder.
  const std::shared_ptr<Module>& module_ptr() const { return owner_; }
  Contained* get() {
    check();
    return impl_;
  }
  const Contained* get() const {
    check();
    return impl_;
  }
  Contained* unchecked() const noexcept { return impl_; }

  /// forward() of the module.
  template <class... Args>
  auto operator()(Args&&... args) {
    if (detail::call_observer) [[unlikely]]
      return detail::observed_call(*get(), std::forward<Args>(args)...);
    return get()->forward(std::forward<Args>(args)...);
  }
  /// operator[] of the module (containers).
  template <class Index>
  decltype(auto) operator[](Index&& index) {
    return (*get())[std::forward<Index>(index)];
  }

 private:
  static Contained* make_default() {
    static_assert(std::is_default_constructible_v<Contained>,
                  "This module has no default constructor: give the holder arguments, or nullptr for an empty one.");
    return new Contained();
  }
  void hold(Contained* module) {
    owner_ = detail::own(module);
    impl_ = module;
  }
  void check() const {
    if (!impl_) [[unlikely]]
      detail::empty_holder(typeid(Contained));
  }

 protected:
  // One type of shared_ptr for all holders: a std::shared_ptr<Contained> for each would double the time it takes to
  // compile the layers' headers.
  std::shared_ptr<Module> owner_;
  Contained* impl_ = nullptr;
};

template <class Contained>
std::ostream& operator<<(std::ostream& stream, const ModuleHolder<Contained>& holder) {
  detail::print_contained(stream, holder.module_ptr().get());
  return stream;
}

}  // namespace fulmen::nn

/// FULMEN_MODULE(Name) makes the holder `Name` for the module class `NameImpl`, which must be defined before.
#define FULMEN_MODULE(Name) FULMEN_MODULE_IMPL(Name, Name##Impl)
#define FULMEN_MODULE_IMPL(Name, ImplType)                    \
  class Name : public ::fulmen::nn::ModuleHolder<ImplType> {  \
   public:                                                    \
    using ::fulmen::nn::ModuleHolder<ImplType>::ModuleHolder; \
    using Impl [[maybe_unused]] = ImplType;                   \
  }
