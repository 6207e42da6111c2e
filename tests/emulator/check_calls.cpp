#include <cstring>

#include "check.h"

// The calls that clang's -fsanitize=thread puts into kernels, and the memory functions that it makes of struct copies.
namespace emulator {

/// A load or store of `bytes` at `p` by the instruction before `caller`.
void check_instruction(const void* p, size_t bytes, Access access, void* caller);

}  // namespace emulator

using emulator::Access;

#define CALLER __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define ACCESSES(bytes)                                                                                                \
  void __tsan_read##bytes(void* p) { emulator::check_instruction(p, bytes, Access::read, CALLER); }                    \
  void __tsan_write##bytes(void* p) { emulator::check_instruction(p, bytes, Access::write, CALLER); }                  \
  void __tsan_unaligned_read##bytes(void* p) { emulator::check_instruction(p, bytes, Access::read, CALLER); }          \
  void __tsan_unaligned_write##bytes(void* p) { emulator::check_instruction(p, bytes, Access::write, CALLER); }        \
  void __tsan_read_write##bytes(void* p) { emulator::check_instruction(p, bytes, Access::write, CALLER); }             \
  void __tsan_unaligned_read_write##bytes(void* p) { emulator::check_instruction(p, bytes, Access::write, CALLER); }   \
  void __tsan_volatile_read##bytes(void* p) { emulator::check_instruction(p, bytes, Access::read, CALLER); }           \
  void __tsan_volatile_write##bytes(void* p) { emulator::check_instruction(p, bytes, Access::write, CALLER); }         \
  void __tsan_unaligned_volatile_read##bytes(void* p) { emulator::check_instruction(p, bytes, Access::read, CALLER); } \
  void __tsan_unaligned_volatile_write##bytes(void* p) { emulator::check_instruction(p, bytes, Access::write, CALLER); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
#undef ACCESSES
void __tsan_read_range(void* p, size_t bytes) { emulator::check_instruction(p, bytes, Access::read, CALLER); }
void __tsan_write_range(void* p, size_t bytes) { emulator::check_instruction(p, bytes, Access::write, CALLER); }

void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

// Atomic operations of host code in kernel files; those of kernels go through emulator/atomics.h.
#define ATOMIC_FETCH(bits, T, name)                               \
  T __tsan_atomic##bits##_fetch_##name(volatile T* p, T v, int) { \
    return __atomic_fetch_##name(p, v, __ATOMIC_SEQ_CST);         \
  }
#define ATOMICS(bits, T)                                                                                            \
  T __tsan_atomic##bits##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }           \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }           \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); } \
  ATOMIC_FETCH(bits, T, add)                                                                                        \
  ATOMIC_FETCH(bits, T, sub)                                                                                        \
  ATOMIC_FETCH(bits, T, and)                                                                                        \
  ATOMIC_FETCH(bits, T, or)                                                                                         \
  ATOMIC_FETCH(bits, T, xor)                                                                                        \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* expected, T v, int, int) {                    \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                  \
  }                                                                                                                 \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* expected, T v, int, int) {                      \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                  \
  }                                                                                                                 \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T expected, T v, int, int) {                          \
    __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                        \
    return expected;                                                                                                \
  }
ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

// emulator/checked.h makes kernel files call these instead of the C library's.
void* fulmen_emulator_memcpy(void* to, const void* from, size_t bytes) {
  if (bytes > 0 && emulator::current != nullptr) {
    emulator::check_instruction(from, bytes, Access::read, CALLER);
    emulator::check_instruction(to, bytes, Access::write, CALLER);
  }
  return std::memmove(to, from, bytes);
}
void* fulmen_emulator_memmove(void* to, const void* from, size_t bytes) {
  return fulmen_emulator_memcpy(to, from, bytes);
}
void* fulmen_emulator_memset(void* to, int value, size_t bytes) {
  if (bytes > 0 && emulator::current != nullptr) emulator::check_instruction(to, bytes, Access::write, CALLER);
  return std::memset(to, value, bytes);
}

}  // extern "C"
