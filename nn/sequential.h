#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>

namespace fulmen::nn {

/// Modules run one after the other: each one's output is the next one's input. Children are named "0", "1", ... or as
/// given. An error that leaves forward() says which child it came from.
class SequentialImpl : public Cloneable<SequentialImpl> {
 public:
  using Iterator = std::vector<AnyModule>::iterator;
  using ConstIterator = std::vector<AnyModule>::const_iterator;

  SequentialImpl();
  SequentialImpl(std::initializer_list<NamedAnyModule> named);
  explicit SequentialImpl(const OrderedDict<std::string, AnyModule>& named);
  template <class... Modules>
  requires(sizeof...(Modules) > 0 && !(std::is_base_of_v<SequentialImpl, std::decay_t<Modules>> &&
                                       ...)) explicit SequentialImpl(Modules&&... modules) {
    modules_.reserve(sizeof...(Modules));
    (push_back(std::forward<Modules>(modules)), ...);
  }

  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override;
  void reset() override {}
  void pretty_print(std::ostream& stream) const override;

  /// Runs the chain. The types that flow must fit each module's forward() exactly.
  template <class Return = Tensor, class... Inputs>
  Return forward(Inputs&&... inputs) {
    std::array<AnyValue, sizeof...(Inputs)> values{AnyValue(std::forward<Inputs>(inputs))...};
    return AnyModule::as_return<Return>(forward_any(values));
  }
  AnyValue forward_any(detail::AnyArguments inputs);

  /// Adds a module: a shared_ptr, a holder, or a plain module object (copied or moved once).
  template <class M>
  void push_back(std::shared_ptr<M> module) {
    push_back(std::to_string(modules_.size()), AnyModule(std::move(module)));
  }
  template <class M>
  requires std::is_base_of_v<Module, std::decay_t<M>>
  void push_back(M&& module) { push_back(std::to_string(modules_.size()), AnyModule(std::forward<M>(module))); }
  template <class M>
  void push_back(const ModuleHolder<M>& holder) {
    push_back(std::to_string(modules_.size()), AnyModule(holder));
  }
  template <class M>
  void push_back(std::string name, std::shared_ptr<M> module) {
    push_back(std::move(name), AnyModule(std::move(module)));
  }
  template <class M>
  requires std::is_base_of_v<Module, std::decay_t<M>>
  void push_back(std::string name, M&& module) { push_back(std::move(name), AnyModule(std::forward<M>(module))); }
  template <class M>
  void push_back(std::string name, const ModuleHolder<M>& holder) {
    push_back(std::move(name), AnyModule(holder));
  }
  void push_back(AnyModule module) { push_back(std::to_string(modules_.size()), std::move(module)); }
  void push_back(std::string name, AnyModule module);
  void push_back(const NamedAnyModule& named) { push_back(named.name(), named.module()); }

  /// Adds the modules of any range of modules, holders or shared pointers.
  template <class Range>
  void extend(const Range& range) {
    for (const auto& module : range) push_back(module);
  }

  Iterator begin() { return modules_.begin(); }
  Iterator end() { return modules_.end(); }
  ConstIterator begin() const { return modules_.begin(); }
  ConstIterator end() const { return modules_.end(); }

  /// The module at a position as `M&`.
  template <class M>
  M& at(size_t index) {
    return checked(index).template get<M>();
  }
  template <class M>
  const M& at(size_t index) const {
    return checked(index).template get<M>();
  }
  std::shared_ptr<Module> ptr(size_t index) const { return checked(index).ptr(); }
  template <class M>
  std::shared_ptr<M> ptr(size_t index) const {
    if constexpr (IsHolder<M>) {
      return checked(index).template ptr<typename M::ContainedType>();
    } else {
      return checked(index).template ptr<M>();
    }
  }
  std::shared_ptr<Module> operator[](size_t index) const { return ptr(index); }
  size_t size() const noexcept { return modules_.size(); }
  bool is_empty() const noexcept { return modules_.empty(); }

 private:
  /// One module's forward; anomaly mode hears its name.
  AnyValue run(size_t index, detail::AnyArguments inputs);
  AnyValue observed_run(size_t index, detail::AnyArguments inputs);
  const AnyModule& checked(size_t index) const;
  AnyModule& checked(size_t index) { return const_cast<AnyModule&>(std::as_const(*this).checked(index)); }
  std::vector<AnyModule> modules_;
};

/// `Sequential{Linear(8, 64), ReLU(), Linear(64, 1)}` or `Sequential({{"fc1", Linear(8, 64)}, {"act", ReLU()}})`.
/// With braces the modules are made in the order written, so their initial values are those of the same lines in
/// Python. With parentheses C++ leaves the order open, and g++ begins at the last one.
class Sequential : public ModuleHolder<SequentialImpl> {
 public:
  using ModuleHolder<SequentialImpl>::ModuleHolder;
  using Impl [[maybe_unused]] = SequentialImpl;
  Sequential();
  Sequential(std::initializer_list<NamedAnyModule> named);
};

}  // namespace fulmen::nn
