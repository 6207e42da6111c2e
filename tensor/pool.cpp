#include <fulmen/tensor/pool.h>

#include <cstdlib>
#include <mutex>
#include <new>

namespace fulmen {

#ifdef FULMEN_NO_POOL
void* pool_allocate(size_t bytes) { return ::operator new(bytes); }
void pool_free(void* block, size_t) noexcept { ::operator delete(block); }
#else
namespace {

constexpr size_t grain = 32, classes = pool_limit / grain;
struct FreeBlock {
  FreeBlock* next;
};
struct Pool {
  FreeBlock* lists[classes] = {};
};

// Blocks of threads that have ended, for the next thread that runs out. Never destroyed: static tensors of the program
// may be freed after every other static object.
struct Orphans {
  std::mutex mutex;
  Pool pool;
};
Orphans& orphans() {
  static Orphans* all = new Orphans;
  return *all;
}

thread_local constinit Pool* this_pool = nullptr;
thread_local constinit bool thread_ending = false;

struct PoolOwner {
  ~PoolOwner() {
    thread_ending = true;
    Pool* pool = this_pool;
    this_pool = nullptr;
    if (!pool) return;
    std::lock_guard lock(orphans().mutex);
    for (size_t c = 0; c < classes; ++c) {
      while (FreeBlock* block = pool->lists[c]) {
        pool->lists[c] = block->next;
        block->next = orphans().pool.lists[c];
        orphans().pool.lists[c] = block;
      }
    }
    delete pool;
  }
};

Pool* open_pool() {
  if (thread_ending) return nullptr;
  static thread_local PoolOwner owner;
  (void)owner;
  this_pool = new Pool;
  return this_pool;
}

void* refill(Pool* pool, size_t c) {
  {
    std::lock_guard lock(orphans().mutex);
    std::swap(pool->lists[c], orphans().pool.lists[c]);
  }
  if (FreeBlock* block = pool->lists[c]) {
    pool->lists[c] = block->next;
    return block;
  }
  // One malloc for several blocks; they stay with the pools for the life of the process.
  constexpr size_t per_chunk = 32;
  size_t bytes = (c + 1) * grain;
  char* chunk = static_cast<char*>(::operator new(bytes* per_chunk));
  for (size_t i = 1; i < per_chunk; ++i) {
    auto* block = reinterpret_cast<FreeBlock*>(chunk + i * bytes);
    block->next = pool->lists[c];
    pool->lists[c] = block;
  }
  return chunk;
}

}  // namespace

void* pool_allocate(size_t bytes) {
  if (bytes > pool_limit) return ::operator new(bytes);
  size_t c = (bytes - 1) / grain;
  Pool* pool = this_pool ? this_pool : open_pool();
  if (!pool) return ::operator new((c + 1) * grain);
  if (FreeBlock* block = pool->lists[c]) {
    pool->lists[c] = block->next;
    return block;
  }
  return refill(pool, c);
}

void pool_free(void* block, size_t bytes) noexcept {
  if (bytes > pool_limit) return ::operator delete(block);
  size_t c = (bytes - 1) / grain;
  Pool* pool = this_pool ? this_pool : open_pool();
  if (!pool) return;  // the thread is ending: a chunk's block cannot be freed alone, and the process keeps its chunk
  auto* free = static_cast<FreeBlock*>(block);
  free->next = pool->lists[c];
  pool->lists[c] = free;
}
#endif

}  // namespace fulmen
