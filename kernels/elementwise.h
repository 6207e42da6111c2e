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
  X(BitwiseXor, integral)

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
  X(Abs, number)

/// X(functor, domain): y = f(a, b, c, value).
#define FULMEN_TERNARY_OPS(X) \
  X(Addcmul, number)          \
  X(Addcdiv, real)            \
  X(Lerp, real)

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
KERNEL(unary, UnaryOp op, ScalarType type, View y, ConstView x, double p, double q)
/// y = f(a, b, c, value)
KERNEL(ternary, TernaryOp op, ScalarType type, View y, ConstView a, ConstView b, ConstView c, Number value)
/// y = f(a, b); AddScaled is a + alpha * b.
KERNEL(binary, BinaryOp op, ScalarType type, View y, ConstView a, ConstView b, Number alpha)
/// y = f(x, c), or f(c, x) if `reversed`.
KERNEL(binary_number, BinaryOp op, ScalarType type, View y, ConstView x, Number c, bool reversed)
/// y (bool) = f(a, b)
KERNEL(compare, CompareOp op, ScalarType type, View y, ConstView a, ConstView b)
/// y (bool) = f(x, c)
KERNEL(compare_number, CompareOp op, ScalarType type, View y, ConstView x, Number c)

}  // namespace fulmen
