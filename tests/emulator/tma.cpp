#include <emulator/control.h>
#include <emulator/hopper.h>

#include "block.h"
#include "check.h"
#include "copy_bytes.h"
#include "tensor_map.h"

// The copy engine: boxes of tensors to and from shared memory.
namespace emulator {

struct BoxStore {
  CUtensorMap map;
  unsigned char* from;
  std::array<int, 5> coordinates;
};
struct BoxStores {
  std::vector<BoxStore> open;                // since the last commit
  std::deque<std::vector<BoxStore>> groups;  // committed
};

namespace {

constexpr Site engine_site{"the copy engine", "", 0};

TensorMap decode(const CUtensorMap& map, const char* what, int rank) {
  TensorMap decoded;
  copy_bytes(&decoded, &map, sizeof decoded);
  if (decoded.mark != TensorMap::valid) fail("%s: the tensor map was not encoded", what);
  if (decoded.rank != rank) fail("%s: %d coordinates for a tensor map of %d dimensions", what, rank, decoded.rank);
  return decoded;
}

void check_shared(const TensorMap& map, const void* shared, const char* what) {
  if (reinterpret_cast<uintptr_t>(shared) % 128 != 0) {
    fail("%s: the shared address %p is not aligned to 128 bytes", what, shared);
  }
  if (!in_shared(shared, map.box_bytes())) {
    fail("%s: the box of %zu bytes at %p is not within shared memory", what, map.box_bytes(), shared);
  }
}

/// Calls move(shared address, global address or null, bytes) for every element or run of elements of 16 bytes.
template <class Move>
void for_each_chunk(const TensorMap& map, unsigned char* shared, const std::array<int, 5>& first, Move move) {
  size_t row_bytes = map.row_bytes(), rows = map.box_bytes() / row_bytes, per_chunk = 16u / map.element;
  for (size_t row = 0; row < rows; ++row) {
    size_t rest = row;
    unsigned char* global = map.data;
    bool inside = true;
    for (int i = 1; i < map.rank; ++i) {
      int64_t at = first[static_cast<size_t>(i)] + static_cast<int64_t>(rest % map.box[i]);
      rest /= map.box[i];
      inside = inside && at >= 0 && static_cast<uint64_t>(at) < map.sizes[i];
      global += at * static_cast<int64_t>(map.strides[i - 1]);
    }
    for (size_t chunk = 0; chunk < row_bytes / 16; ++chunk) {
      auto linear = reinterpret_cast<uintptr_t>(shared) + row * row_bytes + chunk * 16;
      auto* at = reinterpret_cast<unsigned char*>(swizzled(linear, map.swizzle));
      int64_t column = first[0] + static_cast<int64_t>(chunk * per_chunk);
      if (inside && column >= 0 && static_cast<uint64_t>(column) + per_chunk <= map.sizes[0]) {
        move(at, global + column * map.element, 16);
        continue;
      }
      for (size_t e = 0; e < per_chunk; ++e, ++column) {
        bool there = inside && column >= 0 && static_cast<uint64_t>(column) < map.sizes[0];
        move(at + e * map.element, there ? global + column * map.element : nullptr, map.element);
      }
    }
  }
}

void run(const BoxStore& store) {
  TensorMap map;
  copy_bytes(&map, &store.map, sizeof map);
  for_each_chunk(map, store.from, store.coordinates, [](unsigned char* shared, unsigned char* global, size_t bytes) {
    if (global == nullptr) return;
    note_async_access(shared, bytes, Access::read, engine_site);
    note_access(global, bytes, Access::write, engine_site);
    copy_bytes(global, shared, bytes);
  });
}

BoxStores& stores_of(Thread& thread) {
  if (thread.stores == nullptr) thread.stores = new BoxStores;
  return *thread.stores;
}

std::array<int, 5> to_array(const int (&coordinates)[5]) {
  return {coordinates[0], coordinates[1], coordinates[2], coordinates[3], coordinates[4]};
}

}  // namespace

void tma_load(void* shared, const CUtensorMap* map, uint64_t* barrier, const int (&coordinates)[5], int rank) {
  TensorMap decoded = decode(*map, "TMA load", rank);
  check_shared(decoded, shared, "TMA load");
  note_async_access(shared, decoded.box_bytes(), Access::write, engine_site);
  note_release(barrier);  // the bytes themselves: readers wait at the barrier
  fill_bytes(shared, 0xff, decoded.box_bytes());
  running->loads.push_back({*map, static_cast<unsigned char*>(shared), barrier, to_array(coordinates), current});
}

bool run_load(Block& block) {
  if (block.loads.empty()) return false;
  if (settings().order == Order::random) {
    std::swap(block.loads.front(), block.loads[block.random() % block.loads.size()]);
  }
  BoxLoad load = block.loads.front();
  block.loads.pop_front();
  Thread* before = current;
  current = load.thread;  // whose copy it is, for reports
  TensorMap map;
  copy_bytes(&map, &load.map, sizeof map);
  for_each_chunk(map, load.to, load.coordinates, [&](unsigned char* shared, unsigned char* global, size_t bytes) {
    if (global == nullptr) {
      fill_bytes(shared, map.fill, bytes);
    } else {
      note_access(global, bytes, Access::read, engine_site);
      copy_bytes(shared, global, bytes);
    }
  });
  mbarrier_complete(load.barrier, map.box_bytes());
  current = before;
  return true;
}

void finish_block(Block& block) {
  if (block.loads.empty()) return;
  current = block.loads.front().thread;
  fail("the block ends with %zu TMA loads that nothing waited for", block.loads.size());
}

void tma_store(const CUtensorMap* map, const void* shared, const int (&coordinates)[5], int rank) {
  TensorMap decoded = decode(*map, "TMA store", rank);
  check_shared(decoded, shared, "TMA store");
  auto* from = static_cast<unsigned char*>(const_cast<void*>(shared));
  stores_of(*current).open.push_back({*map, from, to_array(coordinates)});
}
void tma_store_commit() {
  BoxStores& mine = stores_of(*current);
  mine.groups.push_back(std::move(mine.open));
  mine.open.clear();
}
void tma_store_wait(int pending) {
  BoxStores& mine = stores_of(*current);
  while (mine.groups.size() > static_cast<size_t>(pending)) {
    for (const BoxStore& store : mine.groups.front()) run(store);
    mine.groups.pop_front();
  }
}

void drop_stores(Thread& thread) {
  delete thread.stores;
  thread.stores = nullptr;
}
void leave_stores(Thread& thread) {
  if (thread.stores == nullptr) return;
  size_t left = thread.stores->open.size();
  for (const auto& group : thread.stores->groups) left += group.size();
  drop_stores(thread);
  if (left != 0) fail("exits with %zu TMA stores that it never waited for", left);
}

}  // namespace emulator
