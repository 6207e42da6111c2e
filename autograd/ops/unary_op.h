#pragma once
#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/elementwise.h>

// What functions of one tensor share. An op derives from Unary, gives its name and its rule, and FULMEN_UNARY_FUNCTION
// defines its public functions.
namespace fulmen::autograd {

/// Which dtypes a function takes: any; number (not bool); real (integers and bool are converted).
enum class Kind { any, number, real };
/// What the rule needs, as s[0]: at most one of both, or memory doubles.
enum class Keep { nothing, input, output };

template <UnaryOp op, Kind kind, Keep keep>
struct Unary {
  Output forward(Forward& f, const Input& x) const {
    if constexpr (kind == Kind::number) {
      FULMEN_CHECK(x.scalar_type() != kBool,
                   "this operation is not defined for bool tensors; convert x first: x.to(kFloat)");
    }
    Output y = unary(f, op, kind == Kind::real ? floating_type(x.scalar_type()) : x.scalar_type(), x);
    if constexpr (keep == Keep::input) f.save(x);
    if constexpr (keep == Keep::output) f.save(y);
    return y;
  }
};

/// Under autocast on CUDA an op with `loses_precision` is computed in float32.
template <class Op>
Tensor apply_unary(const Tensor& x) {
  if constexpr (requires { Op::loses_precision; }) {
    if (autocast::applies(autocast::wide_on_cuda, x))
      return autocast::recast(autocast::wide_on_cuda, apply_unary<Op>, x);
  }
  return apply(Op{}, x);
}

#define FULMEN_UNARY_FUNCTION(Op, name)                               \
  Tensor name(const Tensor& x) { return apply_unary<Op>(x); }         \
  Tensor& name##_(const Tensor& x) { return apply_inplace(Op{}, x); } \
  Tensor Tensor::name() const { return fulmen::name(*this); }         \
  Tensor& Tensor::name##_() const { return fulmen::name##_(*this); }

}  // namespace fulmen::autograd
