#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// Factors of gemm; `beta` counts only where there is something to add.
struct GemmScale {
  double alpha = 1, beta = 1;
};

/// c = alpha a b + beta add, one product per leading (batch) index.
///   c    [batch..., rows, cols]   row-major; shares no memory with a and b
///   a    [batch..., rows, depth]  any strides, so a transposed or broadcast operand needs no copy
///   b    [batch..., depth, cols]  likewise
///   add  [batch..., rows, cols]   any strides (a bias has row stride 0); c itself, or data == nullptr for none
/// All of one dtype, not bool. float16 and bfloat16 are summed in float32, integers wrap.
KERNEL(gemm, const View& c, const ConstView& a, const ConstView& b, const ConstView& add, GemmScale scale)

}  // namespace fulmen
