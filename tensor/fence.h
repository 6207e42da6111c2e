#pragma once
#include <cstdint>

namespace fulmen {

/// For tests: while one lives, the memory of every new storage (of any thread) lies between two fences of known bytes,
/// looked at when the storage is freed.
class FencedMemory {
 public:
  FencedMemory();
  ~FencedMemory();
  FencedMemory(const FencedMemory&) = delete;
  /// How many storages were found with a damaged fence since the program began.
  static int64_t damaged();
};

}  // namespace fulmen
