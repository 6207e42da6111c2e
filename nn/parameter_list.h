#pragma once
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/module_holder.h>

namespace fulmen::nn {

/// A list of parameters, registered as "0", "1", ...
class ParameterListImpl : public Cloneable<ParameterListImpl> {
 public:
  using Iterator = OrderedDict<std::string, Tensor>::Iterator;
  using ConstIterator = OrderedDict<std::string, Tensor>::ConstIterator;

  ParameterListImpl();
  template <class... Tensors>
  requires(sizeof...(Tensors) > 0 &&
           (std::is_convertible_v<Tensors, Tensor> && ...)) explicit ParameterListImpl(Tensors&&... tensors) {
    (append(std::forward<Tensors>(tensors)), ...);
  }
  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override;
  void reset() override {}
  void pretty_print(std::ostream& stream) const override;

  /// Adds a parameter that keeps its own requires_grad.
  void append(Tensor parameter);
  void append(const OrderedDict<std::string, Tensor>::Item& item) { append(item.value()); }
  /// Adds the tensors of a range: a vector, or a dictionary's items.
  template <class Range>
  void extend(const Range& range) {
    for (const auto& item : range) append(item);
  }
  Iterator begin() { return parameters_.begin(); }
  Iterator end() { return parameters_.end(); }
  ConstIterator begin() const { return std::as_const(parameters_).begin(); }
  ConstIterator end() const { return std::as_const(parameters_).end(); }
  Tensor& at(size_t index);
  const Tensor& at(size_t index) const { return const_cast<ParameterListImpl*>(this)->at(index); }
  Tensor& operator[](size_t index) { return at(index); }
  const Tensor& operator[](size_t index) const { return at(index); }
  size_t size() const noexcept { return parameters_.size(); }
  bool is_empty() const noexcept { return parameters_.is_empty(); }
};
FULMEN_MODULE(ParameterList);

/// Parameters under names of the user's choice.
class ParameterDictImpl : public Cloneable<ParameterDictImpl> {
 public:
  using Iterator = OrderedDict<std::string, Tensor>::Iterator;
  using ConstIterator = OrderedDict<std::string, Tensor>::ConstIterator;

  ParameterDictImpl();
  explicit ParameterDictImpl(const OrderedDict<std::string, Tensor>& parameters);
  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override;
  void reset() override {}
  void pretty_print(std::ostream& stream) const override;

  /// Adds a parameter that keeps its own requires_grad.
  Tensor& insert(std::string key, Tensor parameter);
  /// Removes and returns a parameter; an unknown key is an error.
  Tensor pop(const std::string& key);
  std::vector<std::string> keys() const;
  std::vector<Tensor> values() const;
  Iterator begin() { return parameters_.begin(); }
  Iterator end() { return parameters_.end(); }
  ConstIterator begin() const { return std::as_const(parameters_).begin(); }
  ConstIterator end() const { return std::as_const(parameters_).end(); }
  size_t size() const noexcept { return parameters_.size(); }
  bool empty() const noexcept { return parameters_.is_empty(); }
  void clear() { parameters_.clear(); }
  bool contains(const std::string& key) const noexcept { return parameters_.contains(key); }
  Tensor& get(const std::string& key) { return parameters_[key]; }
  const Tensor& get(const std::string& key) const { return parameters_[key]; }
  Tensor& operator[](const std::string& key) { return parameters_[key]; }
  const Tensor& operator[](const std::string& key) const { return parameters_[key]; }
};
FULMEN_MODULE(ParameterDict);

}  // namespace fulmen::nn
