#pragma once
#include <fulmen/tensor/tensor.h>

namespace fulmen::nn::functional {

/// x W^T + b: input [*, in], weight [out, in], bias [out] or undefined -> [*, out].
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});
/// y_k = x1^T W_k x2 + b_k: input1 [*, in1], input2 [*, in2], weight [out, in1, in2] -> [*, out].
Tensor bilinear(const Tensor& input1, const Tensor& input2, const Tensor& weight, const Tensor& bias = {});

}  // namespace fulmen::nn::functional
