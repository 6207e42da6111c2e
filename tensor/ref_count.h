#pragma once
#include <cstdint>

namespace fulmen {

/// An atomic 32-bit counter. Compiler builtins rather than <atomic>, whose header alone is 36 thousand lines.
class AtomicCounter {
 public:
  explicit AtomicCounter(uint32_t value) : value_(value) {}
  AtomicCounter(const AtomicCounter&) = delete;
  uint32_t load() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
  void store(uint32_t v) { __atomic_store_n(&value_, v, __ATOMIC_RELEASE); }
  void increment() { __atomic_fetch_add(&value_, 1u, __ATOMIC_RELAXED); }
  /// True when the count fell to zero. A count of one is not shared, so its owner needs no locked instruction.
  bool decrement() { return load() == 1 || __atomic_sub_fetch(&value_, 1u, __ATOMIC_ACQ_REL) == 0; }
  /// Takes a reference unless the count has already fallen to zero.
  bool increment_unless_zero() {
    uint32_t seen = load();
    while (seen != 0) {
      if (__atomic_compare_exchange_n(&value_, &seen, seen + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return true;
    }
    return false;
  }

 private:
  uint32_t value_;
};

}  // namespace fulmen
