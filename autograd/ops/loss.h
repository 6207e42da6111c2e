#pragma once
#include <fulmen/autograd/op.h>

// Losses. Every function takes the prediction first. Prediction and target must have the same sizes where both are
// values: a target that would be broadcast is refused (E007), because [64, 1] against [64] silently compares every
// prediction with every target. Class labels are int64 and in [0, classes) or `ignore_index` (E008 otherwise).
namespace fulmen {

/// What becomes of the losses of the elements (or samples).
enum class Reduction : int8_t { None, Mean, Sum };

/// (x - t)^2
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
/// |x - t|
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean);
/// 0.5 d^2 / beta where |d| < beta, |d| - 0.5 beta elsewhere, d = x - t
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean, double beta = 1);
/// 0.5 d^2 where |d| <= delta, delta (|d| - 0.5 delta) elsewhere
Tensor huber_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean, double delta = 1);

/// -weight (t log x + (1 - t) log(1 - x)) for probabilities x; logarithms are cut off at -100.
Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                            Reduction reduction = Reduction::Mean);
/// The same for logits x; `pos_weight` multiplies the losses of positive targets.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                                        const Tensor& pos_weight = {}, Reduction reduction = Reduction::Mean);
/// t (log t - x) for log-probabilities x; with `log_target` the target is log t. Mean is over all elements.
Tensor kl_div(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::Mean, bool log_target = false);

/// -weight[t] x[t] for log-probabilities x: [classes], [n, classes] or [n, classes, d1, ...] with labels [], [n] or
/// [n, d1, ...]. The mean is divided by the sum of the weights that took part.
Tensor nll_loss(const Tensor& x, const Tensor& target, const Tensor& weight = {}, Reduction reduction = Reduction::Mean,
                int64_t ignore_index = -100);
/// nll_loss of log_softmax(x) in one pass. The target holds labels, or probabilities with the sizes of x.
/// `label_smoothing` moves that share of the target evenly to all classes.
Tensor cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight = {},
                     Reduction reduction = Reduction::Mean, int64_t ignore_index = -100, double label_smoothing = 0);

}  // namespace fulmen
