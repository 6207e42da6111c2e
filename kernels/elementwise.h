#pragma once
#include <fulmen/kernels/kernel.h>

// Element by element: every kernel takes an output and inputs of any strides, dtypes and broadcastable sizes (aligned
// at the right); y may be one of the inputs, but may not overlap one in another way. The arithmetic happens in the
// dtype `compute` (float32 for Half and BFloat16), to which inputs are converted and from which the output is.
namespace fulmen {

/// X(functor in kernels/functors.h, domain): y = f(a, b), all of one dtype.
/// Domains: any; number (any but bool); integral (with bool); real (floating point only).
#define FULMEN_BINARY_OPS(X) \
  X(Add, any)                \
  X(AddScaled, any)          \
  X(Sub, number)             \
  X(Mul, any)                \
  X(Div, real)               \
  X(DivTrunc, number)        \
  X(DivFloor, number)        \
  X(Remainder, number)       \
  X(Fmod, number)            \
  X(Maximum, any)            \
  X(Minimum, any)            \
  X(Pow, number)             \
  X(Atan2, real)             \
  X(BitwiseAnd, integral)    \
  X(BitwiseOr, integral)     \
  X(BitwiseXor, integral)    \
  X(TanhGrad, real)          \
  X(SigmoidGrad, real)       \
  X(LeakyReluGrad, real)     \
  X(GeluGrad, real)          \
  X(GeluTanhGrad, real)      \
  X(SiluGrad, real)          \
  X(ReluGrad, number)

/// X(functor, domain): y = f(a, b), a truth value.
#define FULMEN_COMPARE_OPS(X) \
  X(Eq, any)                  \
  X(Ne, any)                  \
  X(Lt, any)                  \
  X(Le, any)                  \
  X(Gt, any)                  \
  X(Ge, any)                  \
  X(LogicalAnd, any)          \
  X(LogicalOr, any)           \
  X(LogicalXor, any)

/// X(functor, domain): y = f(x), or f(x, p, q) with numbers p and q.
#define FULMEN_UNARY_OPS(X) \
  X(Neg, number)            \
  X(Abs, number)            \
  X(Sign, any)              \
  X(Square, number)         \
  X(Cube, number)           \
  X(BitwiseNot, integral)   \
  X(Clamp, number)          \
  X(Floor, real)            \
  X(Ceil, real)             \
  X(Round, real)            \
  X(Trunc, real)            \
  X(Frac, real)             \
  X(Reciprocal, real)       \
  X(Sqrt, real)             \
  X(Rsqrt, real)            \
  X(Exp, real)              \
  X(Exp2, real)             \
  X(Expm1, real)            \
  X(Log, real)              \
  X(Log2, real)             \
  X(Log10, real)            \
  X(Log1p, real)            \
  X(Sin, real)              \
  X(Cos, real)              \
  X(Tan, real)              \
  X(Asin, real)             \
  X(Acos, real)             \
  X(Atan, real)             \
  X(Sinh, real)             \
  X(Cosh, real)             \
  X(Tanh, real)             \
  X(Sigmoid, real)          \
  X(LogSigmoid, real)       \
  X(Erf, real)              \
  X(Erfc, real)             \
  X(Relu, number)           \
  X(LeakyRelu, real)        \
  X(Elu, real)              \
  X(Celu, real)             \
  X(Gelu, real)             \
  X(GeluTanh, real)         \
  X(Silu, real)             \
  X(Mish, real)             \
  X(Softplus, real)         \
  X(Softsign, real)         \
  X(Tanhshrink, real)       \
  X(Hardshrink, real)       \
  X(Softshrink, real)       \
  X(Threshold, number)      \
  X(Hardsigmoid, real)      \
  X(Hardswish, real)

/// X(functor, domain): y = f(a, b, c, value).
#define FULMEN_TERNARY_OPS(X) \
  X(Addcmul, number)          \
  X(Addcdiv, real)            \
  X(Lerp, real)               \
  X(Clamp, any)

#define X(name, domain) name,
enum class UnaryOp : uint8_t { FULMEN_UNARY_OPS(X) };
enum class TernaryOp : uint8_t { FULMEN_TERNARY_OPS(X) };
enum class BinaryOp : uint8_t { FULMEN_BINARY_OPS(X) };
enum class CompareOp : uint8_t { FULMEN_COMPARE_OPS(X) };
#undef X

/// A number of the caller's as an operand, exact for every dtype.
struct Number {
  double real;
  int64_t integer;
};

/// y = f(x, p, q)
KERNEL(unary, UnaryOp op, ScalarType type, const View& y, const ConstView& x, const Number& p, const Number& q)
/// y = f(a, b, c, value)
KERNEL(ternary, TernaryOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b,
       const ConstView& c, const Number& value)
/// y = f(a, b), or f(a, b, alpha); AddScaled is a + alpha * b. The ...Grad functions take the gradient first.
KERNEL(binary, BinaryOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b, const Number& alpha)
/// y = f(x, c), or f(c, x) if `reversed`.
KERNEL(binary_number, BinaryOp op, ScalarType type, const View& y, const ConstView& x, const Number& c, bool reversed)
/// y = condition ? a : b; condition is bool.
KERNEL(where, ScalarType type, const View& y, const ConstView& condition, const ConstView& a, const ConstView& b)
/// y = mask ? c : x, or mask ? x : c if `inverted`; mask is bool.
KERNEL(masked_fill, ScalarType type, const View& y, const ConstView& x, const ConstView& mask, const Number& c,
       bool inverted)
/// y (bool) = f(a, b)
KERNEL(compare, CompareOp op, ScalarType type, const View& y, const ConstView& a, const ConstView& b)
/// y (bool) = f(x, c)
KERNEL(compare_number, CompareOp op, ScalarType type, const View& y, const ConstView& x, const Number& c)

}  // namespace fulmen
