#pragma once
#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "block.h"

// What orders the accesses of a block: vector clocks, one per warp. Every release advances the warp's own time; who
// acquires knows all accesses up to the times that were released. Within a warp an epoch counts __syncwarp and
// barriers.
namespace emulator {

class Clocks {
 public:
  using Times = std::array<uint32_t, most_threads / 32>;

  void begin_block() {
    for (size_t w = 0; w < warps_.size(); ++w) {
      warps_[w] = {};
      warps_[w][w] = 1;
      epochs_[w] = 1;
    }
    objects_.clear();
  }
  uint32_t time(uint32_t warp) const { return warps_[warp][warp]; }
  uint32_t epoch(uint32_t warp) const { return epochs_[warp]; }
  /// True if warp `mine` knows what warp `other` did up to `time`.
  bool knows(uint32_t mine, uint32_t other, uint32_t time) const { return warps_[mine][other] >= time; }

  void release(const void* object, uint32_t warp) {
    join(objects_[object], warps_[warp]);
    ++warps_[warp][warp];
  }
  void acquire(const void* object, uint32_t warp) {
    auto found = objects_.find(object);
    if (found != objects_.end()) join(warps_[warp], found->second);
    ++epochs_[warp];
  }
  void sync_warp(uint32_t warp) { ++epochs_[warp]; }

 private:
  static void join(Times& into, const Times& from) {
    for (size_t i = 0; i < into.size(); ++i) into[i] = into[i] > from[i] ? into[i] : from[i];
  }
  std::array<Times, most_threads / 32> warps_{};
  std::array<uint32_t, most_threads / 32> epochs_{};
  std::unordered_map<const void*, Times> objects_;
};

/// Which blocks of a launch have heard of which through atomic operations on the same address.
class BlockOrder {
 public:
  void begin_launch() {
    known_.clear();
    released_.clear();
  }
  void atomic(uint32_t block, const void* address) {
    auto& released = released_[address];
    auto& known = known_[block];
    join(known, released);
    set(known, block);
    join(released, known);
  }
  bool knows(uint32_t mine, uint32_t other) const {
    auto found = known_.find(mine);
    return found != known_.end() && other / 64 < found->second.size() && (found->second[other / 64] >> other % 64 & 1);
  }

 private:
  using Blocks = std::vector<uint64_t>;  // a set, one bit per block
  static void set(Blocks& blocks, uint32_t block) {
    if (blocks.size() <= block / 64) blocks.resize(block / 64 + 1);
    blocks[block / 64] |= uint64_t{1} << block % 64;
  }
  static void join(Blocks& into, const Blocks& from) {
    if (into.size() < from.size()) into.resize(from.size());
    for (size_t i = 0; i < from.size(); ++i) into[i] |= from[i];
  }
  std::unordered_map<uint32_t, Blocks> known_;
  std::unordered_map<const void*, Blocks> released_;
};

}  // namespace emulator
