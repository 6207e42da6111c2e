#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// weight[indices]: rows of [count, features], result [indices..., features]. The row `padding_idx` (-1: none, other
/// negative numbers count from the end) gets no gradient; with `scale_grad_by_freq` gradients are divided by how often
/// their row was asked for. An index outside is an error that names it and its position.
Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding_idx = -1,
                 bool scale_grad_by_freq = false);

}  // namespace fulmen
