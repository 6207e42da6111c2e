#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/elementwise.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/kernels/copy.h>
#include <fulmen/kernels/gather.h>

namespace fulmen {

using namespace autograd;

namespace {

/// The view of a 0-dimensional tensor as one of one element, so that `dim` exists.
template <class V>
V at_least_1d(V view) {
  if (view.ndim == 0) {
    view.ndim = 1;
    view.sizes[0] = 1;
    view.strides[0] = 1;
  }
  return view;
}

/// A 1-d index as it applies to every position of the other dimensions.
ConstView expanded_index(const ConstView& index, const ConstView& like, int64_t dim) {
  ConstView view = like;
  view.data = index.data;
  view.dtype = index.dtype;
  view.sizes[dim] = index.numel;
  view.numel = 1;
  for (int d = 0; d < view.ndim; ++d) {
    view.strides[d] = d == dim && index.ndim > 0 ? index.strides[0] : 0;
    view.numel *= view.sizes[d];
  }
  return view;
}

// y = x at the positions of index along dim
struct Gather {
  static constexpr auto name = "gather";
  int64_t dim;
  Shape from = {};
  Output forward(Forward& f, const Input& x, const Input& index) {
    from = x.sizes();
    Output y = f.empty(index.sizes(), x.scalar_type(), x.device());
    kernel::gather(f.launch(x), at_least_1d(f.out(y)), at_least_1d(f.in(x)), at_least_1d(f.in(index)),
                   static_cast<int>(dim));
    f.save(index);
    return y;
  }
  // gx = gy, added up at the positions that were read
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {scatter_add(zeros(from, gy.options()), dim, s[0], gy), Tensor()};
  }
};

// y = x, with source added at the positions of index along dim
struct ScatterAdd {
  static constexpr auto name = "scatter_add";
  int64_t dim;
  Shape source_sizes = {};
  Output forward(Forward& f, const Input& x, const Input& index, const Input& source) {
    source_sizes = source.sizes();
    Output y = f.empty_like(x);
    Launch launch = f.launch(x);
    if (y.data_ptr() != x.data_ptr()) kernel::copy(launch, f.out(y), f.in(x));
    kernel::scatter_add(launch, at_least_1d(f.out(y)), at_least_1d(f.in(index)), at_least_1d(f.in(source)),
                        static_cast<int>(dim), 1.0);
    f.save(index);
    return y;
  }
  // gx = gy; gsource = gy at the positions, 0 in the part of the source that was not read
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    if (!s.needs(2)) return {gy, Tensor(), Tensor()};
    Tensor index = s[0], read = gather(gy, dim, index);
    if (source_sizes == index.sizes()) return {gy, Tensor(), read};
    Tensor whole = zeros(source_sizes, gy.options()), part = whole;
    for (int64_t d = 0; d < index.dim(); ++d) part = part.narrow(d, 0, index.size(d));
    part.copy_(read);
    return {gy, Tensor(), whole};
  }
};

struct IndexSelect {
  static constexpr auto name = "index_select";
  int64_t dim;
  Shape from = {};
  Output forward(Forward& f, const Input& x, const Input& index) {
    from = x.sizes();
    Shape sizes = x.sizes();
    if (x.dim() > 0) sizes[static_cast<size_t>(dim)] = index.numel();
    Output y = f.empty(sizes, x.scalar_type(), x.device());
    ConstView source = at_least_1d(f.in(x));
    kernel::gather(f.launch(x), at_least_1d(f.out(y)), source, expanded_index(f.in(index), source, dim),
                   static_cast<int>(dim));
    f.save(index);
    return y;
  }
  // gx = the slices of gy, added up where they came from
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    return {index_add(zeros(from, gy.options()), dim, s[0], gy), Tensor()};
  }
};

struct IndexAdd {
  static constexpr auto name = "index_add";
  int64_t dim;
  Scalar alpha;
  Output forward(Forward& f, const Input& x, const Input& index, const Input& source) const {
    Output y = f.empty_like(x);
    Launch launch = f.launch(x);
    if (y.data_ptr() != x.data_ptr()) kernel::copy(launch, f.out(y), f.in(x));
    ConstView added = at_least_1d(f.in(source));
    kernel::scatter_add(launch, at_least_1d(f.out(y)), expanded_index(f.in(index), added, dim), added,
                        static_cast<int>(dim), alpha.toDouble());
    f.save(index);
    return y;
  }
  // gx = gy; gsource = alpha times gy's slices
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    return {gy, Tensor(), s.needs(2) ? index_select(gy, dim, s[0]) * alpha : Tensor()};
  }
};

struct Nonzero {
  static constexpr auto name = "nonzero";
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& x) const {
    Tensor mask = ne(x, 0).contiguous();
    Output y = f.empty({mask.sum().item<int64_t>(), x.dim()}, kLong, x.device());
    kernel::nonzero(f.launch(x), f.out(y), f.in(mask));
    return y;
  }
};

/// As int64, every value within [0, size). On CUDA the kernels look themselves, so that nobody waits for the device.
template <class Fail>
Tensor checked_index(const Tensor& index, int64_t size, Fail&& out_of_range) {
  Tensor positions = index.scalar_type() == kLong ? index : index.to(kLong);
  if (positions.numel() > 0 && positions.is_cpu()) {
    int64_t least = positions.min().item<int64_t>(), largest = positions.max().item<int64_t>();
    if (least < 0) out_of_range(least);
    if (largest >= size) out_of_range(largest);
  }
  return positions;
}

