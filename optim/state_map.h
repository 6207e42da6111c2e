#pragma once
#include <memory>
#include <utility>
#include <vector>

namespace fulmen::optim {

class OptimizerParamState;

/// The state of each parameter, by the parameter's address (`param.unsafeGetTensorImpl()`): a vector sorted by address,
/// with the interface of std::map.
class StateMap {
 public:
  using key_type = void*;
  using mapped_type = std::unique_ptr<OptimizerParamState>;
  using value_type = std::pair<void*, mapped_type>;
  using iterator = std::vector<value_type>::iterator;
  using const_iterator = std::vector<value_type>::const_iterator;

  StateMap();
  StateMap(StateMap&&) noexcept;
  StateMap& operator=(StateMap&&) noexcept;
  ~StateMap();

  iterator begin() { return entries_.begin(); }
  iterator end() { return entries_.end(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  iterator find(void* key);
  const_iterator find(void* key) const { return const_cast<StateMap*>(this)->find(key); }
  size_t count(void* key) const { return find(key) != end(); }
  bool contains(void* key) const { return count(key) != 0; }
  /// The entry, made empty if there is none.
  mapped_type& operator[](void* key);
  /// The entry; throws if there is none.
  mapped_type& at(void* key);
  const mapped_type& at(void* key) const { return const_cast<StateMap*>(this)->at(key); }
  size_t erase(void* key);
  void clear();

 private:
  std::vector<value_type> entries_;
};

}  // namespace fulmen::optim
