#pragma once
#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/kernels/elementwise.h>

// What the forward passes of elementwise operations share: result dtypes, broadcasting, one launch.
namespace fulmen {

/// The dtype of an operation on both operands, by PyTorch's rules: a tensor with dimensions decides over one without,
/// both over a plain number, unless the other is of a higher kind (bool < integer < floating point).
ScalarType result_type(const Tensor& a, const Tensor& b);
ScalarType result_type(const Tensor& a, const Scalar& b);
ScalarType result_type(const Scalar& a, const Tensor& b);
/// t itself if it is floating point, the default dtype for integers and bool.
ScalarType floating_type(ScalarType t);

namespace autograd {

inline Number number(const Scalar& s) { return {s.toDouble(), s.isFloatingPoint() ? 0 : s.toLong()}; }

/// A tensor without dimensions may lie on the CPU while the others lie on a CUDA device: `t` where `other` lies then,
/// `t` itself otherwise.
Tensor beside(const Tensor& t, const Tensor& other);

/// A new output with the broadcast sizes of a and b, where they lie (beside each other). Throws if they do not fit or
/// lie on different devices.
Output empty_broadcast(Forward& f, ScalarType type, const Tensor& a, const Tensor& b);

Output binary(Forward& f, BinaryOp op, ScalarType type, const Tensor& a, const Tensor& b, const Scalar& alpha = 1);
Output binary(Forward& f, BinaryOp op, ScalarType type, const Tensor& x, const Scalar& c, bool reversed = false);
Output compare(Forward& f, CompareOp op, const Tensor& a, const Tensor& b);
Output compare(Forward& f, CompareOp op, const Tensor& x, const Scalar& c);
/// The result has dtype `type`, in which the arithmetic happens.
Output unary(Forward& f, UnaryOp op, ScalarType type, const Tensor& x, const Scalar& p = 0, const Scalar& q = 0);
Output ternary(Forward& f, TernaryOp op, ScalarType type, const Tensor& a, const Tensor& b, const Tensor& c,
               const Scalar& value);

/// Keeps a only if b's gradient will need it, and b only if a's will: for products. Saved as s[0] and s[1].
inline void save_factors(Forward& f, const Input& a, const Input& b) {
  const Input none{Tensor()};
  f.save(b.requires_grad() ? a : none, a.requires_grad() ? b : none);
}

}  // namespace autograd
}  // namespace fulmen
