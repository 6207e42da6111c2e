#pragma once
#include <fulmen/tensor/tensor.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmen {

/// Tensors by name, in the order in which they were added: a batch, or what a step returns. Meant for a handful of
/// entries.
class Dict {
 public:
  using Item = std::pair<std::string, Tensor>;

  Dict() = default;
  /// Throws if a name appears twice.
  Dict(std::initializer_list<Item> items);

  /// The tensor of this name; an undefined one is added if there is none.
  Tensor& operator[](std::string_view name);
  /// Throws if there is no such name, and says which one is nearest.
  const Tensor& at(std::string_view name) const;
  Tensor& at(std::string_view name);
  /// Null if there is no such name.
  const Tensor* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Whether there was such a name.
  bool erase(std::string_view name);
  void clear() { items_.clear(); }

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  std::vector<std::string> keys() const;
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<Item> items_;
};

}  // namespace fulmen
