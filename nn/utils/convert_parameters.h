#pragma once
#include <fulmen/tensor/tensor.h>

#include <vector>

namespace fulmen::nn::utils {

/// All parameters, flattened, one after the other.
Tensor parameters_to_vector(const std::vector<Tensor>& parameters);
/// Lets the parameters share the parts of `vec`, in order; `vec` has one element for each of theirs.
void vector_to_parameters(const Tensor& vec, const std::vector<Tensor>& parameters);

}  // namespace fulmen::nn::utils
