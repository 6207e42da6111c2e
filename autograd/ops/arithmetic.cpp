#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/unary.h>

namespace fulmen {

using namespace autograd;

namespace {

// y = a + alpha * b
struct Add {
  static constexpr auto name = "add";
  ScalarType type;
  Scalar alpha = 1;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    bool plain = alpha.equal(1);
    return binary(f, plain ? BinaryOp::Add : BinaryOp::AddScaled, type, a, b, alpha);
  }
  // ga = gy; gb = alpha * gy
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {gy, alpha.equal(1) || !s.needs(1) ? gy : gy * alpha};
  }
};
struct AddNumber {
  static constexpr auto name = "add";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const { return binary(f, BinaryOp::Add, type, x, c); }
  // gx = gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy}; }
};

// y = a - b
struct Sub {
  static constexpr auto name = "sub";
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const { return binary(f, BinaryOp::Sub, type, a, b); }
  // ga = gy; gb = -gy
  Grads<2> backward(const Saved& s, const Tensor& gy) const { return {gy, s.needs(1) ? -gy : Tensor()}; }
};
struct SubNumber {
  static constexpr auto name = "sub";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const { return binary(f, BinaryOp::Sub, type, x, c); }
  // gx = gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy}; }
};
// y = c - x
struct RsubNumber {
  static constexpr auto name = "rsub";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const { return binary(f, BinaryOp::Sub, type, x, c, true); }
  // gx = -gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {-gy}; }
};

// y = a * b
struct Mul {
  static constexpr auto name = "mul";
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    save_factors(f, a, b);
    return binary(f, BinaryOp::Mul, type, a, b);
  }
  // ga = gy * b; gb = gy * a
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {s.needs(0) ? gy * s[1] : Tensor(), s.needs(1) ? gy * s[0] : Tensor()};
  }
};
struct MulNumber {
  static constexpr auto name = "mul";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const { return binary(f, BinaryOp::Mul, type, x, c); }
  // gx = gy * c
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy * c}; }
};

// y = a / b
struct Div {
  static constexpr auto name = "div";
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    const Input none{Tensor()};
    f.save(b.requires_grad() ? a : none, b);
    return binary(f, BinaryOp::Div, type, a, b);
  }
  // ga = gy / b; gb = -gy * a / b / b
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Tensor b = s[1];
    return {s.needs(0) ? gy / b : Tensor(), s.needs(1) ? -gy * (s[0] / b / b) : Tensor()};
  }
};
struct DivNumber {
  static constexpr auto name = "div";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const { return binary(f, BinaryOp::Div, type, x, c); }
  // gx = gy / c
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy / c}; }
};
// y = c / x
struct RdivNumber {
  static constexpr auto name = "rdiv";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    return binary(f, BinaryOp::Div, type, x, c, true);
  }
  // gx = -gy * c / x^2
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0];
    return {-gy * (c / x / x)};
  }
};

