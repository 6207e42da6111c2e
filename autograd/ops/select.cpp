#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/views.h>

#include <limits>

namespace fulmen {

using namespace autograd;

namespace {

// y = condition ? a : b
struct Where {
  static constexpr auto name = "where";
  ScalarType type;
  Output forward(Forward& f, const Input& condition, const Input& a, const Input& b) const {
    Shape sizes = broadcast_shapes(condition.sizes(), broadcast_shapes(a.sizes(), b.sizes()));
    Output y = f.empty(sizes, type, a.device());
    kernel::where(f.launch(y), type, f.out(y), f.in(condition), f.in(a), f.in(b));
    f.save(condition);
    return y;
  }
  // ga = gy where the condition holds; gb = gy elsewhere
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Tensor condition = s[0];
    return {Tensor(), s.needs(1) ? where(condition, gy, Scalar(0.0)) : Tensor(),
            s.needs(2) ? where(condition, Scalar(0.0), gy) : Tensor()};
  }
};

// y = mask ? value : x, or the other way round
struct MaskedFill {
  static constexpr auto name = "masked_fill";
  ScalarType type;
  Scalar value;
  bool inverted = false;
  Output forward(Forward& f, const Input& x, const Input& mask) const {
    Output y = empty_broadcast(f, type, x, mask);
    kernel::masked_fill(f.launch(y), type, f.out(y), f.in(x), f.in(mask), number(value), inverted);
    f.save(mask);
    return y;
  }
  // gx = gy where x was taken
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {apply(MaskedFill{gy.scalar_type(), 0.0, inverted}, gy, s[0]), Tensor()};
  }
};

// y = min(max(x, low), high)
struct ClampNumbers {
  static constexpr auto name = "clamp";
  ScalarType type;
  std::optional<Scalar> low, high;
  Output forward(Forward& f, const Input& x) const {
    f.save(x);
    if (!low) return binary(f, BinaryOp::Minimum, type, x, *high);
    if (!high) return binary(f, BinaryOp::Maximum, type, x, *low);
    return unary(f, UnaryOp::Clamp, type, x, *low, *high);
  }
  // gx = gy where low <= x <= high
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0].detach();
    Tensor inside = !low ? x <= *high : !high ? x >= *low : (x >= *low).logical_and(x <= *high);
    return {where(inside, gy, Scalar(0.0))};
  }
};

struct ClampTensors {
  static constexpr auto name = "clamp";
  ScalarType type;
  Output forward(Forward& f, const Input& x, const Input& low, const Input& high) const {
    f.save(x, low, high);
    return ternary(f, TernaryOp::Clamp, type, x, low, high, 0);
  }
  // The gradient goes to whichever of the three is the result.
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0].detach(), low = s[1].detach(), high = s[2].detach();
    Scalar none(0.0);
    return {where((x >= low).logical_and(x <= high), gy, none), where((x < low).logical_and(low < high), gy, none),
            where((x > high).logical_or(high < low), gy, none)};
  }
};
struct ClampLimit {
  static constexpr auto name = "clamp";
  ScalarType type;
  bool upper;
  Output forward(Forward& f, const Input& x, const Input& limit) const {
    f.save(x, limit);
    return binary(f, upper ? BinaryOp::Minimum : BinaryOp::Maximum, type, x, limit);
  }
  // gx = gy where x is within the limit; glimit = gy elsewhere
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0].detach(), limit = s[1].detach(), inside = upper ? x <= limit : x >= limit;
    return {where(inside, gy, Scalar(0.0)), where(inside, Scalar(0.0), gy)};
  }
};

Tensor as_condition(const Tensor& t, const char* op) {
  FULMEN_CHECK(t.scalar_type() == kBool || t.scalar_type() == kByte, op,
               ": expected the condition to be a bool tensor; got ", t);
  return t;
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return apply(Where{result_type(a, b)}, as_condition(condition, "where"), beside(a, condition), beside(b, condition));
}
Tensor where(const Tensor& condition, const Tensor& a, const Scalar& b) {
  return apply(MaskedFill{result_type(a, b), b, true}, a, as_condition(condition, "where"));
}
Tensor where(const Tensor& condition, const Scalar& a, const Tensor& b) {
  return apply(MaskedFill{result_type(b, a), a, false}, b, as_condition(condition, "where"));
}
Tensor where(const Tensor& condition, const Scalar& a, const Scalar& b) {
  ScalarType type = a.isFloatingPoint() || b.isFloatingPoint() ? get_default_dtype()
                    : a.isBoolean() && b.isBoolean()           ? kBool
                                                               : kLong;
  return where(condition, full(condition.sizes(), a, TensorOptions(type).device(condition.device())), b);
}

