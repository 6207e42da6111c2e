#pragma once
#include <fulmen/nn/any_value.h>
#include <fulmen/nn/ordered_dict.h>
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/tensor.h>

#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace fulmen::nn {

template <class Contained>
class ModuleHolder;
struct ModuleHolderTag {};
/// A holder such as `Linear`, not the `LinearImpl` inside.
template <class T>
concept IsHolder = std::is_base_of_v<ModuleHolderTag, std::decay_t<T>>;

/// What load_state_dict did not load, by full name.
struct LoadReport {
  std::vector<std::string> missing;     ///< the module has them, the state does not
  std::vector<std::string> unexpected;  ///< the state has them, the module does not
  std::vector<std::string> mismatched;  ///< both have them, with different shapes
  bool ok() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};

/// Part of a network: parameters, buffers and child modules under names, in the order of registration.
/// Names, order and layouts are PyTorch's, so a state_dict() is exchanged with Python without renaming.
///
/// Derive from Module (or from Cloneable<Derived>, which adds clone()), register members in the constructor (or in
/// reset()) and write a `forward` of any signature.
class Module : public std::enable_shared_from_this<Module> {
 public:
  using ModuleApplyFunction = AnyFunction<void(Module&)>;
  using ConstModuleApplyFunction = AnyFunction<void(const Module&)>;
  using NamedModuleApplyFunction = AnyFunction<void(const std::string&, Module&)>;
  using ConstNamedModuleApplyFunction = AnyFunction<void(const std::string&, const Module&)>;
  using ModulePointerApplyFunction = AnyFunction<void(const std::shared_ptr<Module>&)>;
  using NamedModulePointerApplyFunction = AnyFunction<void(const std::string&, const std::shared_ptr<Module>&)>;

  Module();
  explicit Module(std::string name);
  Module(const Module&);
  Module(Module&&);
  Module& operator=(const Module&);
  Module& operator=(Module&&);
  virtual ~Module();

  /// The name given to the constructor, or the name of the dynamic type.
  const std::string& name() const noexcept;

  /// A deep copy, its tensors on `device` if one is given. Modules get it from Cloneable; a plain Module throws.
  virtual std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const;

  /// Calls the function for this module and everything below it, parents first.
  void apply(const ModuleApplyFunction& function);
  void apply(const ConstModuleApplyFunction& function) const;
  void apply(const NamedModuleApplyFunction& function, const std::string& name_prefix = {});
  void apply(const ConstNamedModuleApplyFunction& function, const std::string& name_prefix = {}) const;
  void apply(const ModulePointerApplyFunction& function) const;
  void apply(const NamedModulePointerApplyFunction& function, const std::string& name_prefix = {}) const;

  /// All parameters, own ones before the children's, undefined ones left out. `recurse` false: own ones only.
  std::vector<Tensor> parameters(bool recurse = true) const;
  OrderedDict<std::string, Tensor> named_parameters(bool recurse = true) const;
  std::vector<Tensor> buffers(bool recurse = true) const;
  OrderedDict<std::string, Tensor> named_buffers(bool recurse = true) const;
  /// The module itself (which must be owned by a shared_ptr) and everything below it, depth first.
  std::vector<std::shared_ptr<Module>> modules(bool include_self = true) const;
  OrderedDict<std::string, std::shared_ptr<Module>> named_modules(const std::string& name_prefix = {},
                                                                  bool include_self = true) const;
  std::vector<std::shared_ptr<Module>> children() const;
  OrderedDict<std::string, std::shared_ptr<Module>> named_children() const;

  virtual void train(bool on = true);
  void eval() { train(false); }
  virtual bool is_training() const noexcept { return is_training_; }

  /// Moves or converts all parameters and buffers in place; a dtype is applied to floating-point tensors only.
  virtual void to(Device device, ScalarType dtype, bool non_blocking = false);
  virtual void to(ScalarType dtype, bool non_blocking = false);
  virtual void to(Device device, bool non_blocking = false);

  /// Drops all gradients, or sets them to zero when `set_to_none` is false.
  virtual void zero_grad(bool set_to_none = true);

