#pragma once
#include <cuda.h>

#include <cstddef>

// What a CUtensorMap of the emulator holds.
namespace emulator {

struct TensorMap {
  unsigned char* data;
  uint64_t sizes[5];
  uint64_t strides[4];  // bytes, of dimensions 1 to 4
  uint16_t box[5];
  uint8_t element, rank;  // bytes of an element
  uint8_t swizzle;        // CUtensorMapSwizzle
  uint8_t fill;           // of elements outside of the tensor, every byte
  uint32_t mark;          // tells a map from arbitrary memory

  static constexpr uint32_t valid = 0x7e4502au;
  size_t box_bytes() const {
    size_t bytes = element;
    for (int i = 0; i < rank; ++i) bytes *= box[i];
    return bytes;
  }
  size_t row_bytes() const { return static_cast<size_t>(box[0]) * element; }
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

/// Where the swizzle puts a chunk of 16 bytes: a permutation within spans of 32, 64 or 128 bytes that depends on the
/// address only.
inline uintptr_t swizzled(uintptr_t address, int swizzle) {
  uintptr_t mask = (uintptr_t{1} << swizzle) - 1;  // 1, 3, 7 for spans of 2, 4, 8 chunks
  return address ^ ((address >> 7 & mask) << 4);
}

}  // namespace emulator
