#pragma once
#include <fulmen/autograd/op.h>

#include <string_view>

// Matrix products. All operands have one dtype (E002 otherwise) and live on one device; a transposed or expanded
// operand is read where it lies. Sums of float16 and bfloat16 are float32, integers wrap, bool is refused.
namespace fulmen {

/// The product of the last two dimensions, the dimensions before them broadcast: [..., n, k] x [..., k, m] gives
/// [..., n, m]. A 1-d operand is a row (left) or a column (right) whose dimension disappears from the result, so two of
/// them give their dot product.
Tensor matmul(const Tensor& a, const Tensor& b);
/// [n, k] x [k, m] -> [n, m]
Tensor mm(const Tensor& a, const Tensor& b);
/// [batch, n, k] x [batch, k, m] -> [batch, n, m]
Tensor bmm(const Tensor& a, const Tensor& b);
/// [n, k] x [k] -> [n]
Tensor mv(const Tensor& matrix, const Tensor& vector);
/// [k] x [k] -> []
Tensor dot(const Tensor& a, const Tensor& b);
/// [n] x [m] -> [n, m]
Tensor outer(const Tensor& a, const Tensor& b);
/// beta * input + alpha * mm(a, b); `input` is broadcast to [n, m].
Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta = 1, const Scalar& alpha = 1);
/// relu of addmm, or gelu with `use_gelu` (`approximate` as in gelu), in one pass over the result: for a layer and its
/// activation. Floating-point only. gelu is applied on its own where a gradient will be asked for, as that needs what
/// gelu was applied to.
Tensor _addmm_activation(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta = 1,
                         const Scalar& alpha = 1, bool use_gelu = false, std::string_view approximate = "none");
/// beta * input + alpha * bmm(a, b); `input` is broadcast to [batch, n, m].
Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta = 1, const Scalar& alpha = 1);
/// x weight^T + bias: [..., in] with weight [out, in] and bias [out] (or undefined) gives [..., out].
/// Errors: E001 for a wrong number of features, E002 for a wrong dtype.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace fulmen
