#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/unary.h>

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
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {neg(gy)}; }
};

}  // namespace

Tensor neg(const Tensor& x) { return apply(Neg{}, x); }
Tensor Tensor::neg() const { return fulmen::neg(*this); }
Tensor& Tensor::neg_() const { return apply_inplace(Neg{}, *this); }

}  // namespace fulmen
