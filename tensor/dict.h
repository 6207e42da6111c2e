#pragma once
#include <fulmen/tensor/tensor.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace fulmen {

/// Tensors under names, in the order of insertion: a batch or the output of a step with more than one part.
/// `Dict{{"loss", loss}, {"accuracy", accuracy}}`
class Dict {
 public:
  using Item = std::pair<std::string, Tensor>;

  Dict() = default;
  Dict(std::initializer_list<Item> items);

  /// The tensor under a name; an unknown name is an error that lists the names there are.
  const Tensor& at(std::string_view name) const;
  const Tensor& operator[](std::string_view name) const { return at(name); }
  /// The same, adding an undefined tensor when the name is new.
  Tensor& operator[](std::string_view name);
  /// The tensor under a name, or null.
  const Tensor* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  std::vector<std::string> keys() const;

 private:
  std::vector<Item> items_;
};

}  // namespace fulmen
