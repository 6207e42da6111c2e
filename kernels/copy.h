#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// y = x, converted to y's dtype; equal sizes, any strides (x's may be 0).
KERNEL(copy, View y, ConstView x)

}  // namespace fulmen
