#pragma once
#include <cstdint>

namespace fulmen {

/// Who multiplies matrices on CUDA devices: the kernels of kernels/cuda, cuBLASLt, or whichever was measured to be
/// faster for a product (kernels/cuda/gemm_choice.h).
enum class GemmBackend : int8_t { own, cublas, automatic };

/// What programs choose (fulmen/tensor/cuda.h, fulmen/tensor/context.h) and kernels ask for.
struct GemmSettings {
  GemmBackend backend;
  bool allow_tf32;  ///< float32 operands may be rounded to 10 bits of mantissa; sums stay float32
};
GemmSettings gemm_settings();

}  // namespace fulmen