  /// Parameters and buffers by full name ("encoder.0.weight"), sharing memory with the module, without history.
  OrderedDict<std::string, Tensor> state_dict() const;
  /// Copies values in by name. When names or shapes differ, nothing is changed and error E013 lists every difference
  /// with the nearest names; with `strict` false what fits is loaded and the rest is reported.
  LoadReport load_state_dict(const OrderedDict<std::string, Tensor>& state, bool strict = true);

  /// Prints this module in one line, without children.
  virtual void pretty_print(std::ostream& stream) const;
  /// False for modules that hold no state that could be saved (Functional).
  virtual bool is_serializable() const { return true; }

  /// Adds a parameter. Names must be new, not empty and without dots. The tensor may be undefined (a layer without
  /// bias): then the name is known, but no list shows it.
  Tensor& register_parameter(std::string name, Tensor tensor, bool requires_grad = true);
  /// Adds state that is saved but not trained.
  Tensor& register_buffer(std::string name, Tensor tensor);

  template <class M>
  std::shared_ptr<M> register_module(std::string name, std::shared_ptr<M> module) {
    add_child(std::move(name), module);
    return module;
  }
  template <IsHolder Holder>
  Holder register_module(std::string name, Holder holder) {
    add_child(std::move(name), holder.module_ptr());
    return holder;
  }
  template <class M>
  std::shared_ptr<M> replace_module(const std::string& name, std::shared_ptr<M> module) {
    children_[name] = module;
    return module;
  }
  template <IsHolder Holder>
  Holder replace_module(const std::string& name, Holder holder) {
    children_[name] = holder.module_ptr();
    return holder;
  }
  void unregister_module(const std::string& name);

  /// This module as `M` (a module type or a holder), or null when it is something else.
  template <class M>
  auto as() noexcept {
    if constexpr (IsHolder<M>) {
      return dynamic_cast<typename M::ContainedType*>(this);
    } else {
      return dynamic_cast<M*>(this);
    }
  }
  template <class M>
  auto as() const noexcept {
    if constexpr (IsHolder<M>) {
      return dynamic_cast<const typename M::ContainedType*>(this);
    } else {
      return dynamic_cast<const std::remove_const_t<M>*>(this);
    }
  }

  /// The default arguments of `forward`, as (position, value); see FULMEN_FORWARD_HAS_DEFAULT_ARGS.
  virtual std::vector<std::pair<unsigned, AnyValue>> forward_default_args() const { return {}; }
  /// The name below this module ("encoder.2") of a module known by its address; empty when it is not here.
  std::string path_of(const void* module) const;

 protected:
  OrderedDict<std::string, Tensor> parameters_{"Parameter"};
  OrderedDict<std::string, Tensor> buffers_{"Buffer"};
  OrderedDict<std::string, std::shared_ptr<Module>> children_{"Submodule"};

  /// Gives this fresh copy (after reset()) the values of `original`.
  void copy_values_from(const Module& original, const std::optional<Device>& device);
  /// Forgets everything registered, so that reset() can register it anew.
  void forget_registrations();

 private:
  template <class Derived>
  friend class Cloneable;

  virtual void clone_(Module& other, const std::optional<Device>& device);
  void add_child(std::string name, std::shared_ptr<Module> module);
  void convert(const std::optional<Device>& device, const std::optional<ScalarType>& dtype, bool non_blocking);
  void print_tree(std::ostream& stream, const std::string& indentation) const;
  std::shared_ptr<Module> shared_from_this_checked() const;
  friend std::ostream& operator<<(std::ostream& stream, const Module& module);

  mutable std::optional<std::string> name_;
  bool is_training_ = true;
};

namespace detail {
/// Takes over a module made with new.
std::shared_ptr<Module> own(Module* module);
}  // namespace detail

/// Prints the module and its children, indented.
std::ostream& operator<<(std::ostream& stream, const Module& module);

/// Inside a module: lets AnyModule and Sequential call `forward` with fewer arguments. Each entry is
/// {position, AnyValue(default)}, as in `FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())})`.
#define FULMEN_FORWARD_HAS_DEFAULT_ARGS(...)                                                           \
 public:                                                                                               \
  ::std::vector<::std::pair<unsigned, ::fulmen::nn::AnyValue>> forward_default_args() const override { \
    return {__VA_ARGS__};                                                                              \
  }

}  // namespace fulmen::nn
