#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

// Statistics are float64 for float64 tensors and float32 otherwise; arithmetic as well. weight and bias have x's dtype;
// data == nullptr stands for 1 and 0, and for gradients that nobody wants. All views contiguous.

/// y = (x - mean) / sqrt(var + eps) * weight + bias for each row of x [rows, cols]; weight and bias are [cols]. stats
/// [2, rows] becomes mean and 1 / sqrt(var + eps). Not `centered`, the mean counts as 0: var is the mean square.
KERNEL(layer_norm, const View& y, const View& stats, const ConstView& x, const ConstView& weight, const ConstView& bias,
       double eps, bool centered)
/// With h = gy weight and n = (x - mean) rstd: gx = rstd (h - mean(h) - n mean(h n)), gw = sum of gy n and gb = sum of
/// gy over the rows. Not `centered`, gx is without mean(h).
KERNEL(layer_norm_backward, const View& gx, const View& gw, const View& gb, const ConstView& x, const ConstView& stats,
       const ConstView& weight, const ConstView& gy, bool centered)

/// The same for each channel of x [n, channels, inner]; stats [2, channels] is mean and biased variance: taken from x,
/// or copied from `mean` and `var` if these are given. float32 and float64 only.
KERNEL(batch_norm, const View& y, const View& stats, const ConstView& x, const ConstView& weight, const ConstView& bias,
       const ConstView& mean, const ConstView& var, double eps)
/// As layer_norm_backward, or gx = gy weight rstd if the statistics do not depend on x (`constant`).
KERNEL(batch_norm_backward, const View& gx, const View& gw, const View& gb, const ConstView& x, const ConstView& stats,
       const ConstView& weight, const ConstView& gy, double eps, bool constant)

}  // namespace fulmen
