#pragma once
#include "check_clock.h"

// A shadow of device memory and of shared memory: who last wrote and read every byte.
namespace emulator {

/// One access to one byte.
struct Cell {
  uint32_t generation = 0;  // the launch, or for shared memory the block
  uint32_t block = 0;
  uint32_t time = 0;  // of the warp
  uint16_t thread = 0;
  uint16_t epoch = 0;  // of the warp, 15 bits; the last bit tells an atomic operation
  uint32_t code = 0;   // where in the program
};
/// The last write, the last read, and the last read by another warp than that.
struct Shadow {
  Cell write, read, other_read;
  uint32_t fences = 0;  // of the writer before the write, plus 1; 0 if the asynchronous proxy wrote
};

struct Conflict {
  const Cell* cell;
  const char* kind;
};

/// What an access is compared with.
struct Accessor {
  const Clocks& clocks;
  const BlockOrder& blocks;
  Cell self;
  bool atomic, writes;

  bool ordered(const Cell& other) const;
  /// Looks for a conflict, and remembers the access.
  Conflict update(Shadow& shadow) const;
};

/// Memory that is mapped when it is first touched, all zero.
void* reserve_memory(size_t bytes);

}  // namespace emulator
