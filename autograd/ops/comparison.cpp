#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/unary.h>

#include <limits>

namespace fulmen {

using namespace autograd;

namespace {

// y = f(a, b)
template <CompareOp op>
struct Compare {
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& a, const Input& b) const { return compare(f, op, a, b); }
};
template <CompareOp op>
struct CompareNumber {
  static constexpr bool differentiable = false;
  Scalar c;
  Output forward(Forward& f, const Input& x) const { return compare(f, op, x, c); }
};

#define FULMEN_COMPARISON(Name, function)                                                       \
  Tensor function(const Tensor& a, const Tensor& b) { return apply(Name{}, a, b); }             \
  Tensor function(const Tensor& a, const Scalar& b) { return apply(Name##Number{{b}}, a); }     \
  Tensor Tensor::function(const Tensor& other) const { return fulmen::function(*this, other); } \
  Tensor Tensor::function(const Scalar& other) const { return fulmen::function(*this, other); }

struct Eq : Compare<CompareOp::Eq> {
  static constexpr auto name = "eq";
};
struct EqNumber : CompareNumber<CompareOp::Eq> {
  static constexpr auto name = "eq";
};
struct Ne : Compare<CompareOp::Ne> {
  static constexpr auto name = "ne";
};
struct NeNumber : CompareNumber<CompareOp::Ne> {
  static constexpr auto name = "ne";
};
struct Lt : Compare<CompareOp::Lt> {
  static constexpr auto name = "lt";
};
struct LtNumber : CompareNumber<CompareOp::Lt> {
  static constexpr auto name = "lt";
};
struct Le : Compare<CompareOp::Le> {
  static constexpr auto name = "le";
};
struct LeNumber : CompareNumber<CompareOp::Le> {
  static constexpr auto name = "le";
};
struct Gt : Compare<CompareOp::Gt> {
  static constexpr auto name = "gt";
};
struct GtNumber : CompareNumber<CompareOp::Gt> {
  static constexpr auto name = "gt";
};
struct Ge : Compare<CompareOp::Ge> {
  static constexpr auto name = "ge";
};
struct GeNumber : CompareNumber<CompareOp::Ge> {
  static constexpr auto name = "ge";
};
struct LogicalAnd : Compare<CompareOp::LogicalAnd> {
  static constexpr auto name = "logical_and";
};
struct LogicalOr : Compare<CompareOp::LogicalOr> {
  static constexpr auto name = "logical_or";
};
struct LogicalXor : Compare<CompareOp::LogicalXor> {
  static constexpr auto name = "logical_xor";
};

template <BinaryOp op>
struct Bitwise {
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    ScalarType type = result_type(a, b);
    FULMEN_CHECK(is_integral(type, true), "bitwise operations are not defined for ", dtype_name(type),
                 "; they take integers and bool");
    return binary(f, op, type, a, b);
  }
};
struct BitwiseAnd : Bitwise<BinaryOp::BitwiseAnd> {
  static constexpr auto name = "bitwise_and";
};
struct BitwiseOr : Bitwise<BinaryOp::BitwiseOr> {
  static constexpr auto name = "bitwise_or";
};
struct BitwiseXor : Bitwise<BinaryOp::BitwiseXor> {
  static constexpr auto name = "bitwise_xor";
};

struct BitwiseNot {
  static constexpr auto name = "bitwise_not";
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& x) const {
    FULMEN_CHECK(is_integral(x.scalar_type(), true), "bitwise operations are not defined for ",
                 dtype_name(x.scalar_type()), "; they take integers and bool");
    return unary(f, UnaryOp::BitwiseNot, x.scalar_type(), x);
  }
};

}  // namespace

FULMEN_COMPARISON(Eq, eq)
FULMEN_COMPARISON(Ne, ne)
FULMEN_COMPARISON(Lt, lt)
FULMEN_COMPARISON(Le, le)
FULMEN_COMPARISON(Gt, gt)
FULMEN_COMPARISON(Ge, ge)
#undef FULMEN_COMPARISON

