#include <fulmen/tensor/dict.h>
#include <fulmen/tensor/nearest_name.h>

namespace fulmen {

Dict::Dict(std::initializer_list<Item> items) : items_(items) {
  for (size_t i = 0; i < items_.size(); ++i) {
    FULMEN_CHECK(find(items_[i].first) == &items_[i].second, "Dict: the name \"", items_[i].first, "\" is given twice");
  }
}

const Tensor* Dict::find(std::string_view name) const {
  for (const Item& item : items_) {
    if (item.first == name) return &item.second;
  }
  return nullptr;
}

const Tensor& Dict::at(std::string_view name) const {
  if (const Tensor* tensor = find(name)) return *tensor;
  std::string known;
  for (const Item& item : items_) known += (known.empty() ? "" : ", ") + item.first;
  const std::string nearest = nearest_name(name, keys());
  fail(str("Dict: there is no \"", name, "\" among {", known, "}",
           nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?"));
}

Tensor& Dict::operator[](std::string_view name) {
  if (const Tensor* tensor = find(name)) return const_cast<Tensor&>(*tensor);
  return items_.emplace_back(std::string(name), Tensor()).second;
}

std::vector<std::string> Dict::keys() const {
  std::vector<std::string> names;
  for (const Item& item : items_) names.push_back(item.first);
  return names;
}

}  // namespace fulmen
