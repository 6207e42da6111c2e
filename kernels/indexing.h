#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// One step of turning several index tensors into row-major positions: places = places * size + index, with negative
/// indices counted from the end; for the first tensor places = index. places (int64) is contiguous, index (int64) has
/// its sizes and any strides. problem (int64, two entries) = {number of indices out of range, one of them}. CUDA:
/// problem has no memory; an index out of range is reported as a fault (kernels/cuda.h) and counts as 0.
KERNEL(index_places, View places, ConstView index, int64_t size, bool first, View problem)
/// y[m, r...] = x[places[m], r...]: the first `indexed` dimensions of x are addressed by row-major positions over their
/// sizes. Equal dtypes, any strides; places int64, contiguous, in range.
KERNEL(index_get, View y, ConstView x, ConstView places, int32_t indexed)
/// y[places[m], r...] = values[m, r...], or += with `accumulate`, in the order of m. Layout as in index_get.
KERNEL(index_put, View y, ConstView places, ConstView values, int32_t indexed, bool accumulate)

}  // namespace fulmen
