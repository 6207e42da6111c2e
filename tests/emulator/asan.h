#pragma once
#include "fiber.h"
#ifdef FULMEN_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// AddressSanitizer keeps a shadow of every stack, and must know when the stack changes. Without it these do nothing.
namespace emulator::asan {
#ifdef FULMEN_EMULATOR_ASAN
inline void start_switch(void** fake, const void* bottom, size_t size) {
  __sanitizer_start_switch_fiber(fake, bottom, size);
}
inline void finish_switch(void* fake) { __sanitizer_finish_switch_fiber(fake, nullptr, nullptr); }
/// In a new fiber: the first one learns where the host thread's own stack lies.
inline void finish_first_switch(const void*& host_bottom, size_t& host_size) {
  const void* bottom = nullptr;
  size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (host_bottom == nullptr) host_bottom = bottom, host_size = size;
}
/// Fibers that were dropped leave marks of their frames behind.
inline void forget_stacks(const Stacks& stacks) {
  for (int i = 0; i < stacks.count(); ++i) __asan_unpoison_memory_region(stacks.bottom(i), Stacks::size);
}
#else
inline void start_switch(void**, const void*, size_t) {}
inline void finish_switch(void*) {}
inline void finish_first_switch(const void*&, size_t&) {}
inline void forget_stacks(const Stacks&) {}
#endif
}  // namespace emulator::asan
