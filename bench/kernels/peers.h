#pragma once
#include <fulmen/bench/kernels/bench.h>

#include <string>

// NVIDIA's libraries beside the kernels of this one. What the machine lacks is an empty Prepare, and said once.
namespace kernel_bench {

/// cuDNN's softmax of rows (or its logarithm), or the derivative of it.
struct SoftmaxPeer {
  int64_t rows, cols;
  fulmen::ScalarType dtype;
  bool log, backward;
};
Prepare cudnn_softmax(const SoftmaxPeer& peer);

/// a b for a [n, n] and b [n, n]; of float32 with TF32 allowed or not.
struct ProductKind {
  const char* name;
  fulmen::ScalarType dtype;
  bool tf32;
  Ceiling ceiling;
};
/// By the kernels of this library.
Prepare own_product(int64_t n, const ProductKind& kind);
/// By cuBLASLt, which is called as the library calls it for FULMEN_GEMM=cublas.
Prepare cublas_product(int64_t n, const ProductKind& kind);
/// cuBLASLt's products of 8192 x 8192: the ceilings of arithmetic.
std::vector<Case> product_ceilings(const Scale& scale);

}  // namespace kernel_bench
