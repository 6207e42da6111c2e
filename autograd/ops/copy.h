#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// A copy with memory of its own, row-major.
Tensor clone(const Tensor& x);
/// x itself if it is row-major, otherwise a copy.
Tensor contiguous(const Tensor& x);
/// x on another device or as another dtype; x itself if nothing changes (unless `copy`).
Tensor to(const Tensor& x, ScalarType dtype, std::optional<Device> device = std::nullopt, bool copy = false);

}  // namespace fulmen
