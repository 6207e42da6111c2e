#pragma once
#include <emulator/thread.h>

#include <cstddef>

// What the checked build wants to know. Its hooks are set by check.cpp, which is linked only where kernels were
// compiled with checks of every access; elsewhere these calls do nothing.
namespace emulator {

struct Block;

struct CheckHooks {
  void (*allocated)(void* p, size_t bytes);
  void (*freed)(void* p, size_t bytes);
  void (*initialized)(void* to, const void* from, size_t bytes);
  void (*host_range)(void* p, size_t bytes, bool live);
  void (*access)(const void* p, size_t bytes, Access access, void* caller);
  void (*launch_begins)(const void* arguments, size_t bytes);
  void (*block_begins)(Block& block);
};
extern const CheckHooks* check_hooks;

inline void note_allocated(void* p, size_t bytes) {
  if (check_hooks) check_hooks->allocated(p, bytes);
}
inline void note_freed(void* p, size_t bytes) {
  if (check_hooks) check_hooks->freed(p, bytes);
}
/// A copy (`from` is where the bytes came from) or a memset wrote device memory.
inline void note_initialized(void* to, const void* from, size_t bytes) {
  if (check_hooks) check_hooks->initialized(to, from, bytes);
}
/// Pinned host memory, which kernels may use.
inline void note_host_range(void* p, size_t bytes, bool live) {
  if (check_hooks) check_hooks->host_range(p, bytes, live);
}

}  // namespace emulator
