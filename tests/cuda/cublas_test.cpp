#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>

#if !defined(FULMEN_EMULATED) && __has_include(<cublasLt.h>)
#include <cublasLt.h>
#include <fulmen/kernels/cuda/cublas_lt.h>
#include <tests/cuda/same_call.h>
#endif

#include <utility>

using namespace fulmen;

// Products by cuBLASLt (emulated without a GPU): that it is asked at all, in the right layout, and what it is not
// asked.
namespace {

/// A backend until the end of the scope.
class WithBackend {
 public:
  explicit WithBackend(GemmBackend backend) : before_(cuda::gemm_backend()) { cuda::set_gemm_backend(backend); }
  ~WithBackend() { cuda::set_gemm_backend(before_); }

 private:
  GemmBackend before_;
};

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("the backend of matrix products can be chosen while a program runs") {
    const Tensor a = randn({33, 20}).to(kCUDA), b = randn({20, 17}).to(kCUDA);
    Tensor products[3];
    for (auto backend : {GemmBackend::own, GemmBackend::cublas, GemmBackend::automatic}) {
      const WithBackend scope(backend);
      CHECK(cuda::gemm_backend() == backend);
      products[static_cast<int>(backend)] = matmul(a, b).cpu();
    }
    CHECK(allclose(products[0], products[1], 1e-5, 1e-5));
    CHECK(equal(products[0], products[2]));
  }

  TEST_CASE("cuBLASLt adds a bias, a matrix, and one to the matrix in place") {
    const WithBackend scope(GemmBackend::cublas);
    for (DType dtype : {kFloat, kDouble, kHalf, kBFloat16}) {
      const auto options = TensorOptions().dtype(kDouble);
      const double tolerance = dtype == kBFloat16 ? 2e-2 : dtype == kHalf ? 3e-3 : 1e-5;
      const Tensor x = randn({30, 24}, options).to(dtype), w = randn({16, 24}, options).to(dtype),
                   bias = randn({16}, options).to(dtype), add = randn({30, 16}, options).to(dtype);
      auto same = [&](const Tensor& there, const Tensor& here) {
        CHECK(allclose(there.cpu().to(kDouble), here.to(kDouble), tolerance, tolerance));
      };
      same(linear(x.to(kCUDA), w.to(kCUDA), bias.to(kCUDA)), linear(x, w, bias));
      same(addmm(add.to(kCUDA), x.to(kCUDA), w.t().to(kCUDA), 2, 3), addmm(add, x, w.t(), 2, 3));
      same(_addmm_activation(bias.to(kCUDA), x.to(kCUDA), w.t().to(kCUDA)), _addmm_activation(bias, x, w.t()));
      for (const char* approximate : {"none", "tanh"}) {
        same(_addmm_activation(add.to(kCUDA), x.to(kCUDA), w.t().to(kCUDA), 2, 1, true, approximate),
             _addmm_activation(add, x, w.t(), 2, 1, true, approximate));
      }
      // A bias that begins anywhere, after one that was aligned.
      const Tensor biases = randn({17}, options).to(dtype);
      same(linear(x.to(kCUDA), w.to(kCUDA), biases.to(kCUDA).narrow(0, 1, 16)), linear(x, w, biases.narrow(0, 1, 16)));
    }
  }

  TEST_CASE("a graph records products by cuBLASLt") {
    const WithBackend scope(GemmBackend::cublas);
    const cuda::Stream stream;
    const cuda::StreamGuard guard(stream);
    Tensor a = ones({8, 2048}).to(kCUDA), b = ones({2048, 8}).to(kCUDA), c;  // long enough for a workspace
    cuda::CUDAGraph graph;
    graph.capture_begin();
    c = matmul(a, b);
    graph.capture_end();
    for (double factor : {2.0, 3.0}) {
      a.fill_(factor);
      graph.replay();
      CHECK(equal(c.cpu(), full({8, 8}, 2048 * factor, c.cpu().options())));
    }
  }
}

#if !defined(FULMEN_EMULATED) && __has_include(<cublasLt.h>)
// kernels/cuda/cublas_lt.h against NVIDIA's header: numbers, and parameters one by one (a pointer for a pointer, a
// number for a number of the same size).
namespace lt = cuda::lt;

#define X(result, name, parameters) static_assert(same_call<decltype(lt::Functions::name), decltype(&::name)>, #name);
FULMEN_CUBLAS_LT(X)
#undef X
#define SAME(ours, theirs) static_assert(static_cast<int64_t>(lt::ours) == static_cast<int64_t>(theirs), #theirs)
SAME(status_success, CUBLAS_STATUS_SUCCESS);
SAME(status_not_initialized, CUBLAS_STATUS_NOT_INITIALIZED);
SAME(status_alloc_failed, CUBLAS_STATUS_ALLOC_FAILED);
SAME(status_invalid_value, CUBLAS_STATUS_INVALID_VALUE);
SAME(status_arch_mismatch, CUBLAS_STATUS_ARCH_MISMATCH);
SAME(status_execution_failed, CUBLAS_STATUS_EXECUTION_FAILED);
SAME(status_not_supported, CUBLAS_STATUS_NOT_SUPPORTED);
SAME(real_32f, CUDA_R_32F);
SAME(real_64f, CUDA_R_64F);
SAME(real_16f, CUDA_R_16F);
SAME(real_16bf, CUDA_R_16BF);
SAME(compute_32f, CUBLAS_COMPUTE_32F);
SAME(compute_64f, CUBLAS_COMPUTE_64F);
SAME(compute_32f_fast_tf32, CUBLAS_COMPUTE_32F_FAST_TF32);
SAME(op_n, CUBLAS_OP_N);
SAME(op_t, CUBLAS_OP_T);
SAME(epilogue_default, CUBLASLT_EPILOGUE_DEFAULT);
SAME(epilogue_relu, CUBLASLT_EPILOGUE_RELU);
SAME(epilogue_bias, CUBLASLT_EPILOGUE_BIAS);
SAME(epilogue_gelu, CUBLASLT_EPILOGUE_GELU);
SAME(epilogue_bgradb, CUBLASLT_EPILOGUE_BGRADB);
SAME(reduction_compute_type, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
SAME(desc_transa, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(desc_transb, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(desc_epilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(desc_bias_pointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(layout_batch_count, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
SAME(layout_batch_offset, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
SAME(preference_max_workspace_bytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(preference_reduction_scheme_mask, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME(preference_min_alignment_a_bytes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(preference_min_alignment_a_bytes + 1, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME(preference_min_alignment_a_bytes + 2, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME(preference_min_alignment_a_bytes + 3, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(sizeof(lt::Algo) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(lt::HeuristicResult) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(lt::HeuristicResult, workspace_bytes) ==
              offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(lt::HeuristicResult, state) == offsetof(cublasLtMatmulHeuristicResult_t, state));
#endif
