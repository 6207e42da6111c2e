#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

enum class GemmActivation : int8_t { none, relu, gelu, gelu_tanh };

/// What becomes of gemm's sums, and what it computes beside them.
struct GemmEnd {
  double alpha = 1, beta = 1;                        ///< `beta` counts only where there is something to add
  GemmActivation activation = GemmActivation::none;  ///< of floating-point products
  /// [rows], c's dtype; null for none: the sums of a along the depth. Of one floating-point product, not of a batch.
  /// When c is the gradient of a weight, these are that of a bias.
  void* a_sums = nullptr;
};

/// c = activation(alpha a b + beta add), one product per leading (batch) index.
///   c    [batch..., rows, cols]   row-major; shares no memory with a and b
///   a    [batch..., rows, depth]  any strides, so a transposed or broadcast operand needs no copy
///   b    [batch..., depth, cols]  likewise
///   add  [batch..., rows, cols]   any strides (a bias has row stride 0); c itself, or data == nullptr for none
/// All of one dtype, not bool. float16 and bfloat16 are summed in float32, and rounded after the activation; integers
/// wrap.
KERNEL(gemm, const View& c, const ConstView& a, const ConstView& b, const ConstView& add, GemmEnd end)

}  // namespace fulmen
