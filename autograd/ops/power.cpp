#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/unary.h>

// Powers, the larger and the smaller of two, angles, and products or ends added in one pass.
namespace fulmen {

using namespace autograd;

namespace {

// y = x^c
struct PowNumber {
  static constexpr auto name = "pow";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    double e = c.toDouble();
    if (e == 2) return unary(f, UnaryOp::Square, type, x);
    if (e == 3) return unary(f, UnaryOp::Cube, type, x);
    if (is_floating_point(type)) {
      if (e == 0.5) return unary(f, UnaryOp::Sqrt, type, x);
      if (e == -0.5) return unary(f, UnaryOp::Rsqrt, type, x);
      if (e == -1) return unary(f, UnaryOp::Reciprocal, type, x);
    }
    return binary(f, BinaryOp::Pow, type, x, c);
  }
  // gx = gy c x^(c - 1), 0 for c = 0
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    double e = c.toDouble();
    if (e == 0) return {zeros_like(gy)};
    if (e == 1) return {gy};
    if (e == 2) return {gy * (s[0] * 2)};
    return {gy * (pow(s[0], Scalar(e - 1)) * e)};
  }
};

// gy y log(base), 0 where the base is 0 and the exponent not negative: there y does not depend on the exponent
Tensor exponent_gradient(const Tensor& gy, const Tensor& y, const Tensor& base, const Tensor& exponent) {
  Tensor fixed = base.detach().eq(0).logical_and(exponent.detach().ge(0));
  return gy * where(fixed, Scalar(0.0), y * base.log());
}

// y = a^b
struct Pow {
  static constexpr auto name = "pow";
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    Output y = binary(f, BinaryOp::Pow, type, a, b);
    f.save(a, b, y);
    return y;
  }
  // ga = gy b a^(b - 1), 0 for b = 0; gb = gy y log(a)
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Tensor a = s[0], b = s[1];
    Tensor ga = s.needs(0) ? gy * where(b.detach().eq(0), Scalar(0.0), b * pow(a, b - 1)) : Tensor();
    return {ga, s.needs(1) ? exponent_gradient(gy, s[2], a, b) : Tensor()};
  }
};

// y = c^x
struct NumberPow {
  static constexpr auto name = "pow";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const {
    Output y = binary(f, BinaryOp::Pow, type, x, c, true);
    f.save(x, y);
    return y;
  }
  // gx = gy y log(c)
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor base = full({}, c.toDouble(), TensorOptions(gy.scalar_type()).device(gy.device()));
    return {exponent_gradient(gy, s[1], base, s[0])};
  }
};

// The larger (or smaller); where both are equal each side gets half.
template <BinaryOp op>
struct Extreme {
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    f.save(a, b);
    return binary(f, op, type, a, b);
  }
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Tensor a = s[0].detach(), b = s[1].detach();
    if (op == BinaryOp::Minimum) std::swap(a, b);  // where the other one is larger
    Tensor shared = where(a.eq(b), gy / 2, gy);
    return {where(a.lt(b), Scalar(0.0), shared), where(a.gt(b), Scalar(0.0), shared)};
  }
};
struct Maximum : Extreme<BinaryOp::Maximum> {
  static constexpr auto name = "maximum";
};
struct Minimum : Extreme<BinaryOp::Minimum> {
  static constexpr auto name = "minimum";
};

struct Atan2 {
  static constexpr auto name = "atan2";
  ScalarType type;
  Output forward(Forward& f, const Input& y, const Input& x) const {
    f.save(y, x);
    return binary(f, BinaryOp::Atan2, type, y, x);
  }
  // gy' = g x / (x^2 + y^2); gx = -g y / (x^2 + y^2)
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor y = s[0], x = s[1], scaled = g / (x * x + y * y);
    return {s.needs(0) ? scaled * x : Tensor(), s.needs(1) ? scaled * -y : Tensor()};
  }
};

// y = x + value a b
struct Addcmul {
  static constexpr auto name = "addcmul";
  ScalarType type;
  Scalar value;
  Output forward(Forward& f, const Input& x, const Input& a, const Input& b) const {
    f.save(a, b);
    return ternary(f, TernaryOp::Addcmul, type, x, a, b, value);
  }
  // gx = gy; ga = gy value b; gb = gy value a
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    return {gy, s.needs(1) ? gy * (s[1] * value) : Tensor(), s.needs(2) ? gy * (s[0] * value) : Tensor()};
  }
};
// y = x + value a / b
struct Addcdiv {
  static constexpr auto name = "addcdiv";
  ScalarType type;
  Scalar value;
  Output forward(Forward& f, const Input& x, const Input& a, const Input& b) const {
    f.save(a, b);
    return ternary(f, TernaryOp::Addcdiv, type, x, a, b, value);
  }
  // gx = gy; ga = gy value / b; gb = -gy value a / b^2
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Tensor b = s[1];
    return {gy, s.needs(1) ? gy * (value / b) : Tensor(), s.needs(2) ? -gy * (s[0] * value / (b * b)) : Tensor()};
  }
};

