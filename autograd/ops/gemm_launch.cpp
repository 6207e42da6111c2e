#include <fulmen/autograd/ops/gemm_launch.h>

#include <utility>

namespace fulmen::autograd {

namespace {

/// An operand as the kernel wants it: `dims` dimensions, of which the leading ones are broadcast to c's.
ConstView operand(Forward& f, const Tensor& x, bool transposed, const View& c) {
  ConstView v = f.in(x);
  if (transposed) {
    std::swap(v.sizes[v.ndim - 1], v.sizes[v.ndim - 2]);
    std::swap(v.strides[v.ndim - 1], v.strides[v.ndim - 2]);
  }
  int missing = c.ndim - v.ndim;
  for (int d = c.ndim - 1; d >= 0; --d) {
    bool batch = d < c.ndim - 2, absent = d < missing;
    int64_t size = absent ? 1 : v.sizes[d - missing];
    v.strides[d] = absent || (batch && size == 1) ? 0 : v.strides[d - missing];
    v.sizes[d] = batch ? c.sizes[d] : size;
  }
  v.ndim = c.ndim;
  return v;
}

View folded(View v) {
  int64_t cols = v.size(-1), rows = cols ? v.numel / cols : 0;
  v.ndim = 2;
  v.sizes[0] = rows;
  v.sizes[1] = cols;
  v.strides[0] = cols;
  v.strides[1] = 1;
  return v;
}

}  // namespace

ConstView nothing() {
  ConstView v;
  v.data = nullptr;
  return v;
}

bool fold_rows(ConstView& v) {
  int64_t rows = 1, stride = 0;
  for (int d = v.ndim - 2; d >= 0; --d) {
    if (v.sizes[d] == 1) continue;
    if (rows == 1) {
      stride = v.strides[d];
    } else if (v.strides[d] != stride * rows) {
      return false;
    }
    rows *= v.sizes[d];
  }
  v.sizes[1] = v.sizes[v.ndim - 1];
  v.strides[1] = v.strides[v.ndim - 1];
  v.sizes[0] = rows;
  v.strides[0] = stride;
  v.ndim = 2;
  return true;
}
void launch_gemm(Forward& f, const Tensor& y, const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
                 const Tensor& add, GemmEnd end) {
  View c = f.out(y);
  if (b.dim() == 2 && c.ndim > 2 && !transpose_a && (!add.defined() || add.dim() < 2)) {
    ConstView rows = f.in(a);
    if (fold_rows(rows)) {
      c = folded(c);
      kernel::gemm(f.launch(y), c, rows, operand(f, b, transpose_b, c),
                   add.defined() ? operand(f, add, false, c) : nothing(), end);
      return;
    }
  }
  ConstView extra = add.defined() ? operand(f, add, false, c) : nothing();
  for (int d = 0; add.defined() && d < c.ndim; ++d) {  // here the matrix dimensions are broadcast as well
    if (extra.sizes[d] != c.sizes[d]) extra.sizes[d] = c.sizes[d], extra.strides[d] = 0;
  }
  kernel::gemm(f.launch(y), c, operand(f, a, transpose_a, c), operand(f, b, transpose_b, c), extra, end);
}

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  if (a.scalar_type() != b.scalar_type()) [[unlikely]] {
    throw Error("E002",
                str(op, ": expected m1 and m2 to have the same dtype, but got: ", to_string(a.scalar_type()),
                    " != ", to_string(b.scalar_type()), " (", a, " and ", b, ")"),
                "convert one of them: x.to(other.dtype())");
  }
  if (a.device() != b.device()) [[unlikely]] {
    throw Error("E003", str(op, ": Expected all tensors to be on the same device, but got ", a, " and ", b),
                "move one of them: x.to(other.device())");
  }
  FULMEN_CHECK(a.scalar_type() != kBool, op, ": not implemented for 'Bool': got ", a, " and ", b,
               "; convert to an integer or floating-point dtype first");
}
[[noreturn]] void fail_shapes(const char* op, const Tensor& a, const Tensor& b, int64_t rows, int64_t depth,
                              int64_t depth_b, int64_t cols) {
  fail(str(op, ": mat1 and mat2 shapes cannot be multiplied (", rows, "x", depth, " and ", depth_b, "x", cols,
           "): got ", a, " and ", b));
}

void check_batches(const char* op, const Tensor& a, const Tensor& b) {
  FULMEN_CHECK(a.dim() == 3, op, ": batch1 must be a 3D tensor, got ", a);
  FULMEN_CHECK(b.dim() == 3, op, ": batch2 must be a 3D tensor, got ", b);
  FULMEN_CHECK(a.size(0) == b.size(0) && a.size(2) == b.size(1), op,
               ": Expected size for first two dimensions of batch2 tensor to be: ", IntArrayRef({a.size(0), a.size(2)}),
               " but got: ", IntArrayRef({b.size(0), b.size(1)}), ".");
}

}  // namespace fulmen::autograd
