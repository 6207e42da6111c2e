#pragma once
#include <fulmen/tensor/tensor.h>

// Arithmetic on sizes and strides that several families of ops share.
namespace fulmen {

/// `dim` counted from the front; throws IndexError if it is not in [-ndim, ndim).
int64_t wrap_dim(int64_t dim, int64_t ndim);
/// The sizes that both operands broadcast to; throws if they do not.
Shape broadcast_shapes(IntArrayRef a, IntArrayRef b);
/// Strides under which `sizes` show x's elements in the same order; nothing if only a copy can.
std::optional<Shape> strides_for(const Tensor& x, IntArrayRef sizes);
/// `sizes` with a -1 filled in, checked against the number of elements.
Shape infer_sizes(IntArrayRef sizes, int64_t numel);

}  // namespace fulmen
