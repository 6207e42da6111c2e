#pragma once
#include <cuda_runtime.h>
#include <fulmen/tensor/cuda.h>

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

// The caching allocator of one device. It takes segments from the driver and cuts blocks from them: asking the driver
// costs hundreds of microseconds and waits for the device, a cached block costs less than one.
//
// A block belongs to the stream for which it was allocated, and is reused on that stream only: whatever uses it next is
// enqueued behind what used it before, so nobody waits. Other streams that use it are noted (record_stream); then it
// counts as free when events on them have been reached.
namespace fulmen::cuda {

struct BlockPool;
struct GraphPool;

struct Block {
  cudaStream_t stream;
  char* data;
  size_t size;
  size_t requested = 0;
  BlockPool* pool;
  bool in_use = true;
  Block *previous = nullptr, *next = nullptr;  ///< neighbours in the same segment
  std::vector<Stream> other_streams;           ///< that use it besides its own
  int events = 0;                              ///< recorded on those and not reached yet
};

/// By stream, then by size: the first block at or behind {stream, size} fits best.
struct BySize {
  bool operator()(const Block* a, const Block* b) const;
};
struct BlockPool {
  bool small;
  GraphPool* graph = nullptr;  ///< whose private memory it holds
  std::set<Block*, BySize> free{};
};

/// Memory of a captured graph: kept while the graph lives, because replays write to it.
struct GraphPool {
  BlockPool small_blocks{true, this}, large_blocks{false, this};
  int segments = 0;
  bool alive = true;  ///< the graph may be replayed
};

class CachingAllocator {
 public:
  explicit CachingAllocator(int device);
  /// Never null; throws an Error that says what was asked for, is free and is held.
  Block* allocate(size_t bytes, cudaStream_t stream);
  void free(Block* block) noexcept;
  void record_stream(Block* block, const Stream& stream);
  void empty_cache();
  MemoryStats stats();
  void reset_peaks();
  void set_fraction(double fraction);

  /// What this thread allocates from now on comes from `pool`; null ends it. Returns the one before.
  static GraphPool* use_pool(GraphPool* pool);
  /// The graph is gone: its memory goes back to the driver as soon as no tensor holds it.
  void release_pool(GraphPool* pool);

 private:
  BlockPool& pool_for(size_t size);
  Block* find_free(BlockPool& pool, size_t size, cudaStream_t stream);
  Block* take_segment(BlockPool& pool, size_t size, cudaStream_t stream);
  Block* split(Block* block, size_t size);
  void merge_and_keep(Block* block);
  bool absorb(Block* block, Block* neighbour);
  void reach_events(bool wait);
  void put_off(Block* block);
  bool release_free(BlockPool& pool);
  bool release_everything();
  void release_segment(Block* block);
  cudaError_t ask_driver(void** data, size_t bytes);
  [[noreturn]] void out_of_memory(size_t bytes);

  struct Mark {
    Event event;
    Block* block;
  };
  const int device_;
  std::mutex mutex_;
  BlockPool small_{true}, large_{false};
  std::map<void*, std::deque<Mark>> marks_;  ///< by stream, in order
  std::vector<Block*> put_off_;  ///< freed during a capture, when no event can be recorded and no memory given back
  std::set<GraphPool*> graph_pools_;
  size_t limit_ = SIZE_MAX;  ///< of reserved bytes
  MemoryStats stats_;
};
CachingAllocator& allocator_of(int device);

}  // namespace fulmen::cuda