Tensor clamp(const Tensor& x, const std::optional<Scalar>& min, const std::optional<Scalar>& max) {
  FULMEN_CHECK(min || max, "torch.clamp: At least one of 'min' or 'max' must not be None");
  ScalarType type = x.scalar_type();
  if (min) type = promote_types(type, result_type(x, *min));
  if (max) type = promote_types(type, result_type(x, *max));
  return apply(ClampNumbers{type, min, max}, x);
}
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max) {
  FULMEN_CHECK(min.defined() || max.defined(), "torch.clamp: At least one of 'min' or 'max' must not be None");
  if (!max.defined()) return clamp_min(x, min);
  if (!min.defined()) return clamp_max(x, max);
  return apply(ClampTensors{promote_types(result_type(x, min), result_type(x, max))}, x, min, max);
}
Tensor clamp_min(const Tensor& x, const Scalar& min) { return clamp(x, min, std::nullopt); }
Tensor clamp_max(const Tensor& x, const Scalar& max) { return clamp(x, std::nullopt, max); }
Tensor clamp_min(const Tensor& x, const Tensor& min) { return apply(ClampLimit{result_type(x, min), false}, x, min); }
Tensor clamp_max(const Tensor& x, const Tensor& max) { return apply(ClampLimit{result_type(x, max), true}, x, max); }

namespace {
Tensor as_mask(const Tensor& mask) {
  FULMEN_CHECK(mask.scalar_type() == kBool, "masked_fill only supports boolean masks, but got mask with dtype ",
               dtype_name(mask.scalar_type()));
  return mask;
}
void check_value_fits(const Tensor& x, const Scalar& value) {
  FULMEN_CHECK(!is_integral(x.scalar_type(), false) || !value.isFloatingPoint(), "value cannot be converted to type ",
               dtype_name(x.scalar_type()), " without overflow");
}
}  // namespace

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Scalar& value) {
  check_value_fits(x, value);
  return apply(MaskedFill{x.scalar_type(), value}, x, as_mask(mask));
}
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  FULMEN_CHECK(value.dim() == 0, "masked_fill only supports a 0-dimensional value tensor, but got tensor with ",
               value.dim(), " dimension(s).");
  return apply(Where{x.scalar_type()}, as_mask(mask), beside(value, x), x);
}
Tensor masked_select(const Tensor& x, const Tensor& mask) {
  FULMEN_CHECK(mask.scalar_type() == kBool, "masked_select: expected BoolTensor for mask");
  Shape sizes = broadcast_shapes(x.sizes(), mask.sizes());
  Tensor positions = nonzero(mask.expand(sizes).reshape({-1})).reshape({-1});
  return index_select(x.expand(sizes).reshape({-1}), 0, positions);
}

// --- members
// ----------------------------------------------------------------------------------------------------------

Tensor Tensor::where(const Tensor& condition, const Tensor& other) const {
  return fulmen::where(condition, *this, other);
}
Tensor Tensor::where(const Tensor& condition, const Scalar& other) const {
  return fulmen::where(condition, *this, other);
}
Tensor Tensor::clamp(const std::optional<Scalar>& min, const std::optional<Scalar>& max) const {
  return fulmen::clamp(*this, min, max);
}
Tensor Tensor::clamp(const Tensor& min, const Tensor& max) const { return fulmen::clamp(*this, min, max); }
Tensor Tensor::clamp_min(const Scalar& min) const { return fulmen::clamp_min(*this, min); }
Tensor Tensor::clamp_max(const Scalar& max) const { return fulmen::clamp_max(*this, max); }
Tensor& Tensor::clamp_(const std::optional<Scalar>& min, const std::optional<Scalar>& max) const {
  FULMEN_CHECK(min || max, "torch.clamp: At least one of 'min' or 'max' must not be None");
  return apply_inplace(ClampNumbers{scalar_type(), min, max}, *this);
}
Tensor& Tensor::clamp_min_(const Scalar& min) const { return clamp_(min, std::nullopt); }
Tensor& Tensor::clamp_max_(const Scalar& max) const { return clamp_(std::nullopt, max); }
Tensor Tensor::masked_fill(const Tensor& mask, const Scalar& value) const {
  return fulmen::masked_fill(*this, mask, value);
}
Tensor Tensor::masked_fill(const Tensor& mask, const Tensor& value) const {
  return fulmen::masked_fill(*this, mask, value);
}
Tensor& Tensor::masked_fill_(const Tensor& mask, const Scalar& value) const {
  check_value_fits(*this, value);
  return apply_inplace(MaskedFill{scalar_type(), value}, *this, as_mask(mask));
}
Tensor Tensor::masked_select(const Tensor& mask) const { return fulmen::masked_select(*this, mask); }

}  // namespace fulmen
