#pragma once
#include <fulmen/tensor/cuda/allocator.h>
#include <fulmen/tensor/cuda/pinned.h>
#include <fulmen/tensor/pool.h>
#include <fulmen/tensor/storage.h>

namespace fulmen::cuda {

/// What a CUDA storage holds.
struct BlockOwner final : MemoryOwner, Pooled {
  BlockOwner(Block* b, int d) : block(b), device(d) {}
  ~BlockOwner() override { allocator_of(device).free(block); }
  Block* block;
  int device;
};
/// What a storage in locked memory holds.
struct PinnedOwner final : MemoryOwner, Pooled {
  explicit PinnedOwner(PinnedBlock* b) : block(b) {}
  ~PinnedOwner() override { give_pinned(block); }
  PinnedBlock* block;
};
/// Null if the storage's memory is none of ours, or not locked.
PinnedBlock* pinned_block(const Storage& storage);

}  // namespace fulmen::cuda
