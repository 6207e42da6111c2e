#include <cuda_runtime_api.h>
#include <fulmen/bench/kernels/peers.h>
#include <fulmen/fulmen.h>
#include <fulmen/kernels/vendor_library.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

#if !defined(FULMEN_EMULATED) && __has_include(<cudnn.h>)
#include <cudnn.h>
static_assert(CUDNN_SOFTMAX_ACCURATE == 1 && CUDNN_SOFTMAX_LOG == 2 && CUDNN_SOFTMAX_MODE_INSTANCE == 0);
static_assert(CUDNN_TENSOR_NCHW == 0 && CUDNN_DATA_FLOAT == 0 && CUDNN_DATA_BFLOAT16 == 9 && CUDNN_STATUS_SUCCESS == 0);
#endif

// The few functions of cuDNN that a softmax takes, in a table that is filled on first use: cuDNN is not needed to
// build.
namespace kernel_bench {

using namespace fulmen;

namespace {

using Handle = struct CudnnHandle*;
using Descriptor = struct CudnnDescriptor*;
constexpr int nchw = 0, instance = 0, accurate = 1, log_of = 2, float32 = 0, bfloat16 = 9;

struct Table {
  int (*create)(Handle*);
  int (*set_stream)(Handle, cudaStream_t);
  int (*create_descriptor)(Descriptor*);
  int (*describe)(Descriptor, int format, int dtype, int n, int c, int h, int w);
  int (*forward)(Handle, int algorithm, int mode, const void* alpha, Descriptor, const void* x, const void* beta,
                 Descriptor, void* y);
  int (*backward)(Handle, int algorithm, int mode, const void* alpha, Descriptor, const void* y, Descriptor,
                  const void* gy, const void* beta, Descriptor, void* gx);
  const char* (*words)(int status);

  void check(int status) const {
    if (status != 0) throw std::runtime_error(std::string("cuDNN: ") + words(status));
  }
};

template <class F>
bool find(const cuda::VendorLibrary& library, const char* name, F& function) {
  function = reinterpret_cast<F>(library.find(name));
  return function != nullptr;
}

/// Null if there is no cuDNN with all of them.
const Table* table() {
  static const Table* const found = []() -> const Table* {
    static const cuda::VendorLibrary library("cudnn", {9, 8});
    static Table t;
    const bool all = find(library, "cudnnCreate", t.create) && find(library, "cudnnSetStream", t.set_stream) &&
                     find(library, "cudnnCreateTensorDescriptor", t.create_descriptor) &&
                     find(library, "cudnnSetTensor4dDescriptor", t.describe) &&
                     find(library, "cudnnSoftmaxForward", t.forward) &&
                     find(library, "cudnnSoftmaxBackward", t.backward) && find(library, "cudnnGetErrorString", t.words);
    if (!all) {
      std::printf("cuDNN is left out: %s\n",
                  library.available() ? "it lacks a function" : library.why_not_available().c_str());
    }
    return all ? &t : nullptr;
  }();
  return found;
}

/// One handle, and the description of the rows; neither is given back: the program ends soon.
struct Rows {
  Handle handle{};
  Descriptor shape{};

  Rows(const Table& cudnn, const SoftmaxPeer& peer) {
    static Handle shared = [&] {
      Handle made{};
      cudnn.check(cudnn.create(&made));
      return made;
    }();
    handle = shared;
    cudnn.check(cudnn.create_descriptor(&shape));
    cudnn.check(cudnn.describe(shape, nchw, peer.dtype == kFloat ? float32 : bfloat16, static_cast<int>(peer.rows),
                               static_cast<int>(peer.cols), 1, 1));
  }
};

}  // namespace

Prepare cudnn_softmax(const SoftmaxPeer& peer) {
  if (!cuda::is_available() || !table()) return {};
  return [peer]() -> Run {
    const Table& cudnn = *table();
    const auto rows = std::make_shared<Rows>(cudnn, peer);
    const TensorOptions options = TensorOptions(peer.dtype).device(kCUDA);
    const Tensor x = randn({peer.rows, peer.cols}, options), y = empty({peer.rows, peer.cols}, options);
    const Tensor gy = peer.backward ? randn({peer.rows, peer.cols}, options) : Tensor();
    return [=, &cudnn] {
      const float one = 1, zero = 0;
      const int algorithm = peer.log ? log_of : accurate;
      auto* to = const_cast<void*>(y.const_data_ptr());
      cudnn.check(cudnn.set_stream(rows->handle, static_cast<cudaStream_t>(cuda::current_stream().handle())));
      if (peer.backward) {
        cudnn.check(cudnn.backward(rows->handle, algorithm, instance, &one, rows->shape, x.const_data_ptr(),
                                   rows->shape, gy.const_data_ptr(), &zero, rows->shape, to));
      } else {
        cudnn.check(cudnn.forward(rows->handle, algorithm, instance, &one, rows->shape, x.const_data_ptr(), &zero,
                                  rows->shape, to));
      }
      return y;
    };
  };
}

}  // namespace kernel_bench
