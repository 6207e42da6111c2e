#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/gemm_launch.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/views.h>

namespace fulmen {

using namespace autograd;

namespace {

Tensor sum_of_products(const Tensor& a, const Tensor& b);

// y = op(a) op(b), where op transposes or not; both at least 2-d, leading dimensions broadcast
struct Product {
  bool transpose_a = false, transpose_b = false;
  bool shared_b = false;  ///< b is one matrix for the whole batch
  Output forward(Forward& f, const char* op, const Input& a, const Input& b) const {
    check_operands(op, a, b);
    auto size = [](const Tensor& t, int64_t i, bool transposed) {
      return t.sizes()[t.dim() - (transposed ? 3 - i : i)];
    };
    int64_t rows = size(a, 2, transpose_a), depth = size(a, 1, transpose_a);
    int64_t depth_b = size(b, 2, transpose_b), cols = size(b, 1, transpose_b);
    if (depth != depth_b) [[unlikely]]
      fail_shapes(op, a, b, rows, depth, depth_b, cols);
    Shape sizes;
    if (a.dim() > 2 || b.dim() > 2) {
      sizes = broadcast_shapes(a.sizes().slice(0, a.sizes().size() - 2), b.sizes().slice(0, b.sizes().size() - 2));
    }
    sizes.push_back(rows);
    sizes.push_back(cols);
    Output y = f.empty(sizes, a.scalar_type(), a.device());
    launch_gemm(f, y, a, transpose_a, b, transpose_b);
    const Input none{Tensor()};
    f.save(b.requires_grad() ? a : none, a.requires_grad() ? b : none);
    return y;
  }
  // op(a)' = gy op(b)^T; op(b)' = op(a)^T gy
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Grads<2> g;
    if (s.needs(0)) {
      Tensor b = s[1];
      g[0] = transpose_a ? product(b, transpose_b, gy, true) : product(gy, false, b, !transpose_b);
    }
    if (s.needs(1)) {
      Tensor a = s[0];
      if (shared_b && !transpose_a) {
        g[1] = transpose_b ? sum_of_products(gy, a) : sum_of_products(a, gy);
      } else {
        g[1] = transpose_b ? product(gy, true, a, transpose_a) : product(a, !transpose_a, gy, false);
      }
    }
    return g;
  }
};
struct Mm : Product {
  static constexpr auto name = "mm";
  Output forward(Forward& f, const Input& a, const Input& b) const { return Product::forward(f, name, a, b); }
};
struct Bmm : Product {
  static constexpr auto name = "bmm";
  Output forward(Forward& f, const Input& a, const Input& b) const { return Product::forward(f, name, a, b); }
};

/// y[i, j] = sum over rows r of a[r, i] b[r, j], where all dimensions but the last are rows.
Output launch_sum_of_products(Forward& f, const Input& a, const Input& b, GemmEnd end) {
  Output y = f.empty({a.size(-1), b.size(-1)}, a.scalar_type(), a.device());
  View c = f.out(y);
  Tensor copies[2];
  auto rows = [&](const Tensor& x, Tensor& copy) {
    ConstView v = f.in(x);
    if (!fold_rows(v)) {
      copy = x.contiguous();
      v = f.in(copy);
      fold_rows(v);
    }
    return v;
  };
  ConstView at = rows(a, copies[0]), bv = rows(b, copies[1]);
  std::swap(at.sizes[0], at.sizes[1]);
  std::swap(at.strides[0], at.strides[1]);
  kernel::gemm(f.launch(y), c, at, bv, nothing(), end);
  return y;
}
/// Whether one kernel should compute the gradients of a weight and of its bias: where starting another one costs as
/// much as it does. Large products on CUDA have kernels without sums beside them, which would save there a few
/// hundredths.
bool pays_together(const Tensor& gy, const Tensor& x) {
  if (x.size(-1) == 0 || !gy.is_floating_point()) return false;
  return gy.is_cuda() ? gy.size(-1) * x.size(-1) <= int64_t{1} << 20 : gy.numel() <= 4096;
}

// y[i, j] = sum over rows r of a[r, i] b[r, j], where all dimensions but the last are rows: the gradient of a weight
struct SumOfProducts {
  static constexpr auto name = "sum_of_products";
  Output forward(Forward& f, const Input& a, const Input& b) const {
    f.save(a, b);
    return launch_sum_of_products(f, a, b, GemmEnd{});
  }
  // a[r, :]' = sum_j b[r, j] gy[:, j]; b[r, :]' = sum_i a[r, i] gy[i, :]
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {s.needs(0) ? product(s[1], false, gy, true) : Tensor(),
            s.needs(1) ? product(s[0], false, gy, false) : Tensor()};
  }
};
Tensor sum_of_products(const Tensor& a, const Tensor& b) { return apply(SumOfProducts{}, a, b); }

