#include <fulmen/kernels/cuda/gemm_mma.cuh>

// Products of float16 and bfloat16.
namespace fulmen::cuda {

void gemm_of_halves(const Launch& launch, GemmProblem p, ScalarType dtype) {
  if (dtype == ScalarType::Half) return mma_products<Half>(launch, p, dtype);
  mma_products<BFloat16>(launch, p, dtype);
}

}  // namespace fulmen::cuda
