#include <fulmen/optim/optimizer.h>

#include <algorithm>

namespace fulmen::optim {
namespace {
auto lower_bound(std::vector<StateMap::value_type>& entries, void* key) {
  return std::lower_bound(entries.begin(), entries.end(), key, [](const StateMap::value_type& entry, void* k) {
    return std::less<void*>()(entry.first, k);
  });
}
}  // namespace

StateMap::StateMap() = default;
StateMap::StateMap(StateMap&&) noexcept = default;
StateMap& StateMap::operator=(StateMap&&) noexcept = default;
StateMap::~StateMap() = default;

StateMap::iterator StateMap::find(void* key) {
  const auto it = lower_bound(entries_, key);
  return it != entries_.end() && it->first == key ? it : entries_.end();
}
StateMap::mapped_type& StateMap::operator[](void* key) {
  const auto it = lower_bound(entries_, key);
  if (it != entries_.end() && it->first == key) return it->second;
  return entries_.emplace(it, key, nullptr)->second;
}
StateMap::mapped_type& StateMap::at(void* key) {
  const auto it = find(key);
  FULMEN_CHECK(it != end(), "Optimizer: no state for this parameter yet: it is made by the first step that changes it");
  return it->second;
}
size_t StateMap::erase(void* key) {
  const auto it = find(key);
  if (it == end()) return 0;
  entries_.erase(it);
  return 1;
}
void StateMap::clear() { entries_.clear(); }

}  // namespace fulmen::optim
