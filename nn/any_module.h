#pragma once
#include <fulmen/nn/module_holder.h>

#include <array>
#include <span>

namespace fulmen::nn {

namespace detail {

using AnyArguments = std::span<AnyValue>;

[[noreturn]] void any_wrong_argument(size_t position, const std::type_info& wanted, const std::type_info& got);
[[noreturn]] void any_wrong_return(const std::type_info& wanted, const std::type_info& got);
[[noreturn]] void any_wrong_cast(const std::type_info& held, const std::type_info& wanted);
[[noreturn]] void any_empty(const char* method);
/// Checks the number of arguments; appends defaults from Module::forward_default_args where they are missing.
std::vector<AnyValue> any_complete_arguments(const Module& module, const std::type_info& type, AnyArguments given,
                                             size_t wanted);

/// Parameter and return types of a member function.
template <class Function>
struct MemberSignature;
#define FULMEN_MEMBER_SIGNATURE(qualifiers)           \
  template <class R, class C, class... A>             \
  struct MemberSignature<R (C::*)(A...) qualifiers> { \
    using Return = R;                                 \
    static constexpr size_t arity = sizeof...(A);     \
    template <template <class...> class F>            \
    using Parameters = F<A...>;                       \
  };
FULMEN_MEMBER_SIGNATURE()
FULMEN_MEMBER_SIGNATURE(const)
FULMEN_MEMBER_SIGNATURE(noexcept)
FULMEN_MEMBER_SIGNATURE(const noexcept)
#undef FULMEN_MEMBER_SIGNATURE

template <class M>
concept HasPlainForward = requires {
  &M::forward;
};
/// Containers whose forward is a template (Sequential) take part through this instead.
template <class M>
concept HasAnyForward = requires(M& m, AnyArguments a) {
  m.forward_any(a);
};

// The argument for parameter type P: checked, then moved out for a value, lent for a reference.
template <class P>
decltype(auto) any_argument(AnyArguments arguments, size_t position) {
  using T = std::decay_t<P>;
  T* value = arguments[position].try_get<T>();
  if (!value) any_wrong_argument(position, typeid(T), arguments[position].type_info());
  if constexpr (std::is_lvalue_reference_v<P>) {
    return static_cast<T&>(*value);
  } else {
    return static_cast<T&&>(*value);
  }
}

template <class M, class Return>
struct AnyInvoke {
  template <class... P>
  struct With {
    template <size_t... I>
    static AnyValue call(M& module, AnyArguments arguments, std::index_sequence<I...>) {
      if constexpr (std::is_void_v<Return>) {
        module.forward(any_argument<P>(arguments, I)...);
        return AnyValue();
      } else {
        return AnyValue(module.forward(any_argument<P>(arguments, I)...));
      }
    }
  };
};

template <class M>
AnyValue any_forward(Module& base, AnyArguments arguments) {
  M& module = static_cast<M&>(base);
  if constexpr (HasAnyForward<M>) {
    return module.forward_any(arguments);
  } else {
    static_assert(HasPlainForward<M>,
                  "AnyModule and Sequential need a module with exactly one forward() that is not a template.");
    using Signature = MemberSignature<decltype(&M::forward)>;
    using Invoke = typename Signature::template Parameters<AnyInvoke<M, typename Signature::Return>::template With>;
    constexpr std::make_index_sequence<Signature::arity> positions;
    if (arguments.size() == Signature::arity) [[likely]]
      return Invoke::call(module, arguments, positions);
    std::vector<AnyValue> completed = any_complete_arguments(module, typeid(M), arguments, Signature::arity);
    return Invoke::call(module, completed, positions);
  }
}

}  // namespace detail

/// Any module behind one type: forward() takes and gives values whose types are checked when it runs, exactly
/// (an int is not a float). Copies share the module.
class AnyModule {
 public:
  AnyModule() = default;
  template <class M>
  explicit AnyModule(const std::shared_ptr<M>& module) : AnyModule(module, static_cast<M*>(nullptr)) {}
  template <class M>
  requires std::is_base_of_v<Module, std::decay_t<M>>
  explicit AnyModule(M&& module)
      : AnyModule(detail::own(new std::decay_t<M>(std::forward<M>(module))), static_cast<std::decay_t<M>*>(nullptr)) {}
  template <class M>
  explicit AnyModule(const ModuleHolder<M>& holder) : AnyModule(holder.module_ptr(), static_cast<M*>(nullptr)) {}
  template <class M>
  AnyModule& operator=(const std::shared_ptr<M>& module) {
    return *this = AnyModule(module);
  }

