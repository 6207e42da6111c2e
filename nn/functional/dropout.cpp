#include <fulmen/autograd/ops/dropout.h>
#include <fulmen/nn/functional/dropout.h>

namespace fulmen::nn::functional {
namespace {

void check_probability(const char* name, double p) {
  FULMEN_CHECK(p >= 0 && p <= 1, name, ": dropout probability has to be between 0 and 1, but got ", p);
}

/// An operation, with `inplace` written into its input.
template <class Drop>
Tensor apply(const Tensor& input, double p, bool training, bool inplace, const Drop& drop) {
  if (!inplace || !training || p == 0) return drop(input, p, training);
  input.copy_(drop(input, p, training));
  return input;
}

/// Channels are dimension 1; a sample without its batch dimension has one for the length of the call.
Tensor drop_channels(const Tensor& input, int64_t batched_dims, double p, bool training) {
  if (input.dim() != batched_dims - 1) return fulmen::feature_dropout(input, p, training);
  return fulmen::feature_dropout(input.unsqueeze(0), p, training).squeeze(0);
}

}  // namespace

Tensor dropout(Tensor input, const DropoutFuncOptions& options) {
  check_probability("dropout", options.p());
  return apply(input, options.p(), options.training(), options.inplace(), fulmen::dropout);
}
Tensor dropout2d(Tensor input, const Dropout2dFuncOptions& options) {
  check_probability("dropout2d", options.p());
  return apply(input, options.p(), options.training(), options.inplace(),
               [](const Tensor& x, double p, bool training) { return drop_channels(x, 4, p, training); });
}
Tensor dropout3d(Tensor input, const Dropout3dFuncOptions& options) {
  check_probability("dropout3d", options.p());
  return apply(input, options.p(), options.training(), options.inplace(),
               [](const Tensor& x, double p, bool training) { return drop_channels(x, 5, p, training); });
}
Tensor alpha_dropout(Tensor input, const AlphaDropoutFuncOptions& options) {
  check_probability("alpha_dropout", options.p());
  return apply(input, options.p(), options.training(), options.inplace(), fulmen::alpha_dropout);
}
Tensor feature_alpha_dropout(Tensor input, const FeatureAlphaDropoutFuncOptions& options) {
  check_probability("feature_alpha_dropout", options.p());
  return apply(input, options.p(), options.training(), options.inplace(), fulmen::feature_alpha_dropout);
}

}  // namespace fulmen::nn::functional
