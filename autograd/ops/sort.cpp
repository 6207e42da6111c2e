#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/sort.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/copy.h>
#include <fulmen/kernels/gather.h>

namespace fulmen {

using namespace autograd;

namespace {

/// values, positions = the first `count` of x's last dimension, in order.
struct Sort {
  static constexpr auto name = "sort";
  bool descending;
  int64_t count;
  Shape from = {};
  std::array<Output, 2> forward(Forward& f, const Input& x) {
    from = x.sizes();
    int64_t n = from.empty() ? 1 : from.back(), rows = n == 0 ? 0 : x.numel() / n;
    Output values = f.empty(from, x.scalar_type(), x.device());
    Output positions = f.empty(from, kLong, x.device());
    Launch launch = f.launch(x);
    kernel::copy(launch, f.out(values), f.in(x));
    kernel::sort(launch, f.out(values.view({rows, n})), f.out(positions.view({rows, n})), descending, count);
    if (count < n) {
      Shape sizes = from;
      sizes[sizes.size() - 1] = count;
      Output first = f.empty(sizes, x.scalar_type(), x.device()), where = f.empty(sizes, kLong, x.device());
      kernel::copy(launch, f.out(first), f.in(values.narrow(-1, 0, count)));
      kernel::copy(launch, f.out(where), f.in(positions.narrow(-1, 0, count)));
      values = std::move(first);
      positions = std::move(where);
    }
    f.mark_non_differentiable(positions);
    f.save(positions);
    return {std::move(values), std::move(positions)};
  }
  // gx = gy, back at the positions
  Grads<1> backward(const Saved& s, ConstTensorSpan gy) const {
    return {scatter_add(zeros(from, gy[0].options()), -1, s[0], gy[0])};
  }
};

struct Cumsum {
  static constexpr auto name = "cumsum";
  int64_t dim;
  ScalarType type;
  Output forward(Forward& f, const Input& x) const {
    Tensor source = x.to(type).contiguous();
    Output y = f.empty_like(x, type);
    int64_t outer = 1, inner = 1, n = x.dim() == 0 ? 1 : x.size(dim);
    for (int64_t d = 0; d < x.dim(); ++d) (d < dim ? outer : inner) *= d == dim ? 1 : x.size(d);
    kernel::cumsum(f.launch(x), f.out(y.view({outer, n, inner})), f.in(source.view({outer, n, inner})));
    return y;
  }
  // gx[k] = sum of gy from k on
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    if (gy.dim() == 0) return {gy};
    return {cumsum(gy.flip(dim), dim).flip(dim)};
  }
};

std::tuple<Tensor, Tensor> sorted(const Tensor& x, int64_t dim, bool descending, int64_t count) {
  dim = wrap_dim(dim, x.dim());
  bool last = x.dim() == 0 || dim == x.dim() - 1;
  auto [values, positions] = apply(Sort{descending, count}, last ? x : x.transpose(dim, -1));
  if (last) return {values, positions};
  return {values.transpose(dim, -1), positions.transpose(dim, -1)};
}

}  // namespace

std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim, bool descending) {
  return sorted(x, dim, descending, x.dim() == 0 ? 1 : x.size(dim));
}
Tensor argsort(const Tensor& x, int64_t dim, bool descending) { return std::get<1>(sort(x.detach(), dim, descending)); }
std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim, bool largest, bool) {
  int64_t n = x.dim() == 0 ? 1 : x.size(dim);
  FULMEN_CHECK(k >= 0 && k <= n, "selected index k out of range");
  return sorted(x, dim, largest, k);
}
Tensor cumsum(const Tensor& x, int64_t dim, std::optional<ScalarType> dtype) {
  dtype = autocast::wide_dtype(autocast::wide_on_cuda, x, dtype);
  ScalarType type = dtype.value_or(x.is_floating_point() ? x.scalar_type() : kLong);
  if (is_floating_point(type) || type == kLong) return apply(Cumsum{wrap_dim(dim, x.dim()), type}, x);
  return apply(Cumsum{wrap_dim(dim, x.dim()), kLong}, x).to(type);
}

std::tuple<Tensor, Tensor> Tensor::sort(int64_t dim, bool descending) const {
  return fulmen::sort(*this, dim, descending);
}
std::tuple<Tensor, Tensor> Tensor::topk(int64_t k, int64_t dim, bool largest, bool sorted) const {
  return fulmen::topk(*this, k, dim, largest, sorted);
}
Tensor Tensor::argsort(int64_t dim, bool descending) const { return fulmen::argsort(*this, dim, descending); }

}  // namespace fulmen
