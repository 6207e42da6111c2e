#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// Pieces of `split_size` along dim, the last one shorter; views.
std::vector<Tensor> split(const Tensor& x, int64_t split_size, int64_t dim = 0);
std::vector<Tensor> split_with_sizes(const Tensor& x, IntArrayRef split_sizes, int64_t dim = 0);
std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim = 0);
/// All selects along dim.
std::vector<Tensor> unbind(const Tensor& x, int64_t dim = 0);
/// x repeated as a whole, `repeats` times per dimension; a copy.
Tensor repeat(const Tensor& x, IntArrayRef repeats);
/// Elements in reverse order along dims; a copy.
Tensor flip(const Tensor& x, IntArrayRef dims);

/// Tensors joined along an existing dimension; 1-d tensors without elements are left out.
Tensor cat(TensorList tensors, int64_t dim = 0);
/// Tensors of equal shape joined along a new dimension.
Tensor stack(TensorList tensors, int64_t dim = 0);
Tensor hstack(TensorList tensors);
Tensor vstack(TensorList tensors);

}  // namespace fulmen
