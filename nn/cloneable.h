#pragma once
#include <fulmen/nn/module.h>

namespace fulmen::nn {

namespace detail {
[[noreturn]] void clone_of_other_type(const Module& copy, const Module& original);
}

/// Gives Derived a deep clone(). Derived registers everything in reset(), which its constructor calls.
template <class Derived>
class Cloneable : public Module {
 public:
  using Module::Module;

  /// Registers all parameters, buffers and children, with fresh initial values.
  virtual void reset() = 0;

  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override {
    std::shared_ptr<Derived> copy(new Derived(static_cast<const Derived&>(*this)));
    static_cast<Module&>(*copy).forget_registrations();
    copy->reset();
    static_cast<Module&>(*copy).copy_values_from(*this, device);
    return copy;
  }

 private:
  // A parent that is cloned asks its new child to take over the state, plain members included, of the old one.
  void clone_(Module& other, const std::optional<Device>& device) final {
    auto copy = std::dynamic_pointer_cast<Derived>(other.clone(device));
    if (!copy) detail::clone_of_other_type(*this, other);
    static_cast<Derived&>(*this) = *copy;
  }
};

}  // namespace fulmen::nn
