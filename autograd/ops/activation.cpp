#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>

#include <cmath>

// Where only one side of a `where` is meant to count, the other side's argument is clamped first: an infinity over
// there would turn the zero that its gradient is multiplied with into NaN.
namespace fulmen {

Tensor elu(const Tensor& x, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
  const Tensor negative = x.clamp_max(0).mul(input_scale).expm1().mul(alpha.toDouble() * scale.toDouble());
  return x.mul(scale).where(x > 0, negative);
}

Tensor selu(const Tensor& x) { return elu(x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946); }

Tensor celu(const Tensor& x, const Scalar& alpha) {
  FULMEN_CHECK(alpha.toDouble() != 0, "celu: ZeroDivisionError: alpha cannot be 0 for CELU");
  return elu(x, alpha, 1, 1 / alpha.toDouble());
}

Tensor gelu(const Tensor& x, std::string_view approximate) {
  if (approximate == "none") return x * 0.5 * (1 + (x * 0.70710678118654752440).erf());
  FULMEN_CHECK(approximate == "tanh", "gelu: approximate argument must be either none or tanh; got '", approximate,
               "'");
  const Tensor inner = (x + x.pow(3) * 0.044715) * 0.79788456080286535588;
  return x * 0.5 * (1 + inner.tanh());
}

Tensor silu(const Tensor& x) { return x * x.sigmoid(); }
Tensor mish(const Tensor& x) { return x * softplus(x).tanh(); }
Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }

Tensor leaky_relu(const Tensor& x, const Scalar& negative_slope) { return x.where(x > 0, x * negative_slope); }

Tensor rrelu(const Tensor& x, const Scalar& lower, const Scalar& upper, bool training) {
  const double low = lower.toDouble(), high = upper.toDouble();
  FULMEN_CHECK(low <= high, "rrelu: Lower bound should be less than or equal to the upper bound; got ", low, " and ",
               high);
  if (!training) return leaky_relu(x, (low + high) / 2);
  Tensor slope;
  {
    NoGradGuard no_grad;
    // As in PyTorch, only elements that are not positive draw a number.
    const Tensor drawn = (x <= 0).cpu().contiguous();
    const Tensor numbers = empty({drawn.sum().item<int64_t>()}, x.scalar_type()).uniform_(low, high).to(kDouble);
    const Tensor slopes = ones(x.sizes(), kDouble);
    const bool* takes = drawn.data_ptr<bool>();
    const double* next = numbers.data_ptr<double>();
    double* to = slopes.data_ptr<double>();
    for (int64_t i = 0; i < x.numel(); ++i) {
      if (takes[i]) to[i] = *next++;
    }
    slope = slopes.to(x.options());
  }
  return x * slope;
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  const int64_t slopes = weight.numel();
  if (slopes == 1) return x.where(x > 0, x * weight.reshape({}));
  FULMEN_CHECK(x.dim() > 0 && x.size(x.dim() > 1 ? 1 : 0) == slopes,
               "prelu: mismatch of parameter numbers and input channel size: ", slopes, " slopes for input ", x);
  std::vector<int64_t> sizes(static_cast<size_t>(x.dim()), 1);
  sizes[x.dim() > 1 ? 1 : 0] = slopes;
  return x.where(x > 0, x * weight.reshape(sizes));
}

Tensor hardshrink(const Tensor& x, const Scalar& lambda) { return x.masked_fill(x.abs() <= lambda, 0); }

Tensor softshrink(const Tensor& x, const Scalar& lambda) {
  FULMEN_CHECK(lambda.toDouble() >= 0, "softshrink: lambda must be greater or equal to 0, but found to be ", lambda);
  return (x - x.sign() * lambda).masked_fill(x.abs() <= lambda, 0);
}

Tensor hardtanh(const Tensor& x, const Scalar& min, const Scalar& max) {
  return x.masked_fill(x <= min, min).masked_fill(x >= max, max);
}

// min(x, 0) - log(1 + exp(-|x|)), each sign written out so that the derivative at 0 is 1/2.
Tensor log_sigmoid(const Tensor& x) { return -softplus(-x, 1, std::numeric_limits<double>::infinity()); }

Tensor softplus(const Tensor& x, const Scalar& beta, const Scalar& threshold) {
  const double b = beta.toDouble();
  const Tensor scaled = x * b;
  // log(1 + exp(z)) = z + log(1 + exp(-z)) for z > 0, so that exp never overflows.
  const Tensor below = scaled.clamp_max(0).exp().log1p();
  const Tensor above = scaled + (-scaled.clamp_min(0)).exp().log1p();
  const Tensor smooth = above.where(scaled > 0, below) / b;
  return x.where(scaled > threshold, smooth);
}

Tensor threshold(const Tensor& x, const Scalar& threshold, const Scalar& value) {
  return x.masked_fill(x <= threshold, value);
}

Tensor glu(const Tensor& x, int64_t dim) {
  FULMEN_CHECK(x.dim() > 0, "glu does not support 0-dimensional tensors");
  FULMEN_CHECK(x.size(dim) % 2 == 0, "glu: Halving dimension must be even, but dimension ", dim, " is size ",
               x.size(dim));
  const std::vector<Tensor> halves = x.chunk(2, dim);
  return halves[0] * halves[1].sigmoid();
}

}  // namespace fulmen
