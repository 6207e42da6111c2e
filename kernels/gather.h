#pragma once
#include <fulmen/kernels/kernel.h>

// Reading, adding and sorting by position. Indices are Long. On the CPU they were checked: 0 <= index < size of the
// dimension. CUDA kernels check them: an index outside is reported as a fault (kernels/cuda.h), reads 0 and adds
// nothing.
namespace fulmen {

/// y[..., i, ...] = x[..., index[..., i, ...], ...] along `dim`. y and index have equal sizes; x has the same number of
/// dimensions and is at least as large in the others. Any strides; index may be expanded.
KERNEL(gather, const View& y, const ConstView& x, const ConstView& index, int dim)

/// y[..., index[..., i, ...], ...] += alpha * source[..., i, ...] along `dim`, in order of i. Sizes as in gather, with
/// source and index in the place of y and index.
KERNEL(scatter_add, const View& y, const ConstView& index, const ConstView& source, int dim, double alpha)

/// Row r of y (Long [count, dimensions], contiguous) is the position of the r-th true element of x, which is contiguous
/// bool.
KERNEL(nonzero, const View& y, const ConstView& x)

/// Sorts each row of `values` ([rows, n], contiguous, holding the input) in place and gives the positions from which
/// the first `count` came in `positions` (Long [rows, n]). Equal elements keep their order; NaN counts as largest. Only
/// the first `count` elements of a row need be right.
KERNEL(sort, const View& values, const View& positions, bool descending, int64_t count)

/// y[o, k, i] = sum of x[o, :k + 1, i]; both contiguous [outer, n, inner] of one dtype.
KERNEL(cumsum, const View& y, const ConstView& x)

}  // namespace fulmen
