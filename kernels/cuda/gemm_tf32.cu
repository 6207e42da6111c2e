#include <fulmen/kernels/cuda/gemm_mma.cuh>

// Products of float as TF32, where the program allows it. Capability 9.0 takes this way as well: wgmma would read the
// operands from shared memory as the copy engine left them there, cut off instead of rounded to 10 bits of mantissa,
// and takes only operands that run along the depth.
namespace fulmen::cuda {

void gemm_of_tf32(const Launch& launch, GemmProblem p) { mma_products<float>(launch, p, ScalarType::Float); }

}  // namespace fulmen::cuda
