#pragma once
#include <cuda_runtime_api.h>
#include <fulmen/kernels/dtype.h>

#include <span>

// Two ladders of kernels, from the first idea to the kernel that the library ships: every rung changes one thing, and
// `kernels --filter softmax_` or `gemm_` shows what that was worth. Rungs are for reading and measuring: each takes
// dense row-major operands of one type only, and what `multiple` says. The library's own kernels are the last rung.
namespace fulmen::ladder {

/// y[rows, cols] = softmax of every row of x.
struct SoftmaxRung {
  const char* name;
  const char* idea;
  int64_t most_cols;  ///< the longest row it takes
  int64_t multiple;   ///< of the number of columns
  void (*run)(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream);
};

/// gx[rows, cols] = y (gy - sum(gy y)), row by row: the derivative of softmax.
struct SoftmaxBackwardRung {
  const char* name;
  const char* idea;
  int64_t most_cols;
  int64_t multiple;
  void (*run)(float* gx, const float* y, const float* gy, int64_t rows, int64_t cols, cudaStream_t stream);
};

/// c[rows, cols] = a[rows, depth] b[depth, cols], summed in float.
struct GemmSize {
  int rows, cols, depth;
};
template <class T>
struct GemmRung {
  const char* name;
  const char* idea;
  int multiple;    ///< of cols and depth
  int capability;  ///< the only one that it runs on; 0: any from 80 on; -1: not built
  void (*run)(T* c, const T* a, const T* b, GemmSize size, cudaStream_t stream);
};

std::span<const SoftmaxRung* const> softmax_rungs();
std::span<const SoftmaxBackwardRung* const> softmax_backward_rungs();
std::span<const GemmRung<float>* const> gemm_float_rungs();
std::span<const GemmRung<BFloat16>* const> gemm_bfloat16_rungs();

/// What the ceilings of memory are measured with: y = x, and *y = the sum of x, n floats (a multiple of 4) each.
void copy_floats(float* y, const float* x, int64_t n, cudaStream_t stream);
/// `parts`: room for 2048 floats.
void sum_floats(float* y, float* parts, const float* x, int64_t n, cudaStream_t stream);

}  // namespace fulmen::ladder