Tensor logical_and(const Tensor& a, const Tensor& b) { return apply(LogicalAnd{}, a, b); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return apply(LogicalOr{}, a, b); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return apply(LogicalXor{}, a, b); }
Tensor logical_not(const Tensor& x) { return eq(x, 0); }
Tensor bitwise_and(const Tensor& a, const Tensor& b) { return apply(BitwiseAnd{}, a, b); }
Tensor bitwise_or(const Tensor& a, const Tensor& b) { return apply(BitwiseOr{}, a, b); }
Tensor bitwise_xor(const Tensor& a, const Tensor& b) { return apply(BitwiseXor{}, a, b); }

Tensor bitwise_not(const Tensor& x) { return apply(BitwiseNot{}, x); }

Tensor isnan(const Tensor& x) { return ne(x, x); }
Tensor isinf(const Tensor& x) {
  if (!x.is_floating_point()) return zeros_like(x, kBool);
  return eq(x.detach().abs(), std::numeric_limits<double>::infinity());
}
Tensor isfinite(const Tensor& x) {
  if (!x.is_floating_point()) return ones_like(x, kBool);
  return lt(x.detach().abs(), std::numeric_limits<double>::infinity());
}

Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  FULMEN_CHECK(a.scalar_type() == b.scalar_type(), to_string(a.scalar_type()), " did not match ",
               to_string(b.scalar_type()));
  FULMEN_CHECK(rtol >= 0, "rtol must be greater than or equal to zero, but got ", rtol);
  FULMEN_CHECK(atol >= 0, "atol must be greater than or equal to zero, but got ", atol);
  NoGradGuard no_grad;
  Tensor close = eq(a, b);
  if (equal_nan && a.is_floating_point()) close = logical_or(close, logical_and(isnan(a), isnan(b)));
  if (rtol == 0 && atol == 0) return close;
  // Integers are compared in double: their differences may not fit.
  Tensor x = a.is_floating_point() ? a : a.to(kDouble), y = b.is_floating_point() ? b : b.to(kDouble);
  Tensor distance = sub(x, y).abs(), allowed = y.abs().mul(rtol).add(atol);
  return logical_or(close, logical_and(isfinite(distance), le(distance, allowed)));
}
bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  return isclose(a, b, rtol, atol, equal_nan).all().item<bool>();
}
bool equal(const Tensor& a, const Tensor& b) {
  FULMEN_CHECK(a.device() == b.device(),
               "Expected all tensors to be on the same device, but found at least two devices, ", a.device(), " and ",
               b.device(), "!");
  return a.sizes() == b.sizes() && eq(a, b).all().item<bool>();
}

Tensor Tensor::bitwise_not() const { return fulmen::bitwise_not(*this); }
Tensor Tensor::isnan() const { return fulmen::isnan(*this); }
Tensor Tensor::isinf() const { return fulmen::isinf(*this); }
Tensor Tensor::isfinite() const { return fulmen::isfinite(*this); }
Tensor Tensor::isclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return fulmen::isclose(*this, other, rtol, atol, equal_nan);
}
bool Tensor::allclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return fulmen::allclose(*this, other, rtol, atol, equal_nan);
}
bool Tensor::equal(const Tensor& other) const { return fulmen::equal(*this, other); }
Tensor Tensor::logical_and(const Tensor& other) const { return fulmen::logical_and(*this, other); }
Tensor Tensor::logical_or(const Tensor& other) const { return fulmen::logical_or(*this, other); }
Tensor Tensor::logical_xor(const Tensor& other) const { return fulmen::logical_xor(*this, other); }
Tensor Tensor::logical_not() const { return fulmen::logical_not(*this); }
Tensor Tensor::bitwise_and(const Tensor& other) const { return fulmen::bitwise_and(*this, other); }
Tensor Tensor::bitwise_or(const Tensor& other) const { return fulmen::bitwise_or(*this, other); }
Tensor Tensor::bitwise_xor(const Tensor& other) const { return fulmen::bitwise_xor(*this, other); }

}  // namespace fulmen
