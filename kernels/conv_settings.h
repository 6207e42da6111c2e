#pragma once
#include <cstdint>

namespace fulmen {

/// Who computes convolutions on CUDA devices: the kernels of kernels/cuda, cuDNN, or whichever was measured to be
/// faster. Nothing has been measured on a GPU yet, so automatic means own.
enum class ConvBackend : int8_t { own, cudnn, automatic };

/// What programs choose (fulmen/tensor/cuda.h) and kernels ask for.
ConvBackend conv_backend_setting();

}  // namespace fulmen
