#pragma once
#include <fulmen/autograd/op.h>

// Choosing between values, element by element.
namespace fulmen {

/// condition ? a : b. The condition is bool (uint8 counts as such); all are broadcast.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, const Scalar& b);
Tensor where(const Tensor& condition, const Scalar& a, const Tensor& b);
Tensor where(const Tensor& condition, const Scalar& a, const Scalar& b);

/// x limited to [min, max], either of which may be missing; max wins if they cross; NaN stays. The gradient passes
/// where x is within the limits, ends included.
Tensor clamp(const Tensor& x, const std::optional<Scalar>& min = std::nullopt,
             const std::optional<Scalar>& max = std::nullopt);
/// Limits per element, broadcast; an undefined tensor is no limit.
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max);
Tensor clamp_min(const Tensor& x, const Scalar& min);
Tensor clamp_min(const Tensor& x, const Tensor& min);
Tensor clamp_max(const Tensor& x, const Scalar& max);
Tensor clamp_max(const Tensor& x, const Tensor& max);

/// x with `value` (a number or a 0-dimensional tensor) wherever the bool tensor `mask`, broadcast to x, is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Scalar& value);
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);
/// The elements of x where `mask` is true, in order: 1-d. Both are broadcast.
Tensor masked_select(const Tensor& x, const Tensor& mask);

}  // namespace fulmen
