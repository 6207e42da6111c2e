#pragma once
#include <fulmen/autograd/op.h>
#include <fulmen/kernels/gemm.h>

// What the matrix products of autograd/ops/matmul.cpp and matmul_plus.cpp share: from tensors to the kernel's views.
namespace fulmen::autograd {

/// Nothing to add.
ConstView nothing();
/// The strides over x that show all dimensions but the last as rows of one matrix, if there are any.
bool fold_rows(ConstView& v);
/// y = activation(beta add + alpha a b). One matrix b for a whole batch is one product with more rows.
void launch_gemm(Forward& f, const Tensor& y, const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
                 const Tensor& add = {}, GemmEnd end = {});

/// One dtype that can be multiplied, one device.
void check_operands(const char* op, const Tensor& a, const Tensor& b);
/// Two batches of matrices that fit.
void check_batches(const char* op, const Tensor& a, const Tensor& b);
[[noreturn]] void fail_shapes(const char* op, const Tensor& a, const Tensor& b, int64_t rows, int64_t depth,
                              int64_t depth_b, int64_t cols);

/// op(a) op(b) as a recorded operation, where op transposes or not; both at least 2-d.
Tensor product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b);

}  // namespace fulmen::autograd