// y = start + w (end - start)
struct Lerp {
  static constexpr auto name = "lerp";
  ScalarType type;
  Output forward(Forward& f, const Input& start, const Input& end, const Input& w) const {
    f.save(start, end, w);
    return ternary(f, TernaryOp::Lerp, type, start, end, w, 0);
  }
  // gstart = gy (1 - w); gend = gy w; gw = gy (end - start)
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    return {s.needs(0) ? gy * (1 - s[2]) : Tensor(), s.needs(1) ? gy * s[2] : Tensor(),
            s.needs(2) ? gy * (s[1] - s[0]) : Tensor()};
  }
};

ScalarType three_types(const Tensor& a, const Tensor& b, const Tensor& c) {
  return promote_types(result_type(a, b), result_type(a, c));
}
void check_same_dtype(const Tensor& start, const Tensor& end) {
  FULMEN_CHECK(start.scalar_type() == end.scalar_type(), "expected dtype ", dtype_name(start.scalar_type()),
               " for `end` but got dtype ", dtype_name(end.scalar_type()));
  FULMEN_CHECK(start.is_floating_point(), "\"lerp_kernel_scalar\" not implemented for '",
               to_string(start.scalar_type()), "'");
}
ScalarType ratio_type(const Tensor& x, const Tensor& a, const Tensor& b) {
  ScalarType type = three_types(x, a, b);
  FULMEN_CHECK(
      is_floating_point(type),
      "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true "
      "division of tensor1 and tensor2. Convert the inputs to a floating-point dtype first.");
  return type;
}
template <class B>
ScalarType power_type(const Tensor& a, const B& b) {
  ScalarType type = result_type(a, b);
  FULMEN_CHECK(type != kBool, "pow: not defined for bool; convert the operands first");
  return type;
}
ScalarType number_power_type(const Tensor& x, const Scalar& exponent) {
  FULMEN_CHECK(is_floating_point(result_type(x, exponent)) || exponent.toLong() >= 0,
               "Integers to negative integer powers are not allowed.");
  return power_type(x, exponent);
}

}  // namespace

Tensor pow(const Tensor& base, const Tensor& exponent) {
  if (autocast::applies(autocast::wide_on_cuda, base)) {
    return autocast::recast(
        autocast::wide_on_cuda, [&](const Tensor& b, const Tensor& e) { return pow(b, e); }, base, exponent);
  }
  return apply(Pow{power_type(base, exponent)}, base, exponent);
}
Tensor pow(const Tensor& base, const Scalar& exponent) {
  if (autocast::applies(autocast::wide_on_cuda, base)) {
    return autocast::recast(
        autocast::wide_on_cuda, [&](const Tensor& b) { return pow(b, exponent); }, base);
  }
  return apply(PowNumber{number_power_type(base, exponent), exponent}, base);
}
Tensor pow(const Scalar& base, const Tensor& exponent) {
  if (autocast::applies(autocast::wide_on_cuda, exponent)) {
    return autocast::recast(
        autocast::wide_on_cuda, [&](const Tensor& e) { return pow(base, e); }, exponent);
  }
  return apply(NumberPow{power_type(exponent, base), base}, exponent);
}
Tensor maximum(const Tensor& a, const Tensor& b) { return apply(Maximum{{result_type(a, b)}}, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply(Minimum{{result_type(a, b)}}, a, b); }
Tensor atan2(const Tensor& y, const Tensor& x) { return apply(Atan2{floating_type(result_type(y, x))}, y, x); }
Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value) {
  return apply(Addcmul{three_types(x, a, b), value}, x, a, b);
}
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value) {
  return apply(Addcdiv{ratio_type(x, a, b), value}, x, a, b);
}
Tensor lerp(const Tensor& start, const Tensor& end, const Scalar& weight) {
  return lerp(start, end, full({}, weight, start.options()));
}
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  check_same_dtype(start, end);
  return apply(Lerp{start.scalar_type()}, start, end, weight);
}

Tensor Tensor::pow(const Tensor& exponent) const { return fulmen::pow(*this, exponent); }
Tensor Tensor::pow(const Scalar& exponent) const { return fulmen::pow(*this, exponent); }
Tensor& Tensor::pow_(const Scalar& exponent) const {
  return apply_inplace(PowNumber{number_power_type(*this, exponent), exponent}, *this);
}
Tensor Tensor::maximum(const Tensor& other) const { return fulmen::maximum(*this, other); }
Tensor Tensor::minimum(const Tensor& other) const { return fulmen::minimum(*this, other); }
Tensor Tensor::atan2(const Tensor& other) const { return fulmen::atan2(*this, other); }
Tensor Tensor::addcmul(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return fulmen::addcmul(*this, a, b, value);
}
Tensor& Tensor::addcmul_(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return apply_inplace(Addcmul{three_types(*this, a, b), value}, *this, a, b);
}
Tensor Tensor::addcdiv(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return fulmen::addcdiv(*this, a, b, value);
}
Tensor& Tensor::addcdiv_(const Tensor& a, const Tensor& b, const Scalar& value) const {
  return apply_inplace(Addcdiv{ratio_type(*this, a, b), value}, *this, a, b);
}
Tensor Tensor::lerp(const Tensor& end, const Scalar& weight) const { return fulmen::lerp(*this, end, weight); }
Tensor Tensor::lerp(const Tensor& end, const Tensor& weight) const { return fulmen::lerp(*this, end, weight); }

}  // namespace fulmen
