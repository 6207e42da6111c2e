#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/nn/functional/activation.h>

namespace fulmen::nn::functional {
namespace {

/// f(input), with `inplace` written into the input. What the derivative needs is then kept in a copy, because the input
/// changes.
template <class F>
Tensor apply(const Tensor& input, bool inplace, const F& f) {
  if (!inplace) return f(input);
  const bool recording = GradMode::is_enabled() && input.requires_grad();
  input.copy_(f(recording ? input.clone() : input));
  return input;
}

}  // namespace

Tensor elu(Tensor input, const ELUFuncOptions& options) {
  return apply(input, options.inplace(), [&](const Tensor& x) { return fulmen::elu(x, options.alpha()); });
}
Tensor selu(Tensor input, const SELUFuncOptions& options) { return apply(input, options.inplace(), fulmen::selu); }
Tensor celu(Tensor input, const CELUFuncOptions& options) {
  return apply(input, options.inplace(), [&](const Tensor& x) { return fulmen::celu(x, options.alpha()); });
}
Tensor gelu(const Tensor& input, const GELUFuncOptions& options) { return fulmen::gelu(input, options.approximate()); }
Tensor silu(const Tensor& input) { return fulmen::silu(input); }
Tensor mish(const Tensor& input) { return fulmen::mish(input); }
Tensor relu(Tensor input, const ReLUFuncOptions& options) { return options.inplace() ? input.relu_() : input.relu(); }
Tensor relu6(Tensor input, const ReLU6FuncOptions& options) { return apply(input, options.inplace(), fulmen::relu6); }
Tensor leaky_relu(Tensor input, const LeakyReLUFuncOptions& options) {
  return apply(input, options.inplace(),
               [&](const Tensor& x) { return fulmen::leaky_relu(x, options.negative_slope()); });
}
Tensor rrelu(Tensor input, const RReLUFuncOptions& options) {
  return apply(input, options.inplace(),
               [&](const Tensor& x) { return fulmen::rrelu(x, options.lower(), options.upper(), options.training()); });
}
Tensor prelu(const Tensor& input, const Tensor& weight) { return fulmen::prelu(input, weight); }
Tensor hardshrink(const Tensor& input, const HardshrinkFuncOptions& options) {
  return fulmen::hardshrink(input, options.lambda());
}
Tensor softshrink(const Tensor& input, const SoftshrinkFuncOptions& options) {
  return fulmen::softshrink(input, options.lambda());
}
Tensor tanhshrink(const Tensor& input) { return input - input.tanh(); }
Tensor hardtanh(Tensor input, const HardtanhFuncOptions& options) {
  return apply(input, options.inplace(),
               [&](const Tensor& x) { return fulmen::hardtanh(x, options.min_val(), options.max_val()); });
}
Tensor logsigmoid(const Tensor& input) { return fulmen::log_sigmoid(input); }
Tensor softplus(const Tensor& input, const SoftplusFuncOptions& options) {
  return fulmen::softplus(input, options.beta(), options.threshold());
}
Tensor softsign(const Tensor& input) { return input / (input.abs() + 1); }
Tensor threshold(Tensor input, const ThresholdFuncOptions& options) {
  return apply(input, options.inplace(),
               [&](const Tensor& x) { return fulmen::threshold(x, options.threshold(), options.value()); });
}

Tensor glu(const Tensor& input, const GLUFuncOptions& options) { return fulmen::glu(input, options.dim()); }
Tensor softmax(const Tensor& input, const SoftmaxFuncOptions& options) {
  return input.softmax(options.dim(), options.dtype());
}
Tensor softmin(const Tensor& input, const SoftminFuncOptions& options) {
  return (-input).softmax(options.dim(), options.dtype());
}
Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options) {
  return input.log_softmax(options.dim(), options.dtype());
}

}  // namespace fulmen::nn::functional
