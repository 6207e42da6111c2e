#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/unary_op.h>
#include <fulmen/autograd/ops/views.h>

#include <vector>

// The soft and the hard activations (with pieces of straight lines), and those with learned or random slopes.
namespace fulmen {

using namespace autograd;

namespace {

struct LogSigmoid : Unary<UnaryOp::LogSigmoid, Kind::real, Keep::input> {
  static constexpr auto name = "log_sigmoid";
  // gx = gy sigmoid(-x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (-s[0]).sigmoid()}; }
};
struct Softplus {
  static constexpr auto name = "softplus";
  Scalar beta, threshold;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::Softplus, floating_type(x.scalar_type()), x, beta, threshold);
  }
  // gx = gy sigmoid(beta x), or gy beyond the threshold
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor z = s[0] * beta;
    return {gy * where(z.detach() > threshold, Scalar(1.0), z.sigmoid())};
  }
};
struct Mish : Unary<UnaryOp::Mish, Kind::real, Keep::input> {
  static constexpr auto name = "mish";
  // with t = tanh(softplus(x)): gx = gy (t + x (1 - t^2) sigmoid(x))
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0], t = softplus(x).tanh();
    return {gy * (t + x * (1 - t * t) * x.sigmoid())};
  }
};
struct Softsign : Unary<UnaryOp::Softsign, Kind::real, Keep::input> {
  static constexpr auto name = "softsign";
  // gx = gy / (1 + |x|)^2
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / (s[0].abs() + 1).square()}; }
};
struct Tanhshrink : Unary<UnaryOp::Tanhshrink, Kind::real, Keep::input> {
  static constexpr auto name = "tanhshrink";
  // gx = gy tanh(x)^2
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0].tanh().square()}; }
};

/// Functions whose slope is `slope` times 1 or 0: the gradient passes outside of [-lambda, lambda].
template <UnaryOp op>
struct Shrink {
  Scalar lambda;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, op, floating_type(x.scalar_type()), x, lambda);
  }
  // gx = gy where |x| > lambda
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    return {where(s[0].detach().abs() <= lambda, Scalar(0.0), gy)};
  }
};
struct Hardshrink : Shrink<UnaryOp::Hardshrink> {
  static constexpr auto name = "hardshrink";
};
struct Softshrink : Shrink<UnaryOp::Softshrink> {
  static constexpr auto name = "softshrink";
};

struct Hardtanh {
  static constexpr auto name = "hardtanh";
  Scalar low, high;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::Clamp, x.scalar_type(), x, low, high);
  }
  // gx = gy where low < x < high
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0].detach();
    return {where((x <= low).logical_or(x >= high), Scalar(0.0), gy)};
  }
};
struct Threshold {
  static constexpr auto name = "threshold";
  Scalar limit, value;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::Threshold, x.scalar_type(), x, limit, value);
  }
  // gx = gy where x > limit
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {where(s[0].detach() <= limit, Scalar(0.0), gy)}; }
};
struct Hardsigmoid : Unary<UnaryOp::Hardsigmoid, Kind::real, Keep::input> {
  static constexpr auto name = "hardsigmoid";
  // gx = gy / 6 where |x| < 3
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    return {where(s[0].detach().abs() >= 3, Scalar(0.0), gy / 6)};
  }
};
struct Hardswish : Unary<UnaryOp::Hardswish, Kind::real, Keep::input> {
  static constexpr auto name = "hardswish";
  // gx = 0 below -3, gy above 3, gy (x / 3 + 1 / 2) between
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0], fixed = x.detach();
    return {gy * where(fixed <= -3, Scalar(0.0), where(fixed >= 3, Scalar(1.0), x / 3 + 0.5))};
  }
};

}  // namespace

Tensor log_sigmoid(const Tensor& x) { return apply(LogSigmoid{}, x); }
Tensor softplus(const Tensor& x, const Scalar& beta, const Scalar& threshold) {
  if (autocast::applies(autocast::wide_on_cuda, x))
    return autocast::recast(autocast::wide_on_cuda, softplus, x, beta, threshold);
  return apply(Softplus{beta, threshold}, x);
}
Tensor mish(const Tensor& x) { return apply(Mish{}, x); }
Tensor softsign(const Tensor& x) { return apply(Softsign{}, x); }
Tensor tanhshrink(const Tensor& x) { return apply(Tanhshrink{}, x); }
Tensor hardshrink(const Tensor& x, const Scalar& lambda) { return apply(Hardshrink{{lambda}}, x); }
Tensor softshrink(const Tensor& x, const Scalar& lambda) {
  FULMEN_CHECK(lambda.toDouble() >= 0, "lambda must be greater or equal to 0, but found to be ", lambda.toDouble(),
               ".");
  return apply(Softshrink{{lambda}}, x);
}
Tensor hardtanh(const Tensor& x, const Scalar& min, const Scalar& max) { return apply(Hardtanh{min, max}, x); }
Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }
Tensor threshold(const Tensor& x, const Scalar& threshold, const Scalar& value) {
  return apply(Threshold{threshold, value}, x);
}
Tensor hardsigmoid(const Tensor& x) { return apply(Hardsigmoid{}, x); }
Tensor hardswish(const Tensor& x) { return apply(Hardswish{}, x); }

namespace {
/// As in PyTorch on the CPU, only elements that are not positive draw a number.
Tensor rrelu_slopes(const Tensor& x, double low, double high) {
  const Tensor drawn = (x <= 0).contiguous();
  const Tensor numbers = empty({drawn.sum().item<int64_t>()}, x.scalar_type()).uniform_(low, high).to(kDouble);
  const Tensor slopes = ones(x.sizes(), kDouble);
  const bool* takes = drawn.data_ptr<bool>();
  const double* next = numbers.data_ptr<double>();
  double* to = slopes.data_ptr<double>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    if (takes[i]) to[i] = *next++;
  }
  return slopes.to(x.options());
}
}  // namespace

Tensor rrelu(const Tensor& x, const Scalar& lower, const Scalar& upper, bool training) {
  const double low = lower.toDouble(), high = upper.toDouble();
  FULMEN_CHECK(low <= high, "rrelu: Lower bound should be less than or equal to the upper bound; got ", low, " and ",
               high);
  if (!training) return leaky_relu(x, (low + high) / 2);
  Tensor slope;
  {
    NoGradGuard no_grad;
    if (x.is_cuda()) {
      slope = empty_like(x).uniform_(low, high).where(x <= 0, 1);
    } else {
      slope = rrelu_slopes(x, low, high);
    }
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

Tensor glu(const Tensor& x, int64_t dim) {
  FULMEN_CHECK(x.dim() > 0, "glu does not support 0-dimensional tensors");
  FULMEN_CHECK(x.size(dim) % 2 == 0, "glu: Halving dimension must be even, but dimension ", dim, " is size ",
               x.size(dim));
  const std::vector<Tensor> halves = x.chunk(2, dim);
  return halves[0] * halves[1].sigmoid();
}

}  // namespace fulmen
