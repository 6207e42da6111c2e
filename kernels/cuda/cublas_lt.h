#pragma once
#include <cuda_runtime.h>
#include <fulmen/kernels/kernel.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>

// The part of cuBLASLt that kernels/cuda/gemm_cublas.cu calls, declared here: the library is opened at run time, and no
// header of it is needed to build. Names and numbers are those of NVIDIA's manual and hold for versions 12 and 13;
// tests/cuda/cublas_test.cpp compares them with NVIDIA's header where there is one.
namespace fulmen::cuda::lt {

using Handle = struct HandleOpaque*;
using MatmulDesc = struct MatmulDescOpaque*;
using MatrixLayout = struct MatrixLayoutOpaque*;
using Preference = struct PreferenceOpaque*;

enum Status : int {
  status_success = 0,
  status_not_initialized = 1,
  status_alloc_failed = 3,
  status_invalid_value = 7,
  status_arch_mismatch = 8,
  status_execution_failed = 13,
  status_not_supported = 15,
};
enum DataType : int { real_32f = 0, real_64f = 1, real_16f = 2, real_16bf = 14 };
enum ComputeType : int { compute_32f = 68, compute_64f = 70, compute_32f_fast_tf32 = 77 };
enum Operation : int { op_n = 0, op_t = 1 };
/// What happens to the sums; bits that can be combined.
enum Epilogue : uint32_t {
  epilogue_default = 1,
  epilogue_relu = 2,
  epilogue_bias = 4,
  epilogue_gelu = 32,
  epilogue_bgradb = 512
};
/// How partial sums are added up. The one in place is left out: its order of additions is not fixed.
enum ReductionScheme : uint32_t { reduction_compute_type = 2 };

enum MatmulDescAttribute : int {
  desc_transa = 3,
  desc_transb = 4,
  desc_epilogue = 7,
  desc_bias_pointer = 8,
};
enum LayoutAttribute : int { layout_batch_count = 5, layout_batch_offset = 6 };
enum PreferenceAttribute : int {
  preference_max_workspace_bytes = 1,
  preference_reduction_scheme_mask = 3,
  preference_min_alignment_a_bytes = 5,  ///< then b, c, d
};

struct Algo {
  uint64_t data[8];
};
struct HeuristicResult {
  Algo algo;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};

/// X(result, name, parameters): the functions of the table.
#define FULMEN_CUBLAS_LT(X)                                                                                         \
  X(Status, cublasLtCreate, (Handle*))                                                                              \
  X(const char*, cublasLtGetStatusName, (Status))                                                                   \
  X(Status, cublasLtMatmulDescCreate, (MatmulDesc*, ComputeType, DataType))                                         \
  X(Status, cublasLtMatmulDescDestroy, (MatmulDesc))                                                                \
  X(Status, cublasLtMatmulDescSetAttribute, (MatmulDesc, MatmulDescAttribute, const void*, size_t))                 \
  X(Status, cublasLtMatrixLayoutCreate, (MatrixLayout*, DataType, uint64_t rows, uint64_t cols, int64_t ld))        \
  X(Status, cublasLtMatrixLayoutDestroy, (MatrixLayout))                                                            \
  X(Status, cublasLtMatrixLayoutSetAttribute, (MatrixLayout, LayoutAttribute, const void*, size_t))                 \
  X(Status, cublasLtMatmulPreferenceCreate, (Preference*))                                                          \
  X(Status, cublasLtMatmulPreferenceDestroy, (Preference))                                                          \
  X(Status, cublasLtMatmulPreferenceSetAttribute, (Preference, PreferenceAttribute, const void*, size_t))           \
  X(Status, cublasLtMatmulAlgoGetHeuristic,                                                                         \
    (Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d, Preference, int requested, \
     HeuristicResult*, int* found))                                                                                 \
  X(Status, cublasLtMatmul,                                                                                         \
    (Handle, MatmulDesc, const void* alpha, const void* a, MatrixLayout a_layout, const void* b,                    \
     MatrixLayout b_layout, const void* beta, const void* c, MatrixLayout c_layout, void* d, MatrixLayout d_layout, \
     const Algo*, void* workspace, size_t workspace_bytes, cudaStream_t))

struct Functions {
#define X(result, name, parameters) result(*name) parameters;
  FULMEN_CUBLAS_LT(X)
#undef X
};
#define X(result, name, parameters) #name,
inline constexpr std::initializer_list<const char*> function_names = {FULMEN_CUBLAS_LT(X)};
#undef X
/// The table; null if the library cannot be loaded. `demanded`: throw an Error that says why instead.
const Functions* functions(const Launch& launch, bool demanded);

}  // namespace fulmen::cuda::lt
