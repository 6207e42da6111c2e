#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/dropout.h>
#include <fulmen/nn/functional/dropout.h>

#include <cmath>

namespace fulmen::nn::functional {
namespace {

void check_probability(const char* name, double p) {
  FULMEN_CHECK(p >= 0 && p <= 1, name, ": dropout probability has to be between 0 and 1, but got ", p);
}

/// 1 with probability 1 - p, else 0; one per element, or per sample and channel.
Tensor keep_mask(const Tensor& input, double p, bool whole_channels) {
  NoGradGuard no_grad;
  std::vector<int64_t> sizes = input.sizes().vec();
  if (whole_channels) {
    FULMEN_CHECK(input.dim() >= 2, "Feature dropout requires at least 2 dimensions in the input; got ", input);
    for (size_t d = 2; d < sizes.size(); ++d) sizes[d] = 1;
  }
  return empty(sizes, input.options()).bernoulli_(1 - p);
}

Tensor feature_dropout(Tensor input, double p, bool training, bool inplace) {
  if (!training || p == 0 || input.numel() == 0) return input;
  if (p == 1) return inplace ? input.zero_() : input * 0;
  const Tensor scale = keep_mask(input, p, true).div_(1 - p);
  return inplace ? input.mul_(scale) : input * scale;
}

/// A sample without its batch dimension has one for the length of the call.
Tensor over_channels(const Tensor& input, int64_t batched_dims, double p, bool training, bool inplace) {
  if (input.dim() != batched_dims - 1) return feature_dropout(input, p, training, inplace);
  Tensor result = feature_dropout(input.unsqueeze(0), p, training, inplace).squeeze(0);
  return inplace ? input : result;
}

// Dropped elements take SELU's negative limit -alpha'; a and b restore mean 0 and variance 1.
Tensor alpha_dropout_masked(Tensor input, double p, bool training, bool inplace, bool whole_channels) {
  if (!training || p == 0 || input.numel() == 0) return input;
  if (p == 1) return inplace ? input.zero_() : input * 0;
  constexpr double alpha = 1.7580993408473766;
  const double a = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
  const Tensor mask = keep_mask(input, p, whole_channels);
  const Tensor shift = (mask - 1) * (alpha * a) + alpha * a * p;
  const Tensor scale = mask * a;
  return inplace ? input.mul_(scale).add_(shift) : input * scale + shift;
}

}  // namespace

Tensor dropout(Tensor input, const DropoutFuncOptions& options) {
  check_probability("dropout", options.p());
  if (!options.inplace()) return fulmen::dropout(input, options.p(), options.training());
  return fulmen::dropout_(input, options.p(), options.training());
}
Tensor dropout2d(Tensor input, const Dropout2dFuncOptions& options) {
  check_probability("dropout2d", options.p());
  return over_channels(input, 4, options.p(), options.training(), options.inplace());
}
Tensor dropout3d(Tensor input, const Dropout3dFuncOptions& options) {
  check_probability("dropout3d", options.p());
  return over_channels(input, 5, options.p(), options.training(), options.inplace());
}
Tensor alpha_dropout(Tensor input, const AlphaDropoutFuncOptions& options) {
  check_probability("alpha_dropout", options.p());
  return alpha_dropout_masked(std::move(input), options.p(), options.training(), options.inplace(), false);
}
Tensor feature_alpha_dropout(Tensor input, const FeatureAlphaDropoutFuncOptions& options) {
  check_probability("feature_alpha_dropout", options.p());
  return alpha_dropout_masked(std::move(input), options.p(), options.training(), options.inplace(), true);
}

}  // namespace fulmen::nn::functional
