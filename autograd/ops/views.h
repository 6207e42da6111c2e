#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// The same elements under other sizes; -1 for one size that follows from the rest. Shares memory: throws if the
/// strides do not allow it (use reshape).
Tensor view(const Tensor& x, IntArrayRef sizes);
/// view() where possible, otherwise a copy.
Tensor reshape(const Tensor& x, IntArrayRef sizes);
/// Dimensions start_dim..end_dim become one.
Tensor flatten(const Tensor& x, int64_t start_dim = 0, int64_t end_dim = -1);
/// Dimension `dim` becomes several with the given sizes (one may be -1).
Tensor unflatten(const Tensor& x, int64_t dim, IntArrayRef sizes);
Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1);
/// Transpose of a matrix; 0-d and 1-d tensors stay as they are.
Tensor t(const Tensor& x);
/// Output dimension i is input dimension dims[i].
Tensor permute(const Tensor& x, IntArrayRef dims);
/// Elements start, start + step, ... below end of a dimension; bounds are clamped, negative ones count from the end.
Tensor slice(const Tensor& x, int64_t dim = 0, std::optional<int64_t> start = std::nullopt,
             std::optional<int64_t> end = std::nullopt, int64_t step = 1);
/// One index of a dimension, which disappears.
Tensor select(const Tensor& x, int64_t dim, int64_t index);
Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length);
/// Without dimensions of size 1 (all of them, or `dim` if it is one).
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, int64_t dim);
Tensor unsqueeze(const Tensor& x, int64_t dim);
/// Dimensions of size 1 repeated without a copy; -1 keeps a size.
Tensor expand(const Tensor& x, IntArrayRef sizes);
Tensor broadcast_to(const Tensor& x, IntArrayRef sizes);
std::vector<Tensor> broadcast_tensors(TensorList tensors);
/// Any sizes, strides and offset (in elements) over x's storage.
Tensor as_strided(const Tensor& x, IntArrayRef sizes, IntArrayRef strides,
                  std::optional<int64_t> storage_offset = std::nullopt);
Tensor diagonal(const Tensor& x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
namespace autograd {
/// The gradient of as_strided for the tensor it was taken of: elements that were seen several times collect all their
/// gradients.
Tensor as_strided_backward(const Tensor& gy, IntArrayRef base_sizes, IntArrayRef base_strides, int64_t base_offset,
                           IntArrayRef sizes, IntArrayRef strides, int64_t offset);
}  // namespace autograd

}  // namespace fulmen
