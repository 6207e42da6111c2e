#pragma once
#include <cstddef>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace fulmen {

namespace detail {
[[noreturn]] void dict_key_missing(const std::string& description, const std::string& key);
[[noreturn]] void dict_key_exists(const std::string& description, const std::string& key);
[[noreturn]] void dict_empty(const char* method);
[[noreturn]] void dict_index_out_of_range(size_t index, size_t size);

template <class Key>
std::string key_text(const Key& key) {
  if constexpr (std::is_convertible_v<const Key&, std::string>) {
    return key;
  } else if constexpr (std::is_arithmetic_v<Key>) {
    return std::to_string(key);
  } else {
    return "?";
  }
}
}  // namespace detail

/// A dictionary that keeps the order of insertion; items are found by key or by position.
/// `key_description` is what errors call a key ("Parameter 'w' already defined").
template <class Key, class Value>
class OrderedDict {
 public:
  class Item {
   public:
    Item(Key key, Value value) : pair_(std::move(key), std::move(value)) {}
    const Key& key() const noexcept { return pair_.first; }
    Value& value() noexcept { return pair_.second; }
    const Value& value() const noexcept { return pair_.second; }
    Value& operator*() noexcept { return pair_.second; }
    const Value& operator*() const noexcept { return pair_.second; }
    Value* operator->() noexcept { return &pair_.second; }
    const Value* operator->() const noexcept { return &pair_.second; }
    const std::pair<Key, Value>& pair() const noexcept { return pair_; }

   private:
    std::pair<Key, Value> pair_;
  };
  using Iterator = typename std::vector<Item>::iterator;
  using ConstIterator = typename std::vector<Item>::const_iterator;

  explicit OrderedDict(std::string key_description = "Key") : key_description_(std::move(key_description)) {}
  OrderedDict(std::initializer_list<Item> items) : OrderedDict("Key") {
    items_.reserve(items.size());
    for (const Item& item : items) insert(item.key(), item.value());
  }

  const std::string& key_description() const noexcept { return key_description_; }
  size_t size() const noexcept { return items_.size(); }
  bool is_empty() const noexcept { return items_.empty(); }
  void reserve(size_t capacity) { items_.reserve(capacity); }

  Iterator begin() { return items_.begin(); }
  Iterator end() { return items_.end(); }
  ConstIterator begin() const { return items_.begin(); }
  ConstIterator end() const { return items_.end(); }

  Item& front() { return items_.empty() ? (detail::dict_empty("front"), items_.front()) : items_.front(); }
  const Item& front() const { return const_cast<OrderedDict*>(this)->front(); }
  Item& back() { return items_.empty() ? (detail::dict_empty("back"), items_.back()) : items_.back(); }
  const Item& back() const { return const_cast<OrderedDict*>(this)->back(); }

  /// The item at a position.
  Item& operator[](size_t position) {
    if (position >= items_.size()) detail::dict_index_out_of_range(position, items_.size());
    return items_[position];
  }
  const Item& operator[](size_t position) const { return const_cast<OrderedDict&>(*this)[position]; }
  /// The value under a key; an unknown key is an error.
  Value& operator[](const Key& key) {
    if (Value* value = find(key)) return *value;
    detail::dict_key_missing(key_description_, detail::key_text(key));
  }
  const Value& operator[](const Key& key) const { return const_cast<OrderedDict&>(*this)[key]; }

  /// The value under a key, or null.
  Value* find(const Key& key) noexcept {
    const size_t position = position_of(key);
    return position == items_.size() ? nullptr : &items_[position].value();
  }
  const Value* find(const Key& key) const noexcept { return const_cast<OrderedDict*>(this)->find(key); }
  bool contains(const Key& key) const noexcept { return position_of(key) != items_.size(); }

  /// Adds at the end; a key that exists is an error.
  template <class V>
  Value& insert(Key key, V&& value) {
    if (contains(key)) detail::dict_key_exists(key_description_, detail::key_text(key));
    hashes_.push_back(std::hash<Key>()(key));
    items_.emplace_back(std::move(key), std::forward<V>(value));
    return items_.back().value();
  }
  /// Inserts all items of `other`; keys must be new.
  void update(const OrderedDict& other) {
    items_.reserve(items_.size() + other.size());
    for (const Item& item : other) insert(item.key(), item.value());
  }
  void update(OrderedDict&& other) {
    items_.reserve(items_.size() + other.size());
    for (Item& item : other) insert(item.key(), std::move(item.value()));
  }
  /// Removes the item; the ones after it move up.
  void erase(const Key& key) {
    const size_t position = position_of(key);
    if (position == items_.size()) detail::dict_key_missing(key_description_, detail::key_text(key));
    hashes_.erase(hashes_.begin() + static_cast<std::ptrdiff_t>(position));
    items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(position));
  }
  void clear() {
    hashes_.clear();
    items_.clear();
  }

  const std::vector<Item>& items() const noexcept { return items_; }
  std::vector<Key> keys() const {
    std::vector<Key> out;
    out.reserve(size());
    for (const Item& item : items_) out.push_back(item.key());
    return out;
  }
  std::vector<Value> values() const {
    std::vector<Value> out;
    out.reserve(size());
    for (const Item& item : items_) out.push_back(item.value());
    return out;
  }
  std::vector<std::pair<Key, Value>> pairs() const {
    std::vector<std::pair<Key, Value>> out;
    out.reserve(size());
    for (const Item& item : items_) out.push_back(item.pair());
    return out;
  }
  friend bool operator==(const OrderedDict& a, const OrderedDict& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!(a.items_[i].pair() == b.items_[i].pair())) return false;
    }
    return true;
  }

 private:
  // Comparing a row of hashes is as fast as a hash table for the sizes that models have, and needs no header.
  size_t position_of(const Key& key) const noexcept {
    const size_t hash = std::hash<Key>()(key), count = items_.size();
    size_t i = 0;
    while (i < count && !(hashes_[i] == hash && items_[i].key() == key)) ++i;
    return i;
  }
  std::vector<size_t> hashes_;
  std::vector<Item> items_;
  std::string key_description_;
};

}  // namespace fulmen
