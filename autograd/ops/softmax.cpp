#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/softmax.h>
#include <fulmen/kernels/softmax.h>

namespace fulmen {

using namespace autograd;

namespace {

/// [outer, cols, inner] around `dim`; v must be contiguous.
template <class V>
V around(V v, int64_t dim) {
  int64_t outer = 1, inner = 1, cols = v.ndim == 0 ? 1 : v.sizes[dim];
  for (int64_t d = 0; d < v.ndim; ++d) (d < dim ? outer : d > dim ? inner : cols) *= d == dim ? 1 : v.sizes[d];
  v.ndim = 3;
  int64_t sizes[] = {outer, cols, inner}, strides[] = {cols * inner, inner, 1};
  for (int d = 0; d < 3; ++d) v.sizes[d] = sizes[d], v.strides[d] = strides[d];
  return v;
}

Tensor softmax_gradient(const Tensor& y, const Tensor& gy, int64_t dim, SoftmaxKind kind);

struct SoftmaxOf {
  int64_t dim;
  Output forward(Forward& f, const Input& x, SoftmaxKind kind) const {
    Output y = f.empty_like(x);
    Tensor rows = x.contiguous();
    kernel::softmax(f.launch(x), around(f.out(y), dim), around(f.in(rows), dim), kind);
    f.save(y);
    return y;
  }
};
// y = exp(x) / sum(exp(x))
struct Softmax : SoftmaxOf {
  static constexpr auto name = "softmax";
  Output forward(Forward& f, const Input& x) const { return SoftmaxOf::forward(f, x, SoftmaxKind::Plain); }
  // gx = y (gy - sum(gy y))
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    return {softmax_gradient(s[0], gy, dim, SoftmaxKind::Plain)};
  }
};
// y = x - log(sum(exp(x)))
struct LogSoftmax : SoftmaxOf {
  static constexpr auto name = "log_softmax";
  Output forward(Forward& f, const Input& x) const { return SoftmaxOf::forward(f, x, SoftmaxKind::Log); }
  // gx = gy - exp(y) sum(gy)
  Grads<1> backward(const Saved& s, const Tensor& gy) const {
    return {softmax_gradient(s[0], gy, dim, SoftmaxKind::Log)};
  }
};

struct GradientOf {
  int64_t dim;
  Output forward(Forward& f, const Input& y, const Input& gy, SoftmaxKind kind) const {
    f.save(y, gy);
    Output gx = f.empty_like(y);
    Tensor y_rows = y.contiguous(), gy_rows = gy.contiguous();
    kernel::softmax_backward(f.launch(y), around(f.out(gx), dim), around(f.in(y_rows), dim), around(f.in(gy_rows), dim),
                             kind);
    return gx;
  }
  Tensor total(const Tensor& x) const { return x.dim() == 0 ? x : x.sum(dim, true); }
};
// gx = y (gy - sum(gy y))
struct SoftmaxBackward : GradientOf {
  static constexpr auto name = "softmax_backward";
  Output forward(Forward& f, const Input& y, const Input& gy) const {
    return GradientOf::forward(f, y, gy, SoftmaxKind::Plain);
  }
  // y' = g (gy - sum(gy y)) - gy sum(g y); gy' = y (g - sum(g y))
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor y = s[0], gy = s[1];
    return {s.needs(0) ? g * (gy - total(gy * y)) - gy * total(g * y) : Tensor(),
            s.needs(1) ? softmax_gradient(y, g, dim, SoftmaxKind::Plain) : Tensor()};
  }
};
// gx = gy - exp(y) sum(gy)
struct LogSoftmaxBackward : GradientOf {
  static constexpr auto name = "log_softmax_backward";
  Output forward(Forward& f, const Input& y, const Input& gy) const {
    return GradientOf::forward(f, y, gy, SoftmaxKind::Log);
  }
  // y' = -g exp(y) sum(gy); gy' = g - sum(g exp(y))
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor p = s[0].exp();
    return {s.needs(0) ? -(g * p) * total(s[1]) : Tensor(), s.needs(1) ? g - total(g * p) : Tensor()};
  }
};

Tensor softmax_gradient(const Tensor& y, const Tensor& gy, int64_t dim, SoftmaxKind kind) {
  if (kind == SoftmaxKind::Plain) return apply(SoftmaxBackward{{dim}}, y, gy);
  return apply(LogSoftmaxBackward{{dim}}, y, gy);
}

Tensor prepared(const char* op, const Tensor& x, std::optional<ScalarType> dtype) {
  Tensor input = dtype && *dtype != x.scalar_type() ? x.to(*dtype) : x;
  FULMEN_CHECK(input.is_floating_point(), op, ": not implemented for '", to_string(input.scalar_type()), "': got ", x,
               "; convert it or pass a floating-point dtype");
  return input;
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t dim, std::optional<ScalarType> dtype) {
  dtype = autocast::wide_dtype(autocast::wide_on_cuda, x, dtype);
  return apply(Softmax{{wrap_dim(dim, x.dim())}}, prepared("softmax", x, dtype));
}
Tensor log_softmax(const Tensor& x, int64_t dim, std::optional<ScalarType> dtype) {
  dtype = autocast::wide_dtype(autocast::wide_on_cuda, x, dtype);
  return apply(LogSoftmax{{wrap_dim(dim, x.dim())}}, prepared("log_softmax", x, dtype));
}

Tensor Tensor::softmax(int64_t dim, std::optional<ScalarType> dtype) const {
  return fulmen::softmax(*this, dim, dtype);
}
Tensor Tensor::log_softmax(int64_t dim, std::optional<ScalarType> dtype) const {
  return fulmen::log_softmax(*this, dim, dtype);
}

}  // namespace fulmen