  /// A deep copy.
  AnyModule clone(const std::optional<Device>& device = std::nullopt) const;

  /// Calls the module's forward.
  template <class... Args>
  AnyValue any_forward(Args&&... args) {
    if constexpr (sizeof...(Args) == 0) {
      return forward_values({});
    } else {
      std::array<AnyValue, sizeof...(Args)> values{AnyValue(std::forward<Args>(args))...};
      return forward_values(values);
    }
  }
  template <class Return = Tensor, class... Args>
  Return forward(Args&&... args) {
    return as_return<Return>(any_forward(std::forward<Args>(args)...));
  }
  AnyValue forward_values(detail::AnyArguments arguments);

  /// The module as `M&` (`get<LinearImpl>()`), or as a holder (`get<Linear>()`); another type is an error.
  template <class M>
  requires(!IsHolder<M>) M& get() { return *cast<M>("get"); }
  template <class M>
  requires(!IsHolder<M>) const M& get() const { return *cast<M>("get"); }
  template <IsHolder Holder>
  Holder get() const {
    return Holder(cast<typename Holder::ContainedType>("get"));
  }
  std::shared_ptr<Module> ptr() const {
    check("ptr");
    return module_;
  }
  template <class M>
  std::shared_ptr<M> ptr() const {
    return cast<M>("ptr");
  }
  /// The module's type as it was given.
  const std::type_info& type_info() const {
    check("type_info");
    return *type_;
  }
  bool is_empty() const noexcept { return module_ == nullptr; }

  template <class Return>
  static Return as_return(AnyValue value) {
    if constexpr (std::is_void_v<Return>) {
      return;
    } else {
      Return* result = value.try_get<Return>();
      if (!result) detail::any_wrong_return(typeid(Return), value.type_info());
      return std::move(*result);
    }
  }

 private:
  template <class M>
  std::shared_ptr<M> cast(const char* method) const {
    check(method);
    auto result = std::dynamic_pointer_cast<M>(module_);
    if (!result) detail::any_wrong_cast(*type_, typeid(M));
    return result;
  }
  void check(const char* method) const {
    if (!module_) detail::any_empty(method);
  }

  template <class M>
  AnyModule(std::shared_ptr<Module> module, M*)
      : module_(std::move(module)), type_(&typeid(M)), forward_(&detail::any_forward<M>) {}

  std::shared_ptr<Module> module_;
  const std::type_info* type_ = nullptr;
  AnyValue (*forward_)(Module&, detail::AnyArguments) = nullptr;
};

/// A module with a name, for `Sequential({{"fc1", Linear(3, 4)}, {"relu", ReLU()}})`.
class NamedAnyModule {
 public:
  template <class M>
  NamedAnyModule(std::string name, std::shared_ptr<M> module) : name_(std::move(name)), module_(std::move(module)) {}
  template <class M>
  requires std::is_base_of_v<Module, std::decay_t<M>> NamedAnyModule(std::string name, M&& module)
      : name_(std::move(name)), module_(std::forward<M>(module)) {}
  template <class M>
  NamedAnyModule(std::string name, const ModuleHolder<M>& holder) : name_(std::move(name)), module_(holder) {}
  NamedAnyModule(std::string name, AnyModule module) : name_(std::move(name)), module_(std::move(module)) {}

  const std::string& name() const noexcept { return name_; }
  AnyModule& module() noexcept { return module_; }
  const AnyModule& module() const noexcept { return module_; }

 private:
  std::string name_;
  AnyModule module_;
};

}  // namespace fulmen::nn
