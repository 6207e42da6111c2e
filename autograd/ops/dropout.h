#pragma once
#include <fulmen/autograd/op.h>

// Random zeros for training; identities when `train` is false. The CPU masks are PyTorch's, bit for bit: drawn from the
// default generator.
namespace fulmen {

/// Elements are 0 with probability p, the others are divided by 1 - p.
Tensor dropout(const Tensor& x, double p, bool train);
/// Whole channels: one draw for each [n, channels] of [n, channels, ...].
Tensor feature_dropout(const Tensor& x, double p, bool train);
/// Keeps mean and variance under SELU: dropped elements take SELU's negative limit, then an affine correction
/// (Klambauer et al. 2017).
Tensor alpha_dropout(const Tensor& x, double p, bool train);
Tensor feature_alpha_dropout(const Tensor& x, double p, bool train);

}  // namespace fulmen
