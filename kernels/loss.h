#pragma once
#include <fulmen/kernels/kernel.h>

namespace fulmen {

/// Losses of one prediction x and one target t, d = x - t.
enum class LossKind : int8_t {
  Square,          ///< d^2
  Absolute,        ///< |d|
  SmoothAbsolute,  ///< 0.5 d^2 / p if |d| < p, else |d| - 0.5 p
  Huber,           ///< 0.5 d^2 if |d| <= p, else p (|d| - 0.5 p)
  Logistic,        ///< max(x, 0) - x t + log(1 + exp(-|x|)): x is a logit
  Bernoulli,       ///< -t log x - (1 - t) log(1 - x), logarithms at least -100: x is a probability
};

struct LossParams {
  LossKind kind;
  double p;
  double scale;  ///< factor of the sum: 1 / n for the mean
  bool reduce;   ///< y and gy are one number
};

/// y = the losses, or scale times their sum. All views contiguous, of one floating-point dtype.
KERNEL(pointwise_loss, const View& y, const ConstView& x, const ConstView& t, LossParams params)
/// gx = gy scale d(loss)/dx
KERNEL(pointwise_loss_backward, const View& gx, const ConstView& x, const ConstView& t, const ConstView& gy,
       LossParams params)

struct LabelParams {
  int64_t ignore_index;  ///< rows with this label count for nothing
  double scale;          ///< factor of the sum
  double smoothing;      ///< share of the target that is spread over all classes
  bool reduce;           ///< y and gy are one number
  /// CUDA, for the mean: scale is divided by this number in device memory, the sum of weights of check_labels, which
  /// the host does not wait for. Null otherwise, and on the CPU.
  const double* divisor = nullptr;
};

// Below, x is [n, classes, inner] of a floating-point dtype, `target` int64 [n, inner], `weight` of x's dtype [classes]
// or data == nullptr; y and gy are [n, inner] or one number. All contiguous.

/// status (float64): [0] the first position of a label outside [0, classes) that is not ignored, or -1; [1] the sum of
/// the weights of the others, 1 each if there is no weight. CUDA reports a label outside as a fault (kernels/cuda.h);
/// the kernels below treat its row as ignored.
KERNEL(check_labels, const View& status, const ConstView& target, const ConstView& weight, int64_t classes,
       int64_t ignore_index)
/// y = -weight[target] x[target]
KERNEL(nll_loss, const View& y, const ConstView& x, const ConstView& target, const ConstView& weight,
       LabelParams params)
KERNEL(nll_loss_backward, const View& gx, const ConstView& target, const ConstView& weight, const ConstView& gy,
       LabelParams params)
/// y = nll_loss(log_softmax(x)) with smoothing; log_sum (float64, [n, inner]) = log(sum(exp(x))).
KERNEL(cross_entropy, const View& y, const View& log_sum, const ConstView& x, const ConstView& target,
       const ConstView& weight, LabelParams params)
/// cross_entropy of one number (params.reduce) and gx = dy/dx, of x's dtype, in one pass over x.
KERNEL(cross_entropy_with_grad, const View& y, const View& gx, const ConstView& x, const ConstView& target,
       const ConstView& weight, LabelParams params)
KERNEL(cross_entropy_backward, const View& gx, const ConstView& x, const ConstView& log_sum, const ConstView& target,
       const ConstView& weight, const ConstView& gy, LabelParams params)

}  // namespace fulmen
