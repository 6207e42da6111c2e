#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/unary_op.h>

// Exponentials, logarithms, trigonometric and hyperbolic functions of one tensor. Integers give the default dtype.
namespace fulmen {

using namespace autograd;

namespace {

constexpr double log_of_2 = 0.6931471805599453, log_of_10 = 2.302585092994046, two_over_root_pi = 1.1283791670955126;

struct Exp : Unary<UnaryOp::Exp, Kind::real, Keep::output> {
  static constexpr auto name = "exp";
  static constexpr bool loses_precision = true;
  // gx = gy y
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0]}; }
};
struct Exp2 : Unary<UnaryOp::Exp2, Kind::real, Keep::output> {
  static constexpr auto name = "exp2";
  // gx = gy y log(2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (s[0] * log_of_2)}; }
};
struct Expm1 : Unary<UnaryOp::Expm1, Kind::real, Keep::output> {
  static constexpr auto name = "expm1";
  static constexpr bool loses_precision = true;
  // gx = gy (y + 1)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (s[0] + 1)}; }
};
struct Log : Unary<UnaryOp::Log, Kind::real, Keep::input> {
  static constexpr auto name = "log";
  static constexpr bool loses_precision = true;
  // gx = gy / x
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / s[0]}; }
};
struct Log2 : Unary<UnaryOp::Log2, Kind::real, Keep::input> {
  static constexpr auto name = "log2";
  static constexpr bool loses_precision = true;
  // gx = gy / (x log(2))
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / (s[0] * log_of_2)}; }
};
struct Log10 : Unary<UnaryOp::Log10, Kind::real, Keep::input> {
  static constexpr auto name = "log10";
  static constexpr bool loses_precision = true;
  // gx = gy / (x log(10))
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / (s[0] * log_of_10)}; }
};
struct Log1p : Unary<UnaryOp::Log1p, Kind::real, Keep::input> {
  static constexpr auto name = "log1p";
  static constexpr bool loses_precision = true;
  // gx = gy / (x + 1)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / (s[0] + 1)}; }
};
struct Sin : Unary<UnaryOp::Sin, Kind::real, Keep::input> {
  static constexpr auto name = "sin";
  // gx = gy cos(x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0].cos()}; }
};
struct Cos : Unary<UnaryOp::Cos, Kind::real, Keep::input> {
  static constexpr auto name = "cos";
  // gx = -gy sin(x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {-gy * s[0].sin()}; }
};
struct Tan : Unary<UnaryOp::Tan, Kind::real, Keep::output> {
  static constexpr auto name = "tan";
  static constexpr bool loses_precision = true;
  // gx = gy (1 + y^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (s[0] * s[0] + 1)}; }
};
struct Asin : Unary<UnaryOp::Asin, Kind::real, Keep::input> {
  static constexpr auto name = "asin";
  static constexpr bool loses_precision = true;
  // gx = gy / sqrt(1 - x^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (1 - s[0] * s[0]).rsqrt()}; }
};
struct Acos : Unary<UnaryOp::Acos, Kind::real, Keep::input> {
  static constexpr auto name = "acos";
  static constexpr bool loses_precision = true;
  // gx = -gy / sqrt(1 - x^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {-gy * (1 - s[0] * s[0]).rsqrt()}; }
};
struct Atan : Unary<UnaryOp::Atan, Kind::real, Keep::input> {
  static constexpr auto name = "atan";
  // gx = gy / (1 + x^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / (s[0] * s[0] + 1)}; }
};
struct Sinh : Unary<UnaryOp::Sinh, Kind::real, Keep::input> {
  static constexpr auto name = "sinh";
  static constexpr bool loses_precision = true;
  // gx = gy cosh(x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0].cosh()}; }
};
struct Cosh : Unary<UnaryOp::Cosh, Kind::real, Keep::input> {
  static constexpr auto name = "cosh";
  static constexpr bool loses_precision = true;
  // gx = gy sinh(x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0].sinh()}; }
};
struct Erf : Unary<UnaryOp::Erf, Kind::real, Keep::input> {
  static constexpr auto name = "erf";
  // gx = gy 2 / sqrt(pi) e^(-x^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * ((s[0] * -s[0]).exp() * two_over_root_pi)}; }
};
struct Erfc : Unary<UnaryOp::Erfc, Kind::real, Keep::input> {
  static constexpr auto name = "erfc";
  // gx = -gy 2 / sqrt(pi) e^(-x^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    return {gy * ((s[0] * -s[0]).exp() * -two_over_root_pi)};
  }
};

// gx = gy (1 - y^2) in one pass; bilinear, so its own derivatives are simple.
struct TanhGrad {
  static constexpr auto name = "tanh_grad";
  Output forward(Forward& f, const Input& gy, const Input& y) const {
    f.save(gy, y);
    return binary(f, BinaryOp::TanhGrad, gy.scalar_type(), gy, y);
  }
  // ggy = g (1 - y^2); gy' = -2 g gy y
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    return {s.needs(0) ? apply(TanhGrad{}, g, s[1]) : Tensor(), s.needs(1) ? g * s[0] * s[1] * -2 : Tensor()};
  }
};
struct Tanh : Unary<UnaryOp::Tanh, Kind::real, Keep::output> {
  static constexpr auto name = "tanh";
  // gx = gy (1 - y^2)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(TanhGrad{}, gy, s[0])}; }
};

// gx = gy y (1 - y)
struct SigmoidGrad {
  static constexpr auto name = "sigmoid_grad";
  Output forward(Forward& f, const Input& gy, const Input& y) const {
    f.save(gy, y);
    return binary(f, BinaryOp::SigmoidGrad, gy.scalar_type(), gy, y);
  }
  // ggy = g y (1 - y); gy' = g gy (1 - 2 y)
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    return {s.needs(0) ? apply(SigmoidGrad{}, g, s[1]) : Tensor(), s.needs(1) ? g * s[0] * (1 - s[1] * 2) : Tensor()};
  }
};
struct Sigmoid : Unary<UnaryOp::Sigmoid, Kind::real, Keep::output> {
  static constexpr auto name = "sigmoid";
  // gx = gy y (1 - y)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {apply(SigmoidGrad{}, gy, s[0])}; }
};

}  // namespace

FULMEN_UNARY_FUNCTION(Exp, exp)
FULMEN_UNARY_FUNCTION(Exp2, exp2)
FULMEN_UNARY_FUNCTION(Expm1, expm1)
FULMEN_UNARY_FUNCTION(Log, log)
FULMEN_UNARY_FUNCTION(Log2, log2)
FULMEN_UNARY_FUNCTION(Log10, log10)
FULMEN_UNARY_FUNCTION(Log1p, log1p)
FULMEN_UNARY_FUNCTION(Sin, sin)
FULMEN_UNARY_FUNCTION(Cos, cos)
FULMEN_UNARY_FUNCTION(Tan, tan)
FULMEN_UNARY_FUNCTION(Asin, asin)
FULMEN_UNARY_FUNCTION(Acos, acos)
FULMEN_UNARY_FUNCTION(Atan, atan)
FULMEN_UNARY_FUNCTION(Sinh, sinh)
FULMEN_UNARY_FUNCTION(Cosh, cosh)
FULMEN_UNARY_FUNCTION(Erf, erf)
FULMEN_UNARY_FUNCTION(Erfc, erfc)
FULMEN_UNARY_FUNCTION(Tanh, tanh)
FULMEN_UNARY_FUNCTION(Sigmoid, sigmoid)

}  // namespace fulmen
