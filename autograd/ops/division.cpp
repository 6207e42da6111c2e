#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/unary.h>

// Division that rounds, and remainders.
namespace fulmen {

using namespace autograd;

namespace {

// Integers have no infinity to give.
void refuse_zero(ScalarType type, const Tensor& b) {
  if (!is_floating_point(type)) FULMEN_CHECK(!b.eq(0).any().item<bool>(), "ZeroDivisionError");
}
void refuse_zero(ScalarType type, const Scalar& b) {
  if (!is_floating_point(type)) FULMEN_CHECK(b.toBool(), "ZeroDivisionError");
}

/// y = round(a / b): constant wherever it has a derivative.
template <BinaryOp op>
struct RoundedDiv {
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    refuse_zero(type, b);
    return binary(f, op, type, a, b);
  }
  // ga = gb = 0
  Grads<2> backward(const Saved&, const Tensor& gy) const { return {zeros_like(gy), zeros_like(gy)}; }
};
struct FloorDiv : RoundedDiv<BinaryOp::DivFloor> {
  static constexpr auto name = "div_floor";
};
struct TruncDiv : RoundedDiv<BinaryOp::DivTrunc> {
  static constexpr auto name = "div_trunc";
};
template <BinaryOp op>
struct RoundedDivNumber {
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const {
    refuse_zero(type, c);
    return binary(f, op, type, x, c);
  }
  // gx = 0
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {zeros_like(gy)}; }
};
struct FloorDivNumber : RoundedDivNumber<BinaryOp::DivFloor> {
  static constexpr auto name = "div_floor";
};
struct TruncDivNumber : RoundedDivNumber<BinaryOp::DivTrunc> {
  static constexpr auto name = "div_trunc";
};

// y = a - b floor(a / b)
struct Remainder {
  static constexpr auto name = "remainder";
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    refuse_zero(type, b);
    f.save(a, b);
    return binary(f, BinaryOp::Remainder, type, a, b);
  }
  // ga = gy; gb = -gy floor(a / b)
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {gy, s.needs(1) ? -gy * div(s[0].detach(), s[1].detach(), "floor") : Tensor()};
  }
};
struct RemainderNumber {
  static constexpr auto name = "remainder";
  ScalarType type;
  Scalar c;
  bool reversed = false;
  Output forward(Forward& f, const Input& x) const {
    if (!reversed) refuse_zero(type, c);
    f.save(x);
    return binary(f, BinaryOp::Remainder, type, x, c, reversed);
  }
  // gx = gy; as the divisor: gx = -gy floor(c / x)
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    return {reversed ? -gy * (c / s[0].detach()).floor() : gy};
  }
};

// y = a - b trunc(a / b)
struct Fmod {
  static constexpr auto name = "fmod";
  ScalarType type;
  Output forward(Forward& f, const Input& a, const Input& b) const {
    refuse_zero(type, b);
    f.save(a, b);
    return binary(f, BinaryOp::Fmod, type, a, b);
  }
  // ga = gy; gb = -gy trunc(a / b)
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {gy, s.needs(1) ? -gy * div(s[0].detach(), s[1].detach(), "trunc") : Tensor()};
  }
};
struct FmodNumber {
  static constexpr auto name = "fmod";
  ScalarType type;
  Scalar c;
  Output forward(Forward& f, const Input& x) const {
    refuse_zero(type, c);
    return binary(f, BinaryOp::Fmod, type, x, c);
  }
  // gx = gy
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy}; }
};

template <class B>
ScalarType number_type(const Tensor& a, const B& b, const char* op) {
  ScalarType type = result_type(a, b);
  FULMEN_CHECK(type != kBool, "\"", op, "\" not implemented for 'Bool'");
  return type;
}

[[noreturn]] void unknown_mode(std::string_view mode) {
  fail(str("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", mode, "'"));
}

}  // namespace

Tensor div(const Tensor& a, const Tensor& b, std::optional<std::string_view> rounding_mode) {
  if (!rounding_mode) return div(a, b);
  ScalarType type = number_type(a, b, "div");
  if (*rounding_mode == "floor") return apply(FloorDiv{{type}}, a, b);
  if (*rounding_mode == "trunc") return apply(TruncDiv{{type}}, a, b);
  unknown_mode(*rounding_mode);
}
Tensor div(const Tensor& a, const Scalar& b, std::optional<std::string_view> rounding_mode) {
  if (!rounding_mode) return div(a, b);
  ScalarType type = number_type(a, b, "div");
  if (*rounding_mode == "floor") return apply(FloorDivNumber{{type, b}}, a);
  if (*rounding_mode == "trunc") return apply(TruncDivNumber{{type, b}}, a);
  unknown_mode(*rounding_mode);
}
Tensor floor_divide(const Tensor& a, const Tensor& b) { return div(a, b, "floor"); }
Tensor floor_divide(const Tensor& a, const Scalar& b) { return div(a, b, "floor"); }
Tensor remainder(const Tensor& a, const Tensor& b) {
  return apply(Remainder{number_type(a, b, "remainder_cpu")}, a, b);
}
Tensor remainder(const Tensor& a, const Scalar& b) {
  return apply(RemainderNumber{number_type(a, b, "remainder_cpu"), b}, a);
}
Tensor remainder(const Scalar& a, const Tensor& b) {
  ScalarType type = number_type(b, a, "remainder_cpu");
  refuse_zero(type, b);
  return apply(RemainderNumber{type, a, true}, b);
}
Tensor fmod(const Tensor& a, const Tensor& b) { return apply(Fmod{number_type(a, b, "fmod_cpu")}, a, b); }
Tensor fmod(const Tensor& a, const Scalar& b) { return apply(FmodNumber{number_type(a, b, "fmod_cpu"), b}, a); }

Tensor Tensor::div(const Tensor& other, std::optional<std::string_view> mode) const {
  return fulmen::div(*this, other, mode);
}
Tensor Tensor::div(const Scalar& other, std::optional<std::string_view> mode) const {
  return fulmen::div(*this, other, mode);
}
Tensor Tensor::floor_divide(const Tensor& other) const { return fulmen::floor_divide(*this, other); }
Tensor Tensor::floor_divide(const Scalar& other) const { return fulmen::floor_divide(*this, other); }
Tensor Tensor::remainder(const Tensor& other) const { return fulmen::remainder(*this, other); }
Tensor Tensor::remainder(const Scalar& other) const { return fulmen::remainder(*this, other); }
Tensor Tensor::fmod(const Tensor& other) const { return fulmen::fmod(*this, other); }
Tensor Tensor::fmod(const Scalar& other) const { return fulmen::fmod(*this, other); }

}  // namespace fulmen
