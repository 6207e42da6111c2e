#pragma once
#include <fulmen/kernels/dtype.h>

// Registers of the instruction set that this file is compiled for, as the compiler's own vector types: one source for
// SSE, AVX2 and AVX-512, and plain operators instead of intrinsics.
namespace fulmen::FULMEN_ISA {

inline constexpr int register_bytes = FULMEN_ISA_LEVEL >= 4 ? 64 : FULMEN_ISA_LEVEL == 3 ? 32 : 16;

template <class T, int N>
struct VecOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T>
inline constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));
template <class T>
using Vec = typename VecOf<T, lanes<T>>::type;

/// Unaligned.
template <class V>
FULMEN_INLINE V load(const void* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class V>
FULMEN_INLINE void store(void* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}
template <class V, class T>
FULMEN_INLINE V splat(T value) {
  return value - V{};  // not `V{} + value`, which turns -0 into 0
}

}  // namespace fulmen::FULMEN_ISA
