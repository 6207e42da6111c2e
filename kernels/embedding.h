#pragma once
#include <fulmen/kernels/kernel.h>

// Rows by number. weight and gw are [count, features], y and gy [n, features], indices Long [n], all contiguous, and
// 0 <= index < count was checked on the CPU; CUDA kernels report an index outside as a fault (kernels/cuda.h), read
// zeros for it and add nothing.
namespace fulmen {

/// y[i] = weight[indices[i]]; any dtype.
KERNEL(embedding, const View& y, const ConstView& weight, const ConstView& indices)

/// gw[indices[i]] += gy[i] in order of i, except for the row `skip`; floating point, gw holds zeros before.
KERNEL(embedding_add, const View& gw, const ConstView& gy, const ConstView& indices, int64_t skip)

}  // namespace fulmen
