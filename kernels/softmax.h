#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// Which of the two: y = exp(x) / sum(exp(x)), or its logarithm.
enum class SoftmaxKind : int8_t { Plain, Log };

/// All views: [outer, cols, inner], contiguous, of one floating-point dtype; sums run along cols. float16 and bfloat16
/// are computed in float32. No view may alias another.
KERNEL(softmax, const View& y, const ConstView& x, SoftmaxKind kind)
/// gx = y (gy - sum(gy y)), or gx = gy - exp(y) sum(gy) for Log.
KERNEL(softmax_backward, const View& gx, const ConstView& y, const ConstView& gy, SoftmaxKind kind)

}  // namespace fulmen
