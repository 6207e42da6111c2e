#pragma once
#include <fulmen/kernels/optim_steps.h>
#include <fulmen/tensor/tensor.h>

#include <span>

namespace fulmen {

/// A parameter with its gradient and optimizer state; `slice` carries the numbers, its pointers are filled in here.
struct OptimEntry {
  const Tensor* param;
  const Tensor* grad;
  const Tensor* state1 = nullptr;
  const Tensor* state2 = nullptr;
  const Tensor* state3 = nullptr;
  bool first = false;
  double bias_correction1 = 1, bias_correction2 = 1;
};

/// Update all parameters (and their state) in place with one kernel call per device. Never recorded; the version of
/// every tensor written grows. Parameters and gradients may have any strides; shapes and dtypes must agree.
void sgd_step_(std::span<const OptimEntry> entries, const SgdStep& step);
void adam_step_(std::span<const OptimEntry> entries, const AdamStep& step);

}  // namespace fulmen
