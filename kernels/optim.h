#pragma once
#include <fulmen/kernels/kernel.h>
#include <fulmen/kernels/optim_steps.h>

namespace fulmen {

// `slices` is host memory on every device and may change as soon as the kernel was called.

/// g += weight_decay p;  b = momentum b + (1 - dampening) g;  p -= lr (nesterov ? g + momentum b : b), over all slices.
KERNEL(sgd_step, const OptimSlice* slices, int64_t count, SgdStep step)

/// m = lerp(m, g, 1 - beta1);  v = beta2 v + (1 - beta2) g^2;  p -= lr / bias1 * m / (sqrt(v) / sqrt(bias2) + eps).
KERNEL(adam_step, const OptimSlice* slices, int64_t count, AdamStep step)

}  // namespace fulmen
