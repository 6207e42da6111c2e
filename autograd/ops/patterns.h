#pragma once
#include <fulmen/tensor/tensor.h>

// Tensors with a pattern: one-hot rows, triangles, grids.
namespace fulmen {

/// For labels (int64, any sizes) the sizes [..., num_classes] (int64): 1 at each label, else 0. With num_classes -1 it
/// is the largest label plus one. Throws for labels that are negative or not below num_classes.
Tensor one_hot(const Tensor& labels, int64_t num_classes = -1);
/// The matrices of x ([..., rows, cols]) with zeros above (tril) or below (triu) a diagonal; positive diagonals lie
/// above the main one.
Tensor tril(const Tensor& x, int64_t diagonal = 0);
Tensor triu(const Tensor& x, int64_t diagonal = 0);
/// For n vectors, n tensors of n dimensions: the i-th varies along dimension i. With indexing "xy" the first two
/// dimensions change places.
std::vector<Tensor> meshgrid(TensorList vectors, std::string_view indexing = "ij");

}  // namespace fulmen
