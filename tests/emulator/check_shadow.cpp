#include "check_shadow.h"

#include <sys/mman.h>

#include <new>

namespace emulator {

void* reserve_memory(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

bool Accessor::ordered(const Cell& other) const {
  if (other.generation != self.generation) return true;  // an earlier launch or block, or nobody
  if (other.block != self.block) return blocks.knows(self.block, other.block);
  if (other.thread == self.thread) return true;
  uint32_t mine = self.thread / 32u, theirs = other.thread / 32u;
  if (mine == theirs) return other.epoch >> 1 < self.epoch >> 1;
  return clocks.knows(mine, theirs, other.time);
}

Conflict Accessor::update(Shadow& shadow) const {
  bool both_atomic = atomic && (shadow.write.epoch & 1) != 0;
  if (!both_atomic && !ordered(shadow.write)) {
    return {&shadow.write, writes ? "write after write" : "read after write"};
  }
  if (writes) {
    if (!ordered(shadow.read)) return {&shadow.read, "write after read"};
    if (!ordered(shadow.other_read)) return {&shadow.other_read, "write after read"};
    shadow.write = self;
    return {};
  }
  const Cell& last = shadow.read;
  bool same_warp =
      last.generation == self.generation && last.block == self.block && last.thread / 32 == self.thread / 32;
  if (!same_warp) {
    shadow.other_read = last;
    shadow.read = self;
  } else if (last.thread == self.thread || last.epoch >> 1 < self.epoch >> 1) {
    shadow.read = self;
  } else if (shadow.other_read.generation != self.generation || ordered(shadow.other_read)) {
    shadow.other_read = self;  // two lanes since the warp last met: keep both
  }
  return {};
}

}  // namespace emulator
