#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// Rotates pairs of numbers: (a, b) becomes (a cos - b sin, a sin + b cos), or, `backwards`, the same with -sin. All
/// views are [..., pairs], any strides; y and x show the first of each pair, the second lies y_apart (x_apart)
/// elements on. y and x have one floating-point dtype; cos and sin are float64 if that is, otherwise float32.
KERNEL(rotate_pairs, const View& y, const ConstView& x, const ConstView& cos, const ConstView& sin, int64_t y_apart,
       int64_t x_apart, bool backwards)

}  // namespace fulmen
