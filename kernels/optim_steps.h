#pragma once
#include <fulmen/kernels/dtype.h>

namespace fulmen {

/// One parameter of an optimizer step and what belongs to it: flat, contiguous arrays of `numel` elements of `dtype`.
/// Which of the state arrays are used, and what they hold, is the step's affair.
struct OptimSlice {
  void* param;
  const void* grad;
  void* state1;  ///< sgd: momentum buffer; adam: mean of gradients
  void* state2;  ///< adam: mean of squared gradients
  void* state3;  ///< adam with amsgrad: the largest state2 so far
  int64_t numel;
  ScalarType dtype;
  bool first;               ///< sgd: the momentum buffer starts with this gradient
  double bias_correction1;  ///< adam: 1 - beta1^step
  double bias_correction2;  ///< adam: 1 - beta2^step
};

/// `maximize` turns the gradient's sign; `weight_decay` adds that much of the parameter to the gradient.
struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  const double* live = nullptr;  ///< as in AdamStep
};

/// `decoupled`: weight decay shrinks the parameter itself (AdamW) instead of entering the gradient (Adam).
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, amsgrad, maximize;
  /// In a captured CUDA graph: device memory that takes the place of lr and of every slice's bias corrections, which
  /// change from replay to replay: lr, then bias_correction1, bias_correction2 of slice 0, 1, ... Null otherwise.
  const double* live = nullptr;
};

}  // namespace fulmen
