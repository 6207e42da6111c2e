#pragma once
#include <emulator/thread.h>

#include <cstddef>

// What the checked build wants to know. Its hooks are set by check.cpp, which is linked only where kernels were
// compiled with checks of every access; elsewhere these calls do nothing.
namespace emulator {

struct Block;

struct CheckHooks {
  /// Address space for an allocation and the unmapped page after it.
  void* (*reserve)(size_t bytes);
  void (*freed)(void* p, size_t bytes);
  void (*initialized)(void* to, const void* from, size_t bytes);
  void (*host_range)(void* p, size_t bytes, bool live);
  /// By the current thread, or for it by the asynchronous proxy: the copy engine or wgmma.
  void (*access)(const void* p, size_t bytes, Access access, Site site, bool asynchronous);
  void (*fence_async)();
  void (*launch_begins)(const void* arguments, size_t bytes);
  void (*block_begins)(Block& block);
  // What orders accesses: a release gives what the calling thread has done to `object`, an acquire takes it over.
  void (*release)(const void* object);
  void (*acquire)(const void* object, Thread& thread);
  void (*syncwarp)(Thread& thread);
};
extern const CheckHooks* check_hooks;

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
/// The copy engine or wgmma uses shared memory.
inline void note_async_access(const void* p, size_t bytes, Access access, Site site) {
  if (check_hooks && current) check_hooks->access(p, bytes, access, site, true);
}
/// The current thread arrives at a barrier; `thread` goes on after one.
inline void note_release(const void* object) {
  if (check_hooks) check_hooks->release(object);
}
inline void note_acquire(const void* object, Thread& thread) {
  if (check_hooks) check_hooks->acquire(object, thread);
}
inline void note_acquire(const void* object) { note_acquire(object, *current); }
inline void note_syncwarp() {
  if (check_hooks) check_hooks->syncwarp(*current);
}

}  // namespace emulator
