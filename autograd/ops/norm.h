#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, which must be `normalized_shape`; var is the
/// biased variance. weight and bias, if defined, have that shape.
Tensor layer_norm(const Tensor& x, IntArrayRef normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// x / sqrt(mean(x^2) + eps) * weight over the last dimensions, which must be `normalized_shape` (Zhang and Sennrich
/// 2019, "Root Mean Square Layer Normalization"). Without eps: the smallest step from 1 of the type it is computed in.
Tensor rms_norm(const Tensor& x, IntArrayRef normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = std::nullopt);

/// layer_norm for each channel of [n, channels] or [n, channels, d1, ...] over all other dimensions. Training takes
/// mean and variance from x and moves the running ones (if defined) towards them: running = (1 - momentum) running +
/// momentum new, with the unbiased variance. Otherwise the running ones are used.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum = 0.1, double eps = 1e-5);

}  // namespace fulmen
