#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/unary_op.h>

// Activations that have a kernel of their own; those that networks are made of also have one for the derivative, which
// is an op itself and so can be derived again.
namespace fulmen {

using namespace autograd;

namespace {

/// gx = gy where y > 0, in one pass.
struct ReluGrad {
  static constexpr auto name = "relu_grad";
  Output forward(Forward& f, const Input& gy, const Input& y) const {
    f.save(y);
    return binary(f, BinaryOp::ReluGrad, gy.scalar_type(), gy, y);
  }
  // ggy = g where y > 0; nothing for y
  Grads<2> backward(const Saved& s, const Tensor& g) const { return {apply(ReluGrad{}, g, s[0]), Tensor()}; }
};
struct Relu : Unary<UnaryOp::Relu, Kind::number, Keep::output> {
  static constexpr auto name = "relu";
  // gx = gy where y > 0
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(ReluGrad{}, gy, s[0].detach())}; }
};

struct LeakyReluGrad {
  static constexpr auto name = "leaky_relu_grad";
  Scalar slope;
  Output forward(Forward& f, const Input& gy, const Input& x) const {
    f.save(x);
    return binary(f, BinaryOp::LeakyReluGrad, gy.scalar_type(), gy, x, slope);
  }
  // ggy = g, or slope g; nothing for x
  Grads<2> backward(const Saved& s, const Tensor& g) const { return {apply(LeakyReluGrad{slope}, g, s[0]), Tensor()}; }
};
struct LeakyRelu {
  static constexpr auto name = "leaky_relu";
  Scalar slope;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::LeakyRelu, floating_type(x.scalar_type()), x, slope);
  }
  // gx = gy where x > 0, else slope gy
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(LeakyReluGrad{slope}, gy, s[0].detach())}; }
};

// phi(x), the density of the normal distribution
Tensor normal_density(const Tensor& x) { return (x * x * -0.5).exp() * 0.3989422804014327; }

struct GeluGrad {
  static constexpr auto name = "gelu_grad";
  Output forward(Forward& f, const Input& gy, const Input& x) const {
    f.save(gy, x);
    return binary(f, BinaryOp::GeluGrad, gy.scalar_type(), gy, x);
  }
  // ggy = g gelu'(x); gx = g gy phi(x) (2 - x^2)
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor x = s[1];
    return {apply(GeluGrad{}, g, x), s.needs(1) ? g * s[0] * normal_density(x) * (2 - x * x) : Tensor()};
  }
};
struct Gelu : Unary<UnaryOp::Gelu, Kind::real, Keep::input> {
  static constexpr auto name = "gelu";
  // gx = gy (Phi(x) + x phi(x))
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(GeluGrad{}, gy, s[0])}; }
};

struct GeluTanhGrad {
  static constexpr auto name = "gelu_tanh_grad";
  Output forward(Forward& f, const Input& gy, const Input& x) const {
    f.save(gy, x);
    return binary(f, BinaryOp::GeluTanhGrad, gy.scalar_type(), gy, x);
  }
  // with t = tanh(u): gx = g gy ((1 - t^2) u' + x (1 - t^2) (u'' / 2 - t u'^2))
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor x = s[1], gx;
    if (s.needs(1)) {
      constexpr double root = 0.7978845608028654;  // sqrt(2 / pi)
      Tensor t = ((x + x * x * x * 0.044715) * root).tanh(), du = (x * x * 0.134145 + 1) * root;
      Tensor half_ddu = x * (0.134145 * root);
      gx = g * s[0] * (1 - t * t) * (du + x * (half_ddu - t * du * du));
    }
    return {apply(GeluTanhGrad{}, g, x), gx};
  }
};
struct GeluTanh : Unary<UnaryOp::GeluTanh, Kind::real, Keep::input> {
  static constexpr auto name = "gelu_tanh";
  // gx = gy (1 + t + x (1 - t^2) u') / 2 with t = tanh(u)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(GeluTanhGrad{}, gy, s[0])}; }
};

struct SiluGrad {
  static constexpr auto name = "silu_grad";
  Output forward(Forward& f, const Input& gy, const Input& x) const {
    f.save(gy, x);
    return binary(f, BinaryOp::SiluGrad, gy.scalar_type(), gy, x);
  }
  // ggy = g silu'(x); gx = g gy s (1 - s) (2 + x (1 - 2 s)) with s = sigmoid(x)
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor x = s[1], gx;
    if (s.needs(1)) {
      Tensor y = x.sigmoid();
      gx = g * s[0] * y * (1 - y) * (2 + x * (1 - y * 2));
    }
    return {apply(SiluGrad{}, g, x), gx};
  }
};
struct Silu : Unary<UnaryOp::Silu, Kind::real, Keep::input> {
  static constexpr auto name = "silu";
  // gx = gy s (1 + x (1 - s)) with s = sigmoid(x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(SiluGrad{}, gy, s[0])}; }
};

// y = p x for x > 0, else q (e^x - 1)
struct Elu {
  static constexpr auto name = "elu";
  double p, q;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::Elu, floating_type(x.scalar_type()), x, p, q);
  }
  // gx = p gy for x > 0, else q gy e^x
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0], low = x.clamp_max(0).exp() * q;
    return {gy * where(x.detach() > 0, Scalar(p), low)};
  }
};
struct Celu {
  static constexpr auto name = "celu";
  double alpha;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::Celu, floating_type(x.scalar_type()), x, alpha);
  }
  // gx = gy for x > 0, else gy e^(x / alpha)
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0];
    return {gy * where(x.detach() > 0, Scalar(1.0), (x / alpha).exp())};
  }
};

}  // namespace

FULMEN_UNARY_FUNCTION(Relu, relu)

Tensor leaky_relu(const Tensor& x, const Scalar& negative_slope) { return apply(LeakyRelu{negative_slope}, x); }
Tensor gelu(const Tensor& x, std::string_view approximate) {
  if (approximate == "none") return apply(Gelu{}, x);
  FULMEN_CHECK(approximate == "tanh", "gelu: approximate argument must be either none or tanh; got '", approximate,
               "'");
  return apply(GeluTanh{}, x);
}
Tensor silu(const Tensor& x) { return apply(Silu{}, x); }
Tensor elu(const Tensor& x, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
  double a = alpha.toDouble(), s = scale.toDouble(), k = input_scale.toDouble();
  if (k == 1) return apply(Elu{s, s * a}, x);
  return apply(Elu{s / k, s * a}, x * k);  // s x = (s / k) (k x)
}
Tensor selu(const Tensor& x) { return elu(x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946); }
Tensor celu(const Tensor& x, const Scalar& alpha) {
  FULMEN_CHECK(alpha.toDouble() != 0, "ZeroDivisionError: alpha cannot be 0 for CELU");
  return apply(Celu{alpha.toDouble()}, x);
}

}  // namespace fulmen
