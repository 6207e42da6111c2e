#pragma once
#include <cstddef>

// Emulated libraries of NVIDIA's, which tests/emulator/include/dlfcn.h opens.
namespace emulator {

struct LibraryFunction {
  const char* name;
  void* address;
};
struct Library {
  const char* file;  ///< as the loader is asked for it, without a directory
  const LibraryFunction* functions;
  size_t count;
};
extern const Library cublas_lt, cudnn, nccl_library;

}  // namespace emulator
