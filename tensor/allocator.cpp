#include <fulmen/tensor/allocator.h>
#include <fulmen/tensor/error.h>
#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>

namespace fulmen {

namespace {

constexpr size_t alignment = 64;

}  // namespace

#ifdef FULMEN_NO_POOL

namespace {
std::atomic<int64_t> in_use{0}, peak{0};
std::atomic<uint64_t> calls{0};
}  // namespace

void* allocate_memory(size_t bytes) {
  const int64_t now = in_use += static_cast<int64_t>(bytes);
  int64_t seen = peak.load();
  while (seen < now && !peak.compare_exchange_weak(seen, now)) {
  }
  ++calls;
  void* block = nullptr;
  FULMEN_CHECK(posix_memalign(&block, alignment, bytes ? bytes : 1) == 0, "out of memory: the system refused ", bytes,
               " bytes for a tensor on cpu");
  return block;
}
void free_memory(void* block, size_t bytes) noexcept {
  in_use -= static_cast<int64_t>(bytes);
  std::free(block);
}
MemoryStats memory_stats() {
  MemoryStats stats;
  stats.in_use = stats.reserved = in_use.load();
  stats.peak_reserved = peak.load();
  stats.allocations = stats.system_calls = calls.load();
  return stats;
}
void release_cached_memory() {}
void set_memory_cache_limit(int64_t) {}

#else

namespace {

constexpr size_t huge_page = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void* ask_system(size_t bytes) {
  const size_t align = bytes >= 2 * huge_page ? huge_page : alignment;  // the kernel may then use huge pages
  void* block = std::aligned_alloc(align, round_up(bytes, align));
  FULMEN_CHECK(block, "out of memory: the system refused ", bytes, " bytes for a tensor on cpu");
  if (align == huge_page) madvise(block, bytes, MADV_HUGEPAGE);
  return block;
}

// Size classes: multiples of 64 bytes up to 1 KiB, then four per doubling (1.25, 1.5, 1.75, 2 KiB, 2.5, ...) up to
// 1 TiB.
constexpr size_t small_limit = 1024, local_limit = 64 << 10;
constexpr size_t small_classes = small_limit / alignment;
constexpr size_t local_classes = small_classes + 4 * std::bit_width(local_limit / small_limit - 1);
constexpr size_t classes = small_classes + 4 * 30;

size_t class_of(size_t bytes) {
  if (bytes <= small_limit) return bytes == 0 ? 0 : (bytes - 1) / alignment;
  const int doubling = std::bit_width(bytes - 1) - 11;  // 1 KiB < bytes <= 2 KiB: 0
  const size_t quarter = ((bytes - 1) >> (8 + doubling)) & 3;
  return small_classes + 4 * static_cast<size_t>(doubling) + quarter;
}
size_t class_bytes(size_t c) {
  if (c < small_classes) return (c + 1) * alignment;
  const size_t doubling = (c - small_classes) / 4, quarter = (c - small_classes) % 4;
  return (5 + quarter) << (8 + doubling);
}

struct FreeBlock {
  FreeBlock* next;
};
struct FreeList {
  FreeBlock* first = nullptr;
  size_t length = 0;
  void push(void* block) {
    auto* free = static_cast<FreeBlock*>(block);
    free->next = first;
    first = free;
    ++length;
  }
  void* pop() {
    FreeBlock* block = first;
    if (!block) return nullptr;
    first = block->next;
    --length;
    return block;
  }
};

// Written by one thread, read by memory_stats().
struct Counter {
  std::atomic<int64_t> value{0};
  void add(int64_t n) { value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  int64_t get() const { return value.load(std::memory_order_relaxed); }
};

struct LocalCache {
  FreeList lists[local_classes];
  Counter in_use, allocations;
  LocalCache *previous = nullptr, *next = nullptr;  // all caches, for memory_stats
};

// What the threads share.
struct Shared {
  std::mutex mutex;
  FreeList lists[classes];
  LocalCache* caches = nullptr;
  int64_t in_use = 0, allocations = 0;  // of threads that have ended, and of blocks above local_limit
  int64_t large_cached = 0, limit = int64_t{1} << 30;
  int64_t reserved = 0, peak_reserved = 0;
  uint64_t system_calls = 0;

