#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <initializer_list>

// The part of NCCL that tensor/cuda/collectives.cpp calls, declared here: the library is opened at run time, and no
// header of it is needed to build. Names and numbers are those of NVIDIA's manual and hold for versions from 2.13.
namespace fulmen::cuda::nccl {

using Comm = struct CommOpaque*;

enum Result : int {
  success = 0,
  unhandled_cuda_error = 1,
  system_error = 2,
  internal_error = 3,
  invalid_argument = 4,
  invalid_usage = 5,
};
enum DataType : int {
  type_int8 = 0,
  type_uint8 = 1,
  type_int32 = 2,
  type_uint32 = 3,
  type_int64 = 4,
  type_uint64 = 5,
  type_float16 = 6,
  type_float32 = 7,
  type_float64 = 8,
  type_bfloat16 = 9,
};
enum RedOp : int { op_sum = 0, op_prod = 1, op_max = 2, op_min = 3, op_avg = 4 };

/// X(result, name, parameters): the functions of the table. Counts are elements.
#define FULMEN_NCCL(X)                                                                                               \
  X(const char*, ncclGetErrorString, (Result))                                                                       \
  X(const char*, ncclGetLastError, (Comm))                                                                           \
  X(Result, ncclCommInitAll, (Comm*, int count, const int* devices))                                                 \
  X(Result, ncclCommDestroy, (Comm))                                                                                 \
  X(Result, ncclGroupStart, ())                                                                                      \
  X(Result, ncclGroupEnd, ())                                                                                        \
  X(Result, ncclAllReduce, (const void* send, void* recv, size_t count, DataType, RedOp, Comm, cudaStream_t))        \
  X(Result, ncclReduce, (const void* send, void* recv, size_t count, DataType, RedOp, int root, Comm, cudaStream_t)) \
  X(Result, ncclBroadcast, (const void* send, void* recv, size_t count, DataType, int root, Comm, cudaStream_t))     \
  X(Result, ncclAllGather, (const void* send, void* recv, size_t send_count, DataType, Comm, cudaStream_t))          \
  X(Result, ncclReduceScatter, (const void* send, void* recv, size_t recv_count, DataType, RedOp, Comm, cudaStream_t))

struct Functions {
#define X(result, name, parameters) result(*name) parameters;
  FULMEN_NCCL(X)
#undef X
};
#define X(result, name, parameters) #name,
inline constexpr std::initializer_list<const char*> function_names = {FULMEN_NCCL(X)};
#undef X

}  // namespace fulmen::cuda::nccl
