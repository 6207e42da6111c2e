#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <vector>

namespace fulmen::nn::functional {

/// `pad`: pairs (before, after), the last dimension first. `value` counts for kConstant.
struct PadFuncOptions {
  using mode_t = OneOf<enumtype::kConstant, enumtype::kReflect, enumtype::kReplicate, enumtype::kCircular>;
  PadFuncOptions(std::vector<int64_t> pad) : pad_(std::move(pad)) {}
  FULMEN_ARG(std::vector<int64_t>, pad);
  FULMEN_ARG(mode_t, mode) = kConstant;
  FULMEN_ARG(double, value) = 0;
};

/// Elements around the input: a value, or the input's own (autograd/ops/pad.h).
Tensor pad(const Tensor& input, const PadFuncOptions& options);

}  // namespace fulmen::nn::functional
