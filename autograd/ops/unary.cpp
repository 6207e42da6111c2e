#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/unary_op.h>

// Sign, rounding, powers and roots of one tensor.
namespace fulmen {

using namespace autograd;

namespace {

struct Neg {
  static constexpr auto name = "neg";
  Output forward(Forward& f, const Input& x) const {
    FULMEN_CHECK(
        x.scalar_type() != kBool,
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
        "the `~` or `logical_not()` operator instead.");
    return unary(f, UnaryOp::Neg, x.scalar_type(), x);
  }
  // gx = -gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {-gy}; }
};

/// Integers are whole already.
template <UnaryOp op>
struct Rounding {
  Output forward(Forward& f, const Input& x) const {
    FULMEN_CHECK(x.scalar_type() != kBool, "rounding is not defined for bool");
    if (x.is_floating_point()) return unary(f, op, x.scalar_type(), x);
    return binary(f, BinaryOp::Add, x.scalar_type(), x, Scalar(0));
  }
  // gx = 0
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {zeros_like(gy)}; }
};

struct Abs : Unary<UnaryOp::Abs, Kind::number, Keep::input> {
  static constexpr auto name = "abs";
  // gx = gy sign(x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * s[0].sign()}; }
};
struct Sign : Unary<UnaryOp::Sign, Kind::any, Keep::nothing> {
  static constexpr auto name = "sign";
  // gx = 0
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {zeros_like(gy)}; }
};
struct Floor : Rounding<UnaryOp::Floor> {
  static constexpr auto name = "floor";
};
struct Ceil : Rounding<UnaryOp::Ceil> {
  static constexpr auto name = "ceil";
};
struct Round : Rounding<UnaryOp::Round> {
  static constexpr auto name = "round";
};
struct Trunc : Rounding<UnaryOp::Trunc> {
  static constexpr auto name = "trunc";
};
struct Frac : Unary<UnaryOp::Frac, Kind::real, Keep::nothing> {
  static constexpr auto name = "frac";
  // gx = gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy}; }
};
struct Square {
  static constexpr auto name = "square";
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return unary(f, UnaryOp::Square, x.scalar_type() == kBool ? kLong : x.scalar_type(), x);
  }
  // gx = 2 gy x
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (s[0] * 2)}; }
};
struct Reciprocal : Unary<UnaryOp::Reciprocal, Kind::real, Keep::output> {
  static constexpr auto name = "reciprocal";
  static constexpr bool loses_precision = true;
  // gx = -gy y^2
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {-gy * (s[0] * s[0])}; }
};
struct Sqrt : Unary<UnaryOp::Sqrt, Kind::real, Keep::output> {
  static constexpr auto name = "sqrt";
  // gx = gy / (2 y)
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy / (s[0] * 2)}; }
};
struct Rsqrt : Unary<UnaryOp::Rsqrt, Kind::real, Keep::output> {
  static constexpr auto name = "rsqrt";
  static constexpr bool loses_precision = true;
  // gx = -gy y^3 / 2
  Grads<1> backward(const Saved& s, const Tensor& gy) const { return {gy * (s[0].pow(3) * -0.5)}; }
};

}  // namespace

FULMEN_UNARY_FUNCTION(Neg, neg)
FULMEN_UNARY_FUNCTION(Abs, abs)
FULMEN_UNARY_FUNCTION(Sign, sign)
FULMEN_UNARY_FUNCTION(Floor, floor)
FULMEN_UNARY_FUNCTION(Ceil, ceil)
FULMEN_UNARY_FUNCTION(Round, round)
FULMEN_UNARY_FUNCTION(Trunc, trunc)
FULMEN_UNARY_FUNCTION(Frac, frac)
FULMEN_UNARY_FUNCTION(Square, square)
FULMEN_UNARY_FUNCTION(Reciprocal, reciprocal)
FULMEN_UNARY_FUNCTION(Sqrt, sqrt)
FULMEN_UNARY_FUNCTION(Rsqrt, rsqrt)

}  // namespace fulmen
