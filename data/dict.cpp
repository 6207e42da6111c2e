#include <fulmen/data/dict.h>
#include <fulmen/tensor/nearest_name.h>

namespace fulmen {

Dict::Dict(std::initializer_list<Item> items) {
  items_.reserve(items.size());
  for (const Item& item : items) {
    FULMEN_CHECK(!contains(item.first), "Dict: the name '", item.first, "' is given twice");
    items_.push_back(item);
  }
}

Tensor& Dict::operator[](std::string_view name) {
  if (const Tensor* found = find(name)) return const_cast<Tensor&>(*found);
  return items_.emplace_back(std::string(name), Tensor()).second;
}

const Tensor* Dict::find(std::string_view name) const {
  for (const Item& item : items_) {
    if (item.first == name) return &item.second;
  }
  return nullptr;
}

const Tensor& Dict::at(std::string_view name) const {
  if (const Tensor* found = find(name)) return *found;
  std::string message = str("Dict: there is no '", name, "'; it holds ");
  if (items_.empty()) message += "nothing";
  for (const Item& item : items_) append(message, str(&item == items_.data() ? "'" : ", '", item.first, "'"));
  std::string nearest = nearest_name(name, keys());
  if (!nearest.empty()) append(message, str(" (did you mean '", nearest, "'?)"));
  fail(std::move(message));
}

Tensor& Dict::at(std::string_view name) { return const_cast<Tensor&>(std::as_const(*this).at(name)); }

bool Dict::erase(std::string_view name) {
  return std::erase_if(items_, [name](const Item& item) { return item.first == name; }) > 0;
}

std::vector<std::string> Dict::keys() const {
  std::vector<std::string> names;
  for (const Item& item : items_) names.push_back(item.first);
  return names;
}

}  // namespace fulmen
