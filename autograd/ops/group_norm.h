#pragma once
#include <fulmen/autograd/op.h>

// Normalizations that are made of layer_norm, batch_norm and pooling.
namespace fulmen {

/// (x - mean) / sqrt(var + eps) for each sample and each of `num_groups` groups of neighbouring channels of x [n,
/// channels, ...], times weight plus bias of the channel (both [channels] or undefined). Wu and He 2018, "Group
/// Normalization".
Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// batch_norm of every sample for itself: x [n, channels, d1, ...]. With `use_input_stats` mean and variance are x's,
/// and the running ones (if defined) move towards their means over the batch; otherwise the running ones are used.
Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                     const Tensor& running_var, bool use_input_stats, double momentum = 0.1, double eps = 1e-5);

/// x / (k + alpha mean(x^2 over `size` neighbouring channels))^beta, x [n, channels, ...].
Tensor local_response_norm(const Tensor& x, int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1);

}  // namespace fulmen