  void* take_from_system(size_t bytes) {
    reserved += static_cast<int64_t>(bytes);
    if (reserved > peak_reserved) peak_reserved = reserved;
    ++system_calls;
    return ask_system(bytes);
  }
  void give_to_system(void* block, size_t bytes) {
    reserved -= static_cast<int64_t>(bytes);
    std::free(block);
  }
};
Shared& shared() {
  static auto* all = new Shared;
  return *all;
}

thread_local constinit LocalCache* this_cache = nullptr;
thread_local constinit bool thread_ending = false;

// Hands a thread's blocks to the others when it ends.
struct CacheOwner {
  ~CacheOwner() {
    thread_ending = true;
    LocalCache* cache = this_cache;
    this_cache = nullptr;
    if (!cache) return;
    Shared& all = shared();
    std::lock_guard lock(all.mutex);
    for (size_t c = 0; c < local_classes; ++c) {
      while (void* block = cache->lists[c].pop()) all.lists[c].push(block);
    }
    all.in_use += cache->in_use.get();
    all.allocations += cache->allocations.get();
    (cache->previous ? cache->previous->next : all.caches) = cache->next;
    if (cache->next) cache->next->previous = cache->previous;
    delete cache;
  }
};

LocalCache* open_cache() {
  if (thread_ending) return nullptr;
  static thread_local CacheOwner owner;
  (void)owner;
  auto* cache = new LocalCache;
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  cache->next = all.caches;
  if (all.caches) all.caches->previous = cache;
  all.caches = cache;
  return this_cache = cache;
}

// How many blocks of a class move between a thread and the process at a time; a thread keeps up to twice as many.
constexpr size_t small_batch = 64, small_most = 2 * small_batch - 1;
size_t batch_of(size_t c) { return c < small_classes ? small_batch : class_bytes(c) <= (16 << 10) ? 8 : 2; }

// A block for a thread whose list is empty: from the process, or newly made. Small ones are cut from a chunk, which the
// process keeps.
void* refill(LocalCache* cache, size_t c) {
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  const size_t bytes = class_bytes(c), batch = batch_of(c);
  void* block = all.lists[c].pop();
  if (block) {
    for (size_t i = 1; cache && i < batch; ++i) {
      void* more = all.lists[c].pop();
      if (!more) break;
      cache->lists[c].push(more);
    }
    return block;
  }
  if (bytes > small_limit) return all.take_from_system(bytes);
  auto* chunk = static_cast<char*>(all.take_from_system(batch * bytes));
  FreeList& list = cache ? cache->lists[c] : all.lists[c];
  for (size_t i = batch - 1; i > 0; --i) list.push(chunk + i * bytes);
  return chunk;
}

void spill(FreeList& list, size_t c) {
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  for (size_t i = batch_of(c); i > 0; --i) all.lists[c].push(list.pop());
}

void* allocate_shared(size_t bytes, size_t c) {
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  const size_t rounded = class_bytes(c);
  all.in_use += static_cast<int64_t>(bytes);
  ++all.allocations;
  if (void* block = all.lists[c].pop()) {
    all.large_cached -= static_cast<int64_t>(rounded);
    return block;
  }
  return all.take_from_system(rounded);
}

void free_shared(void* block, size_t bytes, size_t c) {
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  const auto rounded = static_cast<int64_t>(class_bytes(c));
  all.in_use -= static_cast<int64_t>(bytes);
  if (all.large_cached + rounded > all.limit) return all.give_to_system(block, class_bytes(c));
  all.large_cached += rounded;
  all.lists[c].push(block);
}

}  // namespace

namespace {

[[gnu::noinline]] void* allocate_slowly(size_t bytes) {
  FULMEN_CHECK(bytes <= class_bytes(classes - 1), "out of memory: a tensor of ", bytes, " bytes on cpu");
  const size_t c = class_of(bytes);
  if (c >= local_classes) return allocate_shared(bytes, c);
  LocalCache* cache = this_cache ? this_cache : open_cache();
  if (!cache) return refill(nullptr, c);
  void* block = cache->lists[c].pop();
  if (!block) block = refill(cache, c);
  cache->in_use.add(static_cast<int64_t>(bytes));
  cache->allocations.add(1);
  return block;
}

[[gnu::noinline]] void free_slowly(void* block, size_t bytes) {
  const size_t c = class_of(bytes);
  if (c >= local_classes) return free_shared(block, bytes, c);
  LocalCache* cache = this_cache ? this_cache : open_cache();
  if (!cache) {
    std::lock_guard lock(shared().mutex);
    return shared().lists[c].push(block);
  }
  cache->in_use.add(-static_cast<int64_t>(bytes));
  FreeList& list = cache->lists[c];
  list.push(block);
  if (list.length >= 2 * batch_of(c)) spill(list, c);
}

}  // namespace

// The common case, a small block from this thread's list, is a dozen instructions.
void* allocate_memory(size_t bytes) {
  LocalCache* cache = this_cache;
  if (!cache || bytes - 1 >= small_limit) [[unlikely]]
    return allocate_slowly(bytes);
  FreeList& list = cache->lists[(bytes - 1) / alignment];
  FreeBlock* block = list.first;
  if (!block) [[unlikely]]
    return allocate_slowly(bytes);
  list.first = block->next;
  --list.length;
  cache->in_use.add(static_cast<int64_t>(bytes));
  cache->allocations.add(1);
  return block;
}

void free_memory(void* block, size_t bytes) noexcept {
  LocalCache* cache = this_cache;
  if (!cache || bytes - 1 >= small_limit) [[unlikely]]
    return free_slowly(block, bytes);
  const size_t c = (bytes - 1) / alignment;
  FreeList& list = cache->lists[c];
  if (list.length >= small_most) [[unlikely]]
    return free_slowly(block, bytes);
  list.push(block);
  cache->in_use.add(-static_cast<int64_t>(bytes));
}

MemoryStats memory_stats() {
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  MemoryStats stats;
  stats.in_use = all.in_use;
  stats.allocations = static_cast<uint64_t>(all.allocations);
  for (const LocalCache* cache = all.caches; cache; cache = cache->next) {
    stats.in_use += cache->in_use.get();
    stats.allocations += static_cast<uint64_t>(cache->allocations.get());
  }
  stats.reserved = all.reserved;
  stats.peak_reserved = all.peak_reserved;
  stats.cached = all.reserved - stats.in_use;
  stats.system_calls = all.system_calls;
  return stats;
}

void release_cached_memory() {
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  for (size_t c = small_classes; c < classes; ++c) {
    while (void* block = all.lists[c].pop()) all.give_to_system(block, class_bytes(c));
  }
  all.large_cached = 0;
}

void set_memory_cache_limit(int64_t bytes) {
  {
    std::lock_guard lock(shared().mutex);
    shared().limit = bytes < 0 ? 0 : bytes;
    if (shared().large_cached <= shared().limit) return;
  }
  release_cached_memory();
}

#endif

}  // namespace fulmen
