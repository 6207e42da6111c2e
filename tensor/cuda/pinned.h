#pragma once
#include <fulmen/tensor/cuda.h>

#include <cstddef>
#include <vector>

namespace fulmen::cuda {

/// A block of locked host memory. Freed blocks are kept by size, in powers of two, and used again when the streams that
/// read or write them have got that far.
struct PinnedBlock {
  void* data;
  size_t size;
  std::vector<Stream> streams;  ///< that use it
};
PinnedBlock* take_pinned(size_t bytes);
void give_pinned(PinnedBlock* block) noexcept;
/// Notes that `stream` uses the block.
void use_pinned(PinnedBlock* block, const Stream& stream);

}  // namespace fulmen::cuda