Tensor gather_index(const char* op, const Tensor& x, int64_t dim, const Tensor& index, const Tensor& plain) {
  if (index.numel() == 0) return index.to(kLong);
  FULMEN_CHECK(index.scalar_type() == kLong, op, "(): Expected dtype int64 for index");
  FULMEN_CHECK(std::max<int64_t>(index.dim(), 1) == std::max<int64_t>(x.dim(), 1),
               "Index tensor must have the same number of dimensions as ", plain.is_same(x) ? "input" : "self",
               " tensor");
  FULMEN_CHECK(std::max<int64_t>(index.dim(), 1) == std::max<int64_t>(plain.dim(), 1),
               "Index tensor must have the same number of dimensions as src tensor");
  for (int64_t d = 0; d < index.dim(); ++d) {
    bool fits = (d == dim || index.size(d) <= (x.dim() == 0 ? 1 : x.size(d))) &&
                (plain.is_same(x) || index.size(d) <= (plain.dim() == 0 ? 1 : plain.size(d)));
    if (fits || index.numel() == 0) continue;
    if (plain.is_same(x)) {
      fail(str("Size does not match at dimension ", d, " expected index ", index.sizes(), " to be no larger than self ",
               x.sizes(), " apart from dimension ", dim));
    }
    fail(str("Expected index ", index.sizes(), " to be no larger than self ", x.sizes(), " apart from dimension ", dim,
             " and to be no larger size than src ", plain.sizes()));
  }
  int64_t size = x.dim() == 0 ? 1 : x.size(dim);
  return checked_index(index, size, [&](int64_t bad) {
    fail_index(str("index ", bad, " is out of bounds for dimension ", dim, " with size ", size));
  });
}

Tensor slice_index(const char* op, const Tensor& x, int64_t dim, const Tensor& index) {
  FULMEN_CHECK(index.scalar_type() == kLong || index.scalar_type() == kInt, op,
               "(): Expected dtype int32 or int64 for index");
  FULMEN_CHECK_INDEX(index.dim() <= 1, op, "(): Index is supposed to be a vector");
  return checked_index(index, x.dim() == 0 ? 1 : x.size(dim),
                       [](int64_t) { fail_index("index out of range in self"); });
}

}  // namespace

Tensor gather(const Tensor& x, int64_t dim, const Tensor& index) {
  dim = wrap_dim(dim, x.dim());
  return apply(Gather{dim}, x, gather_index("gather", x, dim, index, x));
}
Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  if (autocast::applies(autocast::promoted_on_cuda, x))
    return autocast::recast(autocast::promoted_on_cuda, scatter_add, x, dim, index, source);
  dim = wrap_dim(dim, x.dim());
  FULMEN_CHECK(x.scalar_type() == source.scalar_type(), "scatter(): Expected self.dtype to be equal to src.dtype");
  return apply(ScatterAdd{dim}, x, gather_index("scatter", x, dim, index, source), source);
}
Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  dim = wrap_dim(dim, x.dim());
  return apply(IndexSelect{dim}, x, slice_index("index_select", x, dim, index));
}
Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha) {
  dim = wrap_dim(dim, x.dim());
  FULMEN_CHECK(x.scalar_type() == source.scalar_type(), "index_add_(): self (", to_string(x.scalar_type()),
               ") and source (", to_string(source.scalar_type()), ") must have the same scalar type");
  Tensor positions = slice_index("index_add_", x, dim, index);
  bool fits = x.dim() == source.dim();
  for (int64_t d = 0; fits && d < x.dim(); ++d) fits = source.size(d) == (d == dim ? positions.numel() : x.size(d));
  FULMEN_CHECK(fits, "index_add_(): source must have self's sizes, and index's along dimension ", dim, "; got source ",
               source.sizes(), ", self ", x.sizes(), ", index ", index.sizes());
  return apply(IndexAdd{dim, alpha}, x, positions, source);
}
Tensor nonzero(const Tensor& x) { return apply(Nonzero{}, x); }

Tensor Tensor::gather(int64_t dim, const Tensor& index) const { return fulmen::gather(*this, dim, index); }
Tensor Tensor::scatter_add(int64_t dim, const Tensor& index, const Tensor& source) const {
  return fulmen::scatter_add(*this, dim, index, source);
}
Tensor& Tensor::scatter_add_(int64_t dim, const Tensor& index, const Tensor& source) const {
  int64_t d = wrap_dim(dim, this->dim());
  FULMEN_CHECK(scalar_type() == source.scalar_type(), "scatter(): Expected self.dtype to be equal to src.dtype");
  return apply_inplace(ScatterAdd{d}, *this, gather_index("scatter", *this, d, index, source), source);
}
Tensor Tensor::index_select(int64_t dim, const Tensor& index) const { return fulmen::index_select(*this, dim, index); }
Tensor Tensor::index_add(int64_t dim, const Tensor& index, const Tensor& source) const {
  return fulmen::index_add(*this, dim, index, source);
}
Tensor Tensor::nonzero() const { return fulmen::nonzero(*this); }

}  // namespace fulmen