// gw[i, j] = sum over rows r of gy[r, i] x[r, j], gb[i] that of gy[r, i]: the gradients of a weight and of its bias
struct LinearWeightGrad {
  static constexpr auto name = "linear_weight_grad";
  std::array<Output, 2> forward(Forward& f, const Input& gy, const Input& x) const {
    Output gb = f.empty({gy.size(-1)}, gy.scalar_type(), gy.device());
    GemmEnd end;
    end.a_sums = f.out(gb).data;
    Output gw = launch_sum_of_products(f, gy, x, end);
    f.save(gy, x);
    return {std::move(gw), std::move(gb)};
  }
  // gy' = x ggw^T + ggb; x' = gy ggw
  Grads<2> backward(const Saved& s, ConstTensorSpan g) const {
    Grads<2> r;
    if (s.needs(0)) {
      r[0] = g[0].defined() ? linear(s[1], g[0], g[1]) : g[1].expand(s[0].sizes());
    }
    if (s.needs(1) && g[0].defined()) r[1] = product(s[0], false, g[0], false);
    return r;
  }
};

// y = x w^T + bias
struct Linear {
  static constexpr auto name = "linear";
  Output forward(Forward& f, const Input& x, const Input& w, const Input& bias) const {
    Shape sizes = x.sizes();
    sizes[sizes.size() - 1] = w.sizes()[0];
    Output y = f.empty(sizes, x.scalar_type(), x.device());
    launch_gemm(f, y, x, false, w, true, bias);
    const Input none{Tensor()};
    f.save(w.requires_grad() ? x : none, x.requires_grad() ? w : none);
    return y;
  }
  // gx = gy w; gw = gy^T x; gbias = gy, summed over the rows (by the engine, where gw's kernel does not do it)
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Grads<3> g;
    if (s.needs(0)) g[0] = product(gy, false, s[1], false);
    if (s.needs(1) && s.needs(2) && pays_together(gy, s[0])) {
      auto both = apply(LinearWeightGrad{}, gy, s[0]);
      g[1] = both[0], g[2] = both[1];
      return g;
    }
    if (s.needs(1)) g[1] = sum_of_products(gy, s[0]);
    if (s.needs(2)) g[2] = gy;
    return g;
  }
};

void check_linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  FULMEN_CHECK(w.dim() == 2, "linear: the weight must be [out, in]; got ", w);
  int64_t in = w.size(1), out = w.size(0);
  if (x.dim() == 0 || x.size(-1) != in) [[unlikely]] {
    int64_t got = x.dim() == 0 ? 1 : x.size(-1), rows = got ? x.numel() / got : 0;
    throw Error(
        "E001",
        str("linear(", in, " -> ", out, ") takes [*, ", in, "]; got ", x, ": mat1 and mat2 shapes cannot be ",
            "multiplied (", rows, "x", got, " and ", in, "x", out, ")"),
        str("the input has ", got, " features: construct Linear(", got, ", ", out, ") or select ", in, " columns"));
  }
  if (x.scalar_type() != w.scalar_type()) [[unlikely]] {
    throw Error("E002",
                str("linear: input is ", dtype_name(x.scalar_type()), ", weights are ", dtype_name(w.scalar_type()),
                    " (expected m1 and m2 to have the same dtype, but got: ", to_string(x.scalar_type()),
                    " != ", to_string(w.scalar_type()), ")"),
                str("convert with .to(k", to_string(w.scalar_type()), ") where the batch is made"));
  }
  check_operands("linear", x, w);
  if (!bias.defined()) return;
  FULMEN_CHECK(bias.dim() == 1 && bias.size(0) == out, "linear: the bias must be [", out, "]; got ", bias);
  check_operands("linear", bias, w);
}

}  // namespace

Tensor autograd::product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b) {
  if (a.dim() == 2 && b.dim() == 2) return apply(Mm{{transpose_a, transpose_b}}, a, b);
  return apply(Bmm{{transpose_a, transpose_b, b.dim() == 2}}, a, b);
}

