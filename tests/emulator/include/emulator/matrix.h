#pragma once
#include <emulator/thread.h>

// What kernels/cuda/ptx.h calls: asynchronous copies and the matrix instructions of a warp.
namespace emulator {

/// The copy happens when the thread waits for it; until then the target holds NaN.
void cp_async(void* shared, const void* global, int bytes, int valid, Site site);
void cp_async_commit();
void cp_async_wait(int pending);

void ldmatrix(uint32_t* registers, const void* row, int count, bool transposed, Site site);
void stmatrix(void* row, const uint32_t* registers, int count, bool transposed, Site site);

enum class Operand { half, bfloat16, tf32 };
void mma(float* d, const uint32_t* a, const uint32_t* b, Operand operand, Site site);

}  // namespace emulator
