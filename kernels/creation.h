#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// Every element becomes the same number: `real` for floating-point dtypes, `integer` for the others. Any strides.
KERNEL(fill, View y, double real, int64_t integer)
/// y[i] = start + i * step; 1-d, contiguous. Integer dtypes use the integer triple. Any dtype but bool.
KERNEL(arange, View y, double start, double step, int64_t integer_start, int64_t integer_step)
/// Evenly spaced from start to end, both included, counted from the nearer end; 1-d, contiguous. With a base other than
/// 0 the values are exponents of it. Any dtype but bool.
KERNEL(linspace, View y, double start, double end, double base)

}  // namespace fulmen
