#pragma once
#include <cuda_runtime.h>
#include <fulmen/kernels/kernel.h>

#include <cstddef>
#include <initializer_list>

// The part of cuDNN that kernels/cuda/conv_cudnn.cu calls, declared here: the library is opened at run time, and no
// header of it is needed to build. Names and numbers are those of NVIDIA's manual and hold for version 9;
// tests/cuda/cudnn_test.cpp compares them with NVIDIA's header where there is one.
namespace fulmen::cuda::dnn {

using Handle = struct HandleOpaque*;
using TensorDesc = struct TensorDescOpaque*;
using FilterDesc = struct FilterDescOpaque*;
using ConvDesc = struct ConvDescOpaque*;

enum Status : int {
  status_success = 0,
  status_bad_param = 2000,
  status_not_supported = 3000,
  status_execution_failed = 5000,
};
enum DataType : int { type_float = 0, type_double = 1, type_half = 2, type_bfloat16 = 9 };
enum TensorFormat : int { format_nchw = 0 };
enum ConvMode : int { mode_cross_correlation = 1 };
/// default_math allows TF32 for float, fma_math does not.
enum MathType : int { math_default = 0, math_tensor_op = 1, math_fma = 3 };
enum Determinism : int { non_deterministic = 0, deterministic = 1 };

/// What the library says of one of its algorithms; a number of the direction's own list.
struct AlgoPerf {
  int algo;
  Status status;
  float time;
  size_t memory;  ///< bytes of workspace
  Determinism determinism;
  MathType math;
  int reserved[3];
};

/// X(result, name, parameters): the functions of the table. Sizes and strides are those of all dimensions, the number
/// of images first; factors are float, or double for double.
#define FULMEN_CUDNN(X)                                                                                         \
  X(Status, cudnnCreate, (Handle*))                                                                             \
  X(const char*, cudnnGetErrorString, (Status))                                                                 \
  X(Status, cudnnSetStream, (Handle, cudaStream_t))                                                             \
  X(Status, cudnnCreateTensorDescriptor, (TensorDesc*))                                                         \
  X(Status, cudnnDestroyTensorDescriptor, (TensorDesc))                                                         \
  X(Status, cudnnSetTensorNdDescriptor, (TensorDesc, DataType, int dims, const int* sizes, const int* strides)) \
  X(Status, cudnnCreateFilterDescriptor, (FilterDesc*))                                                         \
  X(Status, cudnnDestroyFilterDescriptor, (FilterDesc))                                                         \
  X(Status, cudnnSetFilterNdDescriptor, (FilterDesc, DataType, TensorFormat, int dims, const int* sizes))       \
  X(Status, cudnnCreateConvolutionDescriptor, (ConvDesc*))                                                      \
  X(Status, cudnnDestroyConvolutionDescriptor, (ConvDesc))                                                      \
  X(Status, cudnnSetConvolutionNdDescriptor,                                                                    \
    (ConvDesc, int spatial_dims, const int* padding, const int* stride, const int* dilation, ConvMode,          \
     DataType compute))                                                                                         \
  X(Status, cudnnSetConvolutionMathType, (ConvDesc, MathType))                                                  \
  X(Status, cudnnSetConvolutionGroupCount, (ConvDesc, int))                                                     \
  X(Status, cudnnGetConvolutionForwardAlgorithm_v7,                                                             \
    (Handle, TensorDesc x, FilterDesc w, ConvDesc, TensorDesc y, int requested, int* found, AlgoPerf*))         \
  X(Status, cudnnGetConvolutionBackwardDataAlgorithm_v7,                                                        \
    (Handle, FilterDesc w, TensorDesc y, ConvDesc, TensorDesc x, int requested, int* found, AlgoPerf*))         \
  X(Status, cudnnGetConvolutionBackwardFilterAlgorithm_v7,                                                      \
    (Handle, TensorDesc x, TensorDesc y, ConvDesc, FilterDesc w, int requested, int* found, AlgoPerf*))         \
  X(Status, cudnnConvolutionForward,                                                                            \
    (Handle, const void* alpha, TensorDesc, const void* x, FilterDesc, const void* w, ConvDesc, int algo,       \
     void* workspace, size_t workspace_bytes, const void* beta, TensorDesc, void* y))                           \
  X(Status, cudnnConvolutionBackwardData,                                                                       \
    (Handle, const void* alpha, FilterDesc, const void* w, TensorDesc, const void* y, ConvDesc, int algo,       \
     void* workspace, size_t workspace_bytes, const void* beta, TensorDesc, void* x))                           \
  X(Status, cudnnConvolutionBackwardFilter,                                                                     \
    (Handle, const void* alpha, TensorDesc, const void* x, TensorDesc, const void* y, ConvDesc, int algo,       \
     void* workspace, size_t workspace_bytes, const void* beta, FilterDesc, void* w))                           \
  X(Status, cudnnAddTensor,                                                                                     \
    (Handle, const void* alpha, TensorDesc bias_desc, const void* bias, const void* beta, TensorDesc y_desc, void* y))

struct Functions {
#define X(result, name, parameters) result(*name) parameters;
  FULMEN_CUDNN(X)
#undef X
};
#define X(result, name, parameters) #name,
inline constexpr std::initializer_list<const char*> function_names = {FULMEN_CUDNN(X)};
#undef X

}  // namespace fulmen::cuda::dnn
