#pragma once
#include <fulmen/autograd/op.h>

// Activations. relu, sigmoid and tanh are declared in ops/unary.h.
namespace fulmen {

/// scale * x for x > 0, else scale * alpha * (exp(input_scale * x) - 1).
Tensor elu(const Tensor& x, const Scalar& alpha = 1, const Scalar& scale = 1, const Scalar& input_scale = 1);
/// elu with the two constants that keep mean 0 and variance 1 (Klambauer et al. 2017).
Tensor selu(const Tensor& x);
/// x for x > 0, else alpha * (exp(x / alpha) - 1).
Tensor celu(const Tensor& x, const Scalar& alpha = 1);
/// x * P(N(0, 1) <= x); approximate "tanh": 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
Tensor gelu(const Tensor& x, std::string_view approximate = "none");
/// x * sigmoid(x)
Tensor silu(const Tensor& x);
/// x * tanh(softplus(x))
Tensor mish(const Tensor& x);
/// min(max(x, 0), 6)
Tensor relu6(const Tensor& x);
/// x for x > 0, else negative_slope * x.
Tensor leaky_relu(const Tensor& x, const Scalar& negative_slope = 0.01);
/// In training a slope per element drawn from lower..upper for x <= 0, otherwise leaky_relu with their mean.
Tensor rrelu(const Tensor& x, const Scalar& lower = 0.125, const Scalar& upper = 1.0 / 3, bool training = false);
/// leaky_relu with a learnable slope: one, or one per channel (dimension 1).
Tensor prelu(const Tensor& x, const Tensor& weight);
/// x where |x| > lambda, else 0.
Tensor hardshrink(const Tensor& x, const Scalar& lambda = 0.5);
/// x moved by lambda towards 0, which it does not cross.
Tensor softshrink(const Tensor& x, const Scalar& lambda = 0.5);
/// x limited to min..max, with derivative 0 at the limits.
Tensor hardtanh(const Tensor& x, const Scalar& min = -1, const Scalar& max = 1);
/// relu6(x + 3) / 6
Tensor hardsigmoid(const Tensor& x);
/// x * hardsigmoid(x)
Tensor hardswish(const Tensor& x);
/// log(sigmoid(x))
Tensor log_sigmoid(const Tensor& x);
/// log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.
Tensor softplus(const Tensor& x, const Scalar& beta = 1, const Scalar& threshold = 20);
/// x / (1 + |x|)
Tensor softsign(const Tensor& x);
/// x - tanh(x)
Tensor tanhshrink(const Tensor& x);
/// x where x > threshold, else value.
Tensor threshold(const Tensor& x, const Scalar& threshold, const Scalar& value);
/// Halves a, b of dimension dim: a * sigmoid(b).
Tensor glu(const Tensor& x, int64_t dim = -1);

}  // namespace fulmen
