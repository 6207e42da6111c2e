#pragma once
#include <fulmen/kernels/cuda/gemm_problem.h>

namespace fulmen::cuda {

/// Products with few rows or few columns, which only read one large matrix once (gemm_thin.cu): float, float16 and
/// bfloat16. False if this is none of them.
bool gemm_of_few(const Launch& launch, const GemmProblem& p, ScalarType dtype);

}  // namespace fulmen::cuda
