#pragma once
#include <fulmen/tensor/tensor.h>

#include <span>

// Moving whole rows (slices along dimension 0) between tensors. Rows that lie in CPU memory without history are copied
// as bytes in one go; everything else goes through Tensor's own operations, on its device and with its history.
namespace fulmen::data {

/// A new row-major tensor, not initialised.
Tensor empty_rows(IntArrayRef sizes, ScalarType dtype, Device device = kCPU);
/// source[rows[0]], source[rows[1]], ... as one tensor. source: [n, ...]; throws if a row is outside 0..n-1.
Tensor gather_rows(const Tensor& source, std::span<const int64_t> rows);
/// Tensors of one shape along a new dimension 0. Throws on an empty list, or when shapes, dtypes or devices differ.
Tensor stack_rows(std::span<const Tensor* const> tensors);
/// Tensors joined along dimension 0; all sizes but the first must agree.
Tensor join_rows(std::span<const Tensor* const> tensors);

/// Numbers as a tensor [n].
Tensor rows_of(std::span<const double> values, ScalarType dtype);
Tensor rows_of(std::span<const int64_t> values, ScalarType dtype = kLong);

}  // namespace fulmen::data
