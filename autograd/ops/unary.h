#pragma once
#include <fulmen/autograd/op.h>

// Functions of one tensor, element by element. Where the result is not an integer by nature, integers and bool give the
// default dtype. `name_` writes into x; the result's dtype must fit.
namespace fulmen {

#define FULMEN_UNARY(name)      \
  Tensor name(const Tensor& x); \
  Tensor& name##_(const Tensor& x);
/// -x; not for bool.
FULMEN_UNARY(neg)
/// |x|; the gradient at 0 is 0.
FULMEN_UNARY(abs)
/// -1, 0 or 1.
FULMEN_UNARY(sign)
FULMEN_UNARY(floor)
FULMEN_UNARY(ceil)
/// To the nearest integer, halves to the even one.
FULMEN_UNARY(round)
/// Towards zero.
FULMEN_UNARY(trunc)
/// x - trunc(x)
FULMEN_UNARY(frac)
FULMEN_UNARY(square)
/// 1 / x
FULMEN_UNARY(reciprocal)
FULMEN_UNARY(sqrt)
/// 1 / sqrt(x)
FULMEN_UNARY(rsqrt)
FULMEN_UNARY(exp)
/// 2^x
FULMEN_UNARY(exp2)
/// e^x - 1, exact near 0.
FULMEN_UNARY(expm1)
/// Natural logarithm.
FULMEN_UNARY(log)
FULMEN_UNARY(log2)
FULMEN_UNARY(log10)
/// log(1 + x), exact near 0.
FULMEN_UNARY(log1p)
FULMEN_UNARY(sin)
FULMEN_UNARY(cos)
FULMEN_UNARY(tan)
FULMEN_UNARY(asin)
FULMEN_UNARY(acos)
FULMEN_UNARY(atan)
FULMEN_UNARY(sinh)
FULMEN_UNARY(cosh)
FULMEN_UNARY(tanh)
/// 1 / (1 + e^-x)
FULMEN_UNARY(sigmoid)
/// 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.
FULMEN_UNARY(erf)
/// 1 - erf(x), without cancellation.
FULMEN_UNARY(erfc)
/// max(x, 0); NaN stays. The gradient at 0 is 0.
FULMEN_UNARY(relu)
#undef FULMEN_UNARY

/// abs
inline Tensor absolute(const Tensor& x) { return abs(x); }
/// neg
inline Tensor negative(const Tensor& x) { return neg(x); }

}  // namespace fulmen