// The common dtype, checked against what the number or alpha asks for.
template <class B>
ScalarType sum_type(const Tensor& a, const B& b, const Scalar& alpha) {
  ScalarType type = result_type(a, b);
  FULMEN_CHECK(!alpha.isBoolean() || type == kBool, "Boolean alpha only supported for Boolean results.");
  FULMEN_CHECK(is_floating_point(type) || !alpha.isFloatingPoint(),
               "For integral input tensors, argument alpha must not be a floating point number.");
  return type;
}
bool is_bool(const Tensor& t) { return t.scalar_type() == kBool; }
bool is_bool(const Scalar& s) { return s.isBoolean(); }
template <class B>
ScalarType difference_type(const Tensor& a, const B& b, const Scalar& alpha) {
  ScalarType type = sum_type(a, b, alpha);
  if (is_bool(a) || is_bool(b)) [[unlikely]] {
    FULMEN_CHECK(
        !(is_bool(a) && is_bool(b)),
        "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
        "operator instead.");
    fail(
        "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
        "the "
        "`~` or `logical_not()` operator instead.");
  }
  return type;
}
// alpha * c, exact for integers.
Scalar scaled(const Scalar& alpha, const Scalar& c) {
  if (alpha.equal(1)) return c;
  if (alpha.isFloatingPoint() || c.isFloatingPoint()) return alpha.toDouble() * c.toDouble();
  return static_cast<int64_t>(static_cast<uint64_t>(alpha.toLong()) * static_cast<uint64_t>(c.toLong()));
}
template <class B>
ScalarType quotient_type(const Tensor& a, const B& b) {
  return floating_type(result_type(a, b));
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  return apply(Add{sum_type(a, b, alpha), alpha}, a, b);
}
Tensor add(const Tensor& a, const Scalar& b, const Scalar& alpha) {
  return apply(AddNumber{sum_type(a, b, alpha), scaled(alpha, b)}, a);
}
Tensor sub(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  ScalarType type = difference_type(a, b, alpha);
  return alpha.equal(1) ? apply(Sub{type}, a, b) : apply(Add{type, -alpha}, a, b);
}
Tensor sub(const Tensor& a, const Scalar& b, const Scalar& alpha) {
  return apply(SubNumber{difference_type(a, b, alpha), scaled(alpha, b)}, a);
}
Tensor rsub(const Tensor& a, const Tensor& b, const Scalar& alpha) { return sub(b, a, alpha); }
Tensor rsub(const Tensor& a, const Scalar& b, const Scalar& alpha) {
  ScalarType type = difference_type(a, b, alpha);
  return apply(RsubNumber{type, b}, alpha.equal(1) ? a : mul(a, alpha));
}
Tensor mul(const Tensor& a, const Tensor& b) { return apply(Mul{result_type(a, b)}, a, b); }
Tensor mul(const Tensor& a, const Scalar& b) { return apply(MulNumber{result_type(a, b), b}, a); }
Tensor div(const Tensor& a, const Tensor& b) { return apply(Div{quotient_type(a, b)}, a, b); }
Tensor div(const Tensor& a, const Scalar& b) { return apply(DivNumber{quotient_type(a, b), b}, a); }
Tensor operator/(const Scalar& a, const Tensor& b) { return apply(RdivNumber{quotient_type(b, a), a}, b); }

// --- members
// ----------------------------------------------------------------------------------------------------------

Tensor Tensor::add(const Tensor& other, const Scalar& alpha) const { return fulmen::add(*this, other, alpha); }
Tensor Tensor::add(const Scalar& other, const Scalar& alpha) const { return fulmen::add(*this, other, alpha); }
Tensor& Tensor::add_(const Tensor& other, const Scalar& alpha) const {
  return apply_inplace(Add{sum_type(*this, other, alpha), alpha}, *this, other);
}
Tensor& Tensor::add_(const Scalar& other, const Scalar& alpha) const {
  return apply_inplace(AddNumber{sum_type(*this, other, alpha), scaled(alpha, other)}, *this);
}
Tensor Tensor::sub(const Tensor& other, const Scalar& alpha) const { return fulmen::sub(*this, other, alpha); }
Tensor Tensor::sub(const Scalar& other, const Scalar& alpha) const { return fulmen::sub(*this, other, alpha); }
Tensor& Tensor::sub_(const Tensor& other, const Scalar& alpha) const {
  ScalarType type = difference_type(*this, other, alpha);
  return alpha.equal(1) ? apply_inplace(Sub{type}, *this, other) : apply_inplace(Add{type, -alpha}, *this, other);
}
Tensor& Tensor::sub_(const Scalar& other, const Scalar& alpha) const {
  return apply_inplace(SubNumber{difference_type(*this, other, alpha), scaled(alpha, other)}, *this);
}
Tensor Tensor::mul(const Tensor& other) const { return fulmen::mul(*this, other); }
Tensor Tensor::mul(const Scalar& other) const { return fulmen::mul(*this, other); }
Tensor& Tensor::mul_(const Tensor& other) const { return apply_inplace(Mul{result_type(*this, other)}, *this, other); }
Tensor& Tensor::mul_(const Scalar& other) const {
  return apply_inplace(MulNumber{result_type(*this, other), other}, *this);
}
Tensor Tensor::div(const Tensor& other) const { return fulmen::div(*this, other); }
Tensor Tensor::div(const Scalar& other) const { return fulmen::div(*this, other); }
Tensor& Tensor::div_(const Tensor& other) const {
  return apply_inplace(Div{quotient_type(*this, other)}, *this, other);
}
Tensor& Tensor::div_(const Scalar& other) const {
  return apply_inplace(DivNumber{quotient_type(*this, other), other}, *this);
}
Tensor Tensor::operator-() const { return fulmen::neg(*this); }

}  // namespace fulmen
