#pragma once
#include <fulmen/autograd/op.h>

// Element by element truth values (dtype bool), without derivatives. Operands are broadcast and compared in their
// common dtype.
namespace fulmen {

#define FULMEN_COMPARISON(name)                  \
  Tensor name(const Tensor& a, const Tensor& b); \
  Tensor name(const Tensor& a, const Scalar& b);
FULMEN_COMPARISON(eq)
FULMEN_COMPARISON(ne)
FULMEN_COMPARISON(lt)
FULMEN_COMPARISON(le)
FULMEN_COMPARISON(gt)
FULMEN_COMPARISON(ge)
#undef FULMEN_COMPARISON

/// On "not zero".
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);
/// On the bits of integers, or on bool.
Tensor bitwise_and(const Tensor& a, const Tensor& b);
Tensor bitwise_or(const Tensor& a, const Tensor& b);
Tensor bitwise_xor(const Tensor& a, const Tensor& b);
Tensor bitwise_not(const Tensor& x);

Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
/// |a - b| <= atol + rtol * |b|, or equal infinities, or (if equal_nan) both NaN.
Tensor isclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
/// Whether all elements are close.
bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
/// Same sizes and equal elements.
bool equal(const Tensor& a, const Tensor& b);

#define FULMEN_OPERATOR(symbol, function, swapped)                                           \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return function(a, b); } \
  inline Tensor operator symbol(const Tensor& a, const Scalar& b) { return function(a, b); } \
  inline Tensor operator symbol(const Scalar& a, const Tensor& b) { return swapped(b, a); }
FULMEN_OPERATOR(==, eq, eq)
FULMEN_OPERATOR(!=, ne, ne)
FULMEN_OPERATOR(<, lt, gt)
FULMEN_OPERATOR(<=, le, ge)
FULMEN_OPERATOR(>, gt, lt)
FULMEN_OPERATOR(>=, ge, le)
#undef FULMEN_OPERATOR
inline Tensor operator&(const Tensor& a, const Tensor& b) { return bitwise_and(a, b); }
inline Tensor operator|(const Tensor& a, const Tensor& b) { return bitwise_or(a, b); }
inline Tensor operator^(const Tensor& a, const Tensor& b) { return bitwise_xor(a, b); }
inline Tensor operator!(const Tensor& x) { return logical_not(x); }
inline Tensor operator~(const Tensor& x) { return bitwise_not(x); }

}  // namespace fulmen
