#pragma once
#include <cstddef>

namespace fulmen {

/// Small blocks (up to pool_limit bytes) from free lists of the calling thread; a block may be freed by another thread.
/// Built with FULMEN_NO_POOL (sanitizer builds) every block comes from malloc, so that tools see each one.
inline constexpr size_t pool_limit = 1024;
void* pool_allocate(size_t bytes);
void pool_free(void* block, size_t bytes) noexcept;

/// Lets a class live in the pool.
struct Pooled {
  static void* operator new(size_t bytes) { return pool_allocate(bytes); }
  static void operator delete(void* block, size_t bytes) noexcept { pool_free(block, bytes); }
};

}  // namespace fulmen
