#pragma once
#include <emulator/thread.h>

#include <bit>
#include <type_traits>

// CUDA's atomic functions: blocks run on several host threads, so these are real atomics.
namespace emulator {

template <class T, class F>
EMULATOR_INTERNAL inline T update(T* address, F change, Site site) {
  using Bits = std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;
  static_assert(sizeof(T) == sizeof(Bits));
  if (reinterpret_cast<uintptr_t>(address) % sizeof(T) != 0) {
    fail("%s at %s:%d: %p is not aligned to %zu bytes", site.what, site.file, site.line, static_cast<void*>(address),
         sizeof(T));
  }
  note_access(address, sizeof(T), Access::atomic, site);
  auto* bits = reinterpret_cast<Bits*>(address);
  Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED), changed;
  do {
    changed = std::bit_cast<Bits>(static_cast<T>(change(std::bit_cast<T>(old))));
  } while (!__atomic_compare_exchange_n(bits, &old, changed, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  return std::bit_cast<T>(old);
}

}  // namespace emulator

#define EMULATOR_ATOMIC(name, expression)                                            \
  template <class T>                                                                 \
  inline T name(T* address, std::type_identity_t<T> value, EMULATOR_CALLER) {        \
    auto change = [=](T old) { return (expression); };                               \
    return ::emulator::update(address, change, ::emulator::Site{#name, file, line}); \
  }
EMULATOR_ATOMIC(atomicAdd, old + value)
EMULATOR_ATOMIC(atomicSub, old - value)
EMULATOR_ATOMIC(atomicMax, old > value ? old : value)
EMULATOR_ATOMIC(atomicMin, old < value ? old : value)
EMULATOR_ATOMIC(atomicAnd, old& value)
EMULATOR_ATOMIC(atomicOr, old | value)
EMULATOR_ATOMIC(atomicXor, old ^ value)
EMULATOR_ATOMIC(atomicExch, ((void)old, value))
EMULATOR_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
EMULATOR_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef EMULATOR_ATOMIC
template <class T>
inline T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value, EMULATOR_CALLER) {
  auto change = [=](T old) { return old == expected ? value : old; };
  return ::emulator::update(address, change, ::emulator::Site{"atomicCAS", file, line});
}
