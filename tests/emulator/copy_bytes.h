#pragma once
#include <cstddef>

// memcpy and memset for the emulator's own use inside kernels: the checked build takes calls of the C functions there
// for accesses of the kernel. The empty assembly keeps compilers from making such calls out of these loops.
namespace emulator {

inline void copy_bytes(void* to, const void* from, size_t bytes) {
  auto* target = static_cast<unsigned char*>(to);
  const auto* source = static_cast<const unsigned char*>(from);
  for (; bytes >= 16; bytes -= 16, target += 16, source += 16) {
    __builtin_memcpy(target, source, 16);
    asm volatile("" ::: "memory");
  }
  for (; bytes > 0; --bytes) {
    *target++ = *source++;
    asm volatile("" ::: "memory");
  }
}
inline void fill_bytes(void* to, unsigned char value, size_t bytes) {
  auto* target = static_cast<unsigned char*>(to);
  for (; bytes >= 16; bytes -= 16, target += 16) {
    __builtin_memset(target, value, 16);
    asm volatile("" ::: "memory");
  }
  for (; bytes > 0; --bytes) {
    *target++ = value;
    asm volatile("" ::: "memory");
  }
}

}  // namespace emulator
