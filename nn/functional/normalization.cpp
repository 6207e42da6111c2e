#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/norm.h>
#include <fulmen/nn/functional/normalization.h>

namespace fulmen::nn::functional {

Tensor layer_norm(const Tensor& input, const LayerNormFuncOptions& options) {
  return fulmen::layer_norm(input, options.normalized_shape(), options.weight(), options.bias(), options.eps());
}

Tensor rms_norm(const Tensor& input, const RMSNormFuncOptions& options) {
  return fulmen::rms_norm(input, options.normalized_shape(), options.weight(), options.eps());
}

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormFuncOptions& options) {
  FULMEN_CHECK(options.momentum(), "batch_norm: the momentum must be a number here");
  return fulmen::batch_norm(input, options.weight(), options.bias(), running_mean, running_var, options.training(),
                            *options.momentum(), options.eps());
}

Tensor normalize(const Tensor& input, const NormalizeFuncOptions& options) {
  return input / input.norm(options.p(), {options.dim()}, true).clamp_min(options.eps()).expand_as(input);
}

}  // namespace fulmen::nn::functional
