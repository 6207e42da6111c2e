#include <fulmen/tensor/cuda/allocator.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/error.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fulmen::cuda {

namespace {

constexpr size_t KiB = 1024, MiB = 1024 * KiB;
constexpr size_t grain = 512;                // every block is a multiple of it
constexpr size_t small_limit = MiB;          // up to this size blocks are cut from small segments
constexpr size_t small_segment = 2 * MiB;    //
constexpr size_t shared_limit = 10 * MiB;    // up to this one from segments of 20 MiB
constexpr size_t shared_segment = 20 * MiB;  // above, each gets a segment of its own,
constexpr size_t own_grain = 2 * MiB;        // rounded up to this

thread_local constinit GraphPool* capture_pool = nullptr;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

size_t segment_size(size_t size) {
  if (size <= small_limit) return small_segment;
  return size <= shared_limit ? shared_segment : round_up(size, own_grain);
}

/// FULMEN_CUDA_CACHE=off, the default of builds for sanitizers: every block is an allocation of the driver's, of
/// exactly the size that was asked for, and goes back at once, so that tools see each one.
bool caching() {
  static const bool on = [] {
    const char* text = std::getenv("FULMEN_CUDA_CACHE");
#ifdef FULMEN_NO_POOL
    return text && std::strcmp(text, "on") == 0;
#else
    return !text || std::strcmp(text, "off") != 0;
#endif
  }();
  return on;
}

/// FULMEN_CUDA_POISON=1: new memory holds 0xff bytes, which is NaN.
bool poisoning() {
  static const bool on = std::getenv("FULMEN_CUDA_POISON") != nullptr;
  return on;
}

void change(Stat& stat, int64_t by) {
  stat.current += by;
  (by > 0 ? stat.allocated : stat.freed) += by > 0 ? by : -by;
  if (stat.current > stat.peak) stat.peak = stat.current;
}
void change(Stat& count, Stat& bytes, const Block* block, int sign) {
  change(count, sign);
  change(bytes, sign * static_cast<int64_t>(block->size));
}

/// Whether segments of the pool stay when nobody uses them.
bool keeps(const BlockPool* pool) { return pool->graph ? pool->graph->alive : caching(); }

bool is_rest(const Block* block) { return block->previous || block->next; }

/// Lets cudaMalloc and its like run on a thread that captures a graph.
class OutsideCapture {
 public:
  OutsideCapture() { FULMEN_CUDA_TRY(cudaThreadExchangeStreamCaptureMode(&mode_)); }
  ~OutsideCapture() { ignore(cudaThreadExchangeStreamCaptureMode(&mode_)); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

std::string mebibytes(size_t bytes) {
  if (bytes < 10 * MiB) return str(bytes / KiB, " KiB");
  if (bytes < 10 * KiB * MiB) return str(bytes / MiB, " MiB");
  return str(bytes / (KiB * MiB), ".", bytes / (KiB * MiB / 10) % 10, " GiB");
}

}  // namespace

bool BySize::operator()(const Block* a, const Block* b) const {
  if (a->stream != b->stream) return std::less<>()(a->stream, b->stream);
  if (a->size != b->size) return a->size < b->size;
  return std::less<>()(a->data, b->data);
}

CachingAllocator& allocator_of(int device) {
  static std::array<std::atomic<CachingAllocator*>, max_devices> all{};
  static std::mutex making;
  std::atomic<CachingAllocator*>& place = all[static_cast<size_t>(device)];
  if (CachingAllocator* made = place.load(std::memory_order_acquire)) return *made;
  std::lock_guard lock(making);
  if (CachingAllocator* made = place.load(std::memory_order_acquire)) return *made;
  auto* made = new CachingAllocator(device);
  place.store(made, std::memory_order_release);
  return *made;
}

CachingAllocator::CachingAllocator(int device) : device_(device) {}

BlockPool& CachingAllocator::pool_for(size_t size) {
  if (capture_pool) return size <= small_limit ? capture_pool->small_blocks : capture_pool->large_blocks;
  return size <= small_limit ? small_ : large_;
}

Block* CachingAllocator::allocate(size_t bytes, cudaStream_t stream) {
  std::lock_guard lock(mutex_);
  reach_events(false);
  const bool exact = !caching() && !capture_pool;
  const size_t size = exact ? bytes : round_up(bytes > 0 ? bytes : 1, grain);
  BlockPool& pool = pool_for(size);
  Block* block = exact ? nullptr : find_free(pool, size, stream);
  if (!block) block = take_segment(pool, size, stream);
  if (!block) {  // the driver has no more: give back what is cached, and ask again
    ++stats_.num_alloc_retries;
    if (release_everything()) block = find_free(pool, size, stream);
    if (!block) block = take_segment(pool, size, stream);
    if (!block) out_of_memory(bytes);
  }
  if (!exact) block = split(block, size);
  block->in_use = true;
  block->requested = bytes;
  change(stats_.allocation, stats_.allocated_bytes, block, 1);
  change(stats_.active, stats_.active_bytes, block, 1);
  change(stats_.requested_bytes, static_cast<int64_t>(bytes));
  // What lies outside of a graph's memory is written before a replay: then the graph must not fill it.
  const bool of_replays = is_capturing() && !capture_pool;
  if (poisoning() && !of_replays) FULMEN_CUDA_TRY(cudaMemsetAsync(block->data, 0xff, bytes, stream));
  return block;
}

Block* CachingAllocator::find_free(BlockPool& pool, size_t size, cudaStream_t stream) {
  Block wanted{stream, nullptr, size, 0, &pool, false, nullptr, nullptr, {}, 0};
  const auto found = pool.free.lower_bound(&wanted);
  if (found == pool.free.end() || (*found)->stream != stream) return nullptr;
  Block* block = *found;
  pool.free.erase(found);
  if (is_rest(block)) change(stats_.inactive_split, stats_.inactive_split_bytes, block, -1);
  return block;
}

cudaError_t CachingAllocator::ask_driver(void** data, size_t bytes) {
  if (static_cast<size_t>(stats_.reserved_bytes.current) + bytes > limit_) return cudaErrorMemoryAllocation;
  const OnDevice guard(device_);
  const OutsideCapture outside;
  return cudaMalloc(data, bytes);
}

Block* CachingAllocator::take_segment(BlockPool& pool, size_t size, cudaStream_t stream) {
  const size_t bytes = caching() || pool.graph ? segment_size(size) : (size > 0 ? size : 1);
  void* data = nullptr;
  const cudaError_t result = ask_driver(&data, bytes);
  if (result == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  FULMEN_CUDA_TRY(result);
  if (pool.graph) ++pool.graph->segments;
  auto* block = new Block{stream, static_cast<char*>(data), bytes, 0, &pool, true, nullptr, nullptr, {}, 0};
  change(stats_.segment, stats_.reserved_bytes, block, 1);
  return block;
}

/// The first `size` bytes of a block; the rest becomes a free block if it is worth one.
Block* CachingAllocator::split(Block* block, size_t size) {
  const size_t rest = block->size - size;
  if (rest < (block->pool->small ? grain : small_limit + 1)) return block;
  auto* tail = new Block{block->stream, block->data + size, rest, 0, block->pool, false, block, block->next, {}, 0};
  if (tail->next) tail->next->previous = tail;
  block->next = tail;
  block->size = size;
  block->pool->free.insert(tail);
  change(stats_.inactive_split, stats_.inactive_split_bytes, tail, 1);
  return block;
}

void CachingAllocator::free(Block* block) noexcept {
  std::lock_guard lock(mutex_);
  change(stats_.allocation, stats_.allocated_bytes, block, -1);
  change(stats_.requested_bytes, -static_cast<int64_t>(block->requested));
  try {
    // Giving memory back to the driver would end a capture, as recording an event would.
    if (block->other_streams.empty() && (keeps(block->pool) || !is_capturing())) {
      merge_and_keep(block);
    } else {
      put_off(block);
    }
  } catch (const Error&) {
    // A context that is lost, or a program that is ending: nobody will want the block again.
  }
}

void CachingAllocator::record_stream(Block* block, const Stream& stream) {
  if (stream.handle() == block->stream) return;
  std::lock_guard lock(mutex_);
  for (const Stream& known : block->other_streams) {
    if (known == stream) return;
  }
  block->other_streams.push_back(stream);
}

/// Free, but not before this thread's capture has ended and the work enqueued so far on the other streams is done.
void CachingAllocator::put_off(Block* block) {
  if (is_capturing()) {
    put_off_.push_back(block);
    return;
  }
  for (const Stream& stream : std::exchange(block->other_streams, {})) {
    Event event;
    event.record(stream);
    marks_[stream.handle()].push_back({std::move(event), block});
    ++block->events;
  }
  if (block->events == 0) merge_and_keep(block);
}

void CachingAllocator::reach_events(bool wait) {
  if (is_capturing()) return;
  for (Block* block : std::exchange(put_off_, {})) put_off(block);
  for (auto at = marks_.begin(); at != marks_.end();) {
    std::deque<Mark>& marks = at->second;
    while (!marks.empty()) {
      if (!marks.front().event.query()) {
        if (!wait) break;
        marks.front().event.synchronize();
      }
      Block* block = marks.front().block;
      marks.pop_front();
      if (--block->events == 0) merge_and_keep(block);
    }
    at = marks.empty() ? marks_.erase(at) : std::next(at);
  }
}

/// Joins a neighbour that is free; returns whether it did.
bool CachingAllocator::absorb(Block* block, Block* neighbour) {
  if (!neighbour || neighbour->in_use) return false;
  block->pool->free.erase(neighbour);
  change(stats_.inactive_split, stats_.inactive_split_bytes, neighbour, -1);
  if (neighbour == block->previous) {
    block->data = neighbour->data;
    block->previous = neighbour->previous;
    if (block->previous) block->previous->next = block;
  } else {
    block->next = neighbour->next;
    if (block->next) block->next->previous = block;
  }
  block->size += neighbour->size;
  delete neighbour;
  return true;
}

void CachingAllocator::merge_and_keep(Block* block) {
  change(stats_.active, stats_.active_bytes, block, -1);
  block->in_use = false;
  absorb(block, block->previous);
  absorb(block, block->next);
  GraphPool* graph = block->pool->graph;
  if (!is_rest(block) && !keeps(block->pool)) {
    release_segment(block);
    if (graph && graph->segments == 0) {
      graph_pools_.erase(graph);
      delete graph;
    }
    return;
  }
  block->pool->free.insert(block);
  if (is_rest(block)) change(stats_.inactive_split, stats_.inactive_split_bytes, block, 1);
}

void CachingAllocator::release_segment(Block* block) {
  // cudaFree waits for the device, so nothing enqueued still uses the memory.
  ignore(cudaFree(block->data));
  change(stats_.segment, stats_.reserved_bytes, block, -1);
  if (block->pool->graph) --block->pool->graph->segments;
  delete block;
}

bool CachingAllocator::release_free(BlockPool& pool) {
  bool any = false;
  for (auto at = pool.free.begin(); at != pool.free.end();) {
    Block* block = *at;
    if (is_rest(block)) {
      ++at;
      continue;
    }
    at = pool.free.erase(at);
    release_segment(block);
    any = true;
  }
  return any;
}

/// Whole segments that nobody uses go back to the driver. Not during a capture, whose thread must not wait.
bool CachingAllocator::release_everything() {
  if (is_capturing()) return false;
  reach_events(true);
  const bool small = release_free(small_), large = release_free(large_);
  return small || large;
}

void CachingAllocator::empty_cache() {
  std::lock_guard lock(mutex_);
  release_everything();
}

GraphPool* CachingAllocator::use_pool(GraphPool* pool) { return std::exchange(capture_pool, pool); }

void CachingAllocator::release_pool(GraphPool* pool) {
  std::lock_guard lock(mutex_);
  pool->alive = false;
  release_free(pool->small_blocks);
  release_free(pool->large_blocks);
  if (pool->segments == 0) {
    delete pool;
  } else {
    graph_pools_.insert(pool);
  }
}

MemoryStats CachingAllocator::stats() {
  std::lock_guard lock(mutex_);
  return stats_;
}

void CachingAllocator::reset_peaks() {
  std::lock_guard lock(mutex_);
  MemoryStats& s = stats_;
  for (Stat* stat : {&s.allocation, &s.segment, &s.active, &s.inactive_split, &s.allocated_bytes, &s.reserved_bytes,
                     &s.active_bytes, &s.inactive_split_bytes, &s.requested_bytes}) {
    stat->peak = stat->current;
  }
}

void CachingAllocator::set_fraction(double fraction) {
  FULMEN_CHECK(fraction >= 0 && fraction <= 1, "invalid fraction:", fraction, ". Please set within [0, 1].");
  std::lock_guard lock(mutex_);
  limit_ = static_cast<size_t>(fraction * static_cast<double>(get_device_properties(device_).total_memory));
}

void CachingAllocator::out_of_memory(size_t bytes) {
  ++stats_.num_ooms;
  size_t free = 0, total = 0;
  const OnDevice guard(device_);
  const OutsideCapture outside;
  FULMEN_CUDA_TRY(cudaMemGetInfo(&free, &total));
  const auto held = static_cast<size_t>(stats_.reserved_bytes.current);
  const auto used = static_cast<size_t>(stats_.allocated_bytes.current);
  throw Error("E018",
              str("CUDA out of memory. Tried to allocate ", mebibytes(bytes), ". cuda:", device_, " has ",
                  mebibytes(total), ", of which ", mebibytes(free), " is free; this process holds ", mebibytes(held),
                  ": ", mebibytes(used), " in tensors, ", mebibytes(held - used), " cached",
                  limit_ < SIZE_MAX ? str(", and may hold ", mebibytes(limit_)) : std::string()),
              "smaller batches need less; memory_stats() says where it went");
}

}  // namespace fulmen::cuda
