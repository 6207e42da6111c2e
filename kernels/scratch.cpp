#include <fulmen/kernels/scratch.h>

#include <cstdlib>
#include <new>

namespace fulmen {

namespace {

struct Block {
  void* data = nullptr;
  size_t bytes = 0;
  ~Block() { std::free(data); }
};

}  // namespace

void* thread_scratch(Scratch kind, size_t bytes) {
  thread_local Block blocks[scratch_kinds];
  Block& block = blocks[static_cast<int>(kind)];
  if (block.bytes < bytes) {
    std::free(block.data);
    block.bytes = (bytes + bytes / 4 + 4095) / 4096 * 4096;
    block.data = std::aligned_alloc(64, block.bytes);
    if (!block.data) {
      block.bytes = 0;
      throw std::bad_alloc();
    }
  }
  return block.data;
}

}  // namespace fulmen
