#pragma once
#include <fulmen/autograd/op.h>

// Reading and adding by position. Indices are int64 (or int32) tensors; one out of range is an error.
namespace fulmen {

/// y[i, j, k] = x[index[i, j, k], j, k] for dim 0, and so on: y has index's sizes.
Tensor gather(const Tensor& x, int64_t dim, const Tensor& index);
/// x, and source[i, j, k] added at [index[i, j, k], j, k] for dim 0, and so on.
Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source);
/// The slices of x along `dim` that the 1-d `index` names.
Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
/// x with alpha * source's slices along `dim` added to those that the 1-d `index` names.
Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha = 1);
/// Positions of the elements that are not zero, row by row: [count, dimensions], int64.
Tensor nonzero(const Tensor& x);

}  // namespace fulmen
