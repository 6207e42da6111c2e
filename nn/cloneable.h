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
    auto* copy = new Derived(static_cast<const Derived&>(*this));
    std::shared_ptr<Module> owner = detail::own(copy);
    static_cast<Module*>(copy)->forget_registrations();
    copy->reset();
    static_cast<Module*>(copy)->copy_values_from(*this, device);
    return owner;
  }

 private:
  // A parent that is cloned asks its new child to take over the state, plain members included, of the old one.
  void clone_(Module& other, const std::optional<Device>& device) final {
    std::shared_ptr<Module> copy = other.clone(device);
    auto* same = dynamic_cast<Derived*>(copy.get());
    if (!same) detail::clone_of_other_type(*this, other);
    static_cast<Derived&>(*this) = *same;
  }
};

}  // namespace fulmen::nn
