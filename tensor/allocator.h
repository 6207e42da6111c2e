#pragma once
#include <cstddef>
#include <cstdint>

namespace fulmen {

/// CPU memory for tensor data, 64-byte aligned and not initialised. Freed blocks are kept by size class: blocks up to
/// 64 KiB in lists of the freeing thread, larger ones in a list of the process. Built with FULMEN_NO_POOL every block
/// comes from, and goes back to, the system at once. The caches are never destroyed, so static tensors may outlive
/// everything else.
void* allocate_memory(size_t bytes);
/// `bytes` as given to allocate_memory. Any thread may free any block.
void free_memory(void* block, size_t bytes) noexcept;

/// What the CPU allocator holds, in bytes; size classes round each block up, by at most a quarter above 1 KiB.
struct MemoryStats {
  int64_t in_use = 0;         ///< handed out and not freed yet
  int64_t cached = 0;         ///< freed and kept for the next allocation
  int64_t reserved = 0;       ///< taken from the system: in_use, cached and what small blocks are cut from
  int64_t peak_reserved = 0;  ///< the largest `reserved` so far
  uint64_t allocations = 0;   ///< calls of allocate_memory
  uint64_t system_calls = 0;  ///< of these, how often the system had to be asked
};
MemoryStats memory_stats();

/// Gives what is cached for the whole process back to the system (blocks above 1 KiB; smaller ones stay).
void release_cached_memory();
/// How many bytes of freed blocks above 64 KiB are kept at most; 1 GiB unless changed.
void set_memory_cache_limit(int64_t bytes);

}  // namespace fulmen