Tensor mm(const Tensor& a, const Tensor& b) {
  if (autocast::applies(autocast::products, a)) return autocast::recast(autocast::products, mm, a, b);
  FULMEN_CHECK(a.dim() == 2, "mm: self must be a matrix, got ", a);
  FULMEN_CHECK(b.dim() == 2, "mm: mat2 must be a matrix, got ", b);
  return product(a, false, b, false);
}
Tensor bmm(const Tensor& a, const Tensor& b) {
  if (autocast::applies(autocast::products, a)) return autocast::recast(autocast::products, bmm, a, b);
  check_batches("bmm", a, b);
  return product(a, false, b, false);
}
Tensor mv(const Tensor& matrix, const Tensor& vector) {
  if (autocast::applies(autocast::lower_on_cuda, matrix))
    return autocast::recast(autocast::lower_on_cuda, mv, matrix, vector);
  FULMEN_CHECK(matrix.dim() == 2 && vector.dim() == 1, "mv: vector + matrix @ vector expected, got ", matrix, " and ",
               vector);
  FULMEN_CHECK(matrix.size(1) == vector.size(0), "mv: size mismatch, got input (", matrix.size(0), "), mat (",
               matrix.size(0), "x", matrix.size(1), "), vec (", vector.size(0), ")");
  return product(matrix, false, vector.unsqueeze(1), false).squeeze(1);
}
Tensor dot(const Tensor& a, const Tensor& b) {
  if (autocast::applies(autocast::promoted_on_cuda, a)) return autocast::recast(autocast::promoted_on_cuda, dot, a, b);
  FULMEN_CHECK(a.dim() == 1 && b.dim() == 1, "dot: 1D tensors expected, but got ", a.dim(), "D and ", b.dim(),
               "D tensors");
  FULMEN_CHECK(a.scalar_type() == b.scalar_type(), "dot: expected both vectors to have same dtype, but found ",
               to_string(a.scalar_type()), " and ", to_string(b.scalar_type()));
  FULMEN_CHECK(a.numel() == b.numel(), "dot: inconsistent tensor size, expected tensor ", a.sizes(), " and src ",
               b.sizes(), " to have the same number of elements, but got ", a.numel(), " and ", b.numel(),
               " elements respectively");
  return product(a.unsqueeze(0), false, b.unsqueeze(1), false).view({});
}
Tensor outer(const Tensor& a, const Tensor& b) {
  FULMEN_CHECK(a.dim() == 1, "outer: Expected 1-D argument self, but got ", a.dim(), "-D");
  FULMEN_CHECK(b.dim() == 1, "outer: Expected 1-D argument vec2, but got ", b.dim(), "-D");
  return a.unsqueeze(1) * b;
}
Tensor matmul(const Tensor& a, const Tensor& b) {
  if (autocast::applies(autocast::products, a)) return autocast::recast(autocast::products, matmul, a, b);
  int64_t da = a.dim(), db = b.dim();
  FULMEN_CHECK(da > 0 && db > 0, "matmul: both arguments to matmul need to be at least 1D, but they are ", da, "D and ",
               db, "D");
  if (da > 1 && db > 1) return product(a, false, b, false);
  if (da == 1 && db == 1) return dot(a, b);
  if (da == 1) return product(a.unsqueeze(0), false, b, false).squeeze(-2);
  if (da == 2) return mv(a, b);
  return product(a, false, b.unsqueeze(1), false).squeeze(-1);
}
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (autocast::applies(autocast::products, x)) return autocast::recast(autocast::products, linear, x, weight, bias);
  if (weight.dim() == 1) {  // one output, without a dimension of its own
    Tensor y = fulmen::matmul(x, weight);
    return bias.defined() ? y + bias : y;
  }
  check_linear(x, weight, bias);
  if (x.dim() == 1) return apply(Linear{}, x.unsqueeze(0), weight, bias).squeeze(0);
  return apply(Linear{}, x, weight, bias);
}

Tensor Tensor::matmul(const Tensor& other) const { return fulmen::matmul(*this, other); }
Tensor Tensor::mm(const Tensor& other) const { return fulmen::mm(*this, other); }
Tensor Tensor::bmm(const Tensor& other) const { return fulmen::bmm(*this, other); }
Tensor Tensor::mv(const Tensor& vector) const { return fulmen::mv(*this, vector); }
Tensor Tensor::dot(const Tensor& other) const { return fulmen::dot(*this, other); }

}  // namespace fulmen
