#pragma once
#include <fulmen/autograd/op.h>

namespace fulmen {

/// A copy with memory of its own, row-major.
Tensor clone(const Tensor& x);
/// x itself if it is row-major, otherwise a copy.
Tensor contiguous(const Tensor& x);
/// x on another device or as another dtype; x itself if nothing changes (unless `copy`). `non_blocking`: a copy between
/// locked host memory and a CUDA device is only enqueued; who reads host memory then waits for the stream first.
Tensor to(const Tensor& x, ScalarType dtype, std::optional<Device> device = std::nullopt, bool copy = false,
          bool non_blocking = false);

}  // namespace fulmen
