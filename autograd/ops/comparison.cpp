#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/elementwise.h>

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

Tensor Tensor::logical_and(const Tensor& other) const { return fulmen::logical_and(*this, other); }
Tensor Tensor::logical_or(const Tensor& other) const { return fulmen::logical_or(*this, other); }
Tensor Tensor::logical_xor(const Tensor& other) const { return fulmen::logical_xor(*this, other); }
Tensor Tensor::logical_not() const { return fulmen::logical_not(*this); }
Tensor Tensor::bitwise_and(const Tensor& other) const { return fulmen::bitwise_and(*this, other); }
Tensor Tensor::bitwise_or(const Tensor& other) const { return fulmen::bitwise_or(*this, other); }
Tensor Tensor::bitwise_xor(const Tensor& other) const { return fulmen::bitwise_xor(*this, other); }

}  // namespace fulmen
