// Reading and writing where index tensors say: the ops behind indexing.cpp.
#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/copy.h>
#include <fulmen/kernels/indexing.h>
#include <fulmen/tensor/warning.h>

namespace fulmen::autograd {

namespace {

struct Places {
  static constexpr auto name = "index_places";
  static constexpr bool differentiable = false;
  Output forward(Forward& f, const Input& index) {
    const bool first = !before.defined();
    Output places = f.empty(index.sizes(), kLong, index.device());
    if (!first) kernel::copy(f.launch(places), f.out(places), f.in(before));
    if (index.is_cuda()) {  // nobody waits for the device: it reports an index outside by itself
      View none = f.out(places);
      none.data = nullptr;
      none.numel = 0;
      kernel::index_places(f.launch(places), f.out(places), f.in(index), size, first, none);
      return places;
    }
    const Output problem = f.empty(2, kLong, index.device());
    kernel::index_places(f.launch(places), f.out(places), f.in(index), size, first, f.out(problem));
    const Tensor& found = problem;
    if (found.data_ptr<int64_t>()[0] > 0) {
      FULMEN_CHECK_INDEX(size > 0, "index is out of bounds for dimension with size 0");
      fail_index(
          str("index ", found.data_ptr<int64_t>()[1], " is out of bounds for dimension ", dim, " with size ", size));
    }
    return places;
  }
  Tensor before;
  int64_t size, dim;
};

/// [indexed dimensions..., the others...]
template <class ViewType>
ViewType indexed_first(const ViewType& v, const Shape& dims) {
  ViewType sorted = v;
  int to = 0;
  for (int64_t d : dims) {
    sorted.sizes[to] = v.sizes[d];
    sorted.strides[to++] = v.strides[d];
  }
  for (int d = 0; d < v.ndim; ++d) {
    bool indexed = false;
    for (int64_t i : dims) indexed = indexed || i == d;
    if (indexed) continue;
    sorted.sizes[to] = v.sizes[d];
    sorted.strides[to++] = v.strides[d];
  }
  return sorted;
}

/// [count, the others...]: the dimensions of the indices merged into one, in front.
template <class ViewType>
ViewType count_first(const ViewType& v, int64_t position, int64_t index_dims, int64_t count) {
  ViewType sorted = v;
  sorted.ndim = static_cast<int32_t>(v.ndim - index_dims + 1);
  sorted.sizes[0] = count;
  sorted.strides[0] = index_dims > 0 ? v.strides[position + index_dims - 1] : 0;
  int to = 1;
  for (int d = 0; d < v.ndim; ++d) {
    if (d >= position && d < position + index_dims) continue;
    sorted.sizes[to] = v.sizes[d];
    sorted.strides[to++] = v.strides[d];
  }
  return sorted;
}

bool mergeable(const Tensor& x, int64_t first, int64_t dims) {
  for (int64_t d = first; d + 1 < first + dims; ++d) {
    if (x.strides()[d] != x.strides()[d + 1] * x.sizes()[d + 1]) return false;
  }
  return true;
}

Shape result_sizes(const Tensor& x, const IndexPositions& at) {
  Shape sizes;
  int64_t kept = 0;
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (kept == at.position && sizes.size() == static_cast<size_t>(kept)) {
      for (int64_t s : at.shape) sizes.push_back(s);
    }
    bool indexed = false;
    for (int64_t i : at.dims) indexed = indexed || i == d;
    if (indexed) continue;
    sizes.push_back(x.sizes()[d]);
    ++kept;
  }
  return sizes;
}

struct IndexGet {
  static constexpr auto name = "index";
  Output forward(Forward& f, const Input& x, const Input& places) {
    x_sizes = x.sizes();
    x_options = x.options();
    Output y = f.empty(sizes, x.scalar_type(), x.device());
    const auto index_dims = static_cast<int64_t>(at.shape.size());
    kernel::index_get(f.launch(y), count_first(f.out(y), at.position, index_dims, places.numel()),
                      indexed_first(f.in(x), at.dims), f.in(places), static_cast<int32_t>(at.dims.size()));
    f.save(places);
    return y;
  }
  // gx = 0, and gy added at the places that were read
  Grads<2> backward(const Saved& s, const Tensor& gy) const {
    Tensor gx = zeros(x_sizes, x_options);
    IndexPositions where = at;
    where.places = s[0];
    return {index_put_at(gx, where, gy, true), Tensor()};
  }
  IndexPositions at;
  Shape sizes, x_sizes = {};
  TensorOptions x_options = {};
};

struct IndexPut {
  static constexpr auto name = "index_put";
  Output forward(Forward& f, const Input& x, const Input& places, const Input& values) {
    const auto index_dims = static_cast<int64_t>(at.shape.size());
    Output y = f.empty_like(x);
    if (y.data_ptr() != x.data_ptr()) kernel::copy(f.launch(y), f.out(y), f.in(x));
    Tensor from = values.expand(sizes);
    if (!mergeable(from, at.position, index_dims)) from = from.contiguous();
    kernel::index_put(f.launch(y), indexed_first(f.out(y), at.dims), f.in(places),
                      count_first(f.in(from), at.position, index_dims, places.numel()),
                      static_cast<int32_t>(at.dims.size()), accumulate);
    f.save(places);
    return y;
  }
  // gx = gy, and 0 where x was overwritten; gvalues = gy at the places that were written
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    IndexPositions where = at;
    where.places = s[0];
    Tensor gx = gy, gvalues;
    if (!accumulate && s.needs(0)) gx = index_put_at(gy.clone(), where, zeros({}, gy.options()), false);
    if (s.needs(2)) gvalues = index_get(gy, where);
    return {gx, Tensor(), gvalues};
  }
  IndexPositions at;
  Shape sizes;
  bool accumulate;
};

/// The positions where a mask is true, one index tensor per dimension of it.
void expand_mask(const Tensor& x, const Tensor& mask, int64_t first_dim, std::vector<Tensor>& expanded) {
  if (mask.scalar_type() == kByte) {
    warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.");
  }
  for (int64_t d = 0; d < mask.dim(); ++d) {
    FULMEN_CHECK_INDEX(first_dim + d < x.dim() && mask.size(d) == x.size(first_dim + d), "The shape of the mask ",
                       mask.sizes(), " at index ", d, " does not match the shape of the indexed tensor ", x.sizes(),
                       " at index ", first_dim + d);
  }
  const Tensor where = mask.nonzero();
  for (int64_t d = 0; d < mask.dim(); ++d) expanded.push_back(where.select(1, d));
}

std::vector<Tensor> expand_indices(const Tensor& x, const std::vector<Tensor>& indices) {
  std::vector<Tensor> expanded;
  for (const Tensor& one : indices) {
    if (!one.defined()) {
      expanded.emplace_back();
      continue;
    }
    const ScalarType t = one.scalar_type();
    FULMEN_CHECK_INDEX(t == kLong || t == kInt || t == kByte || t == kBool,
                       "tensors used as indices must be long, int, byte or bool tensors; got ", one);
    FULMEN_CHECK(one.is_cpu() || one.device() == x.device(),
                 "indices should be either on cpu or on the same device as the indexed tensor (", x.device(), ")");
    if (t == kByte || t == kBool) {
      expand_mask(x, one, static_cast<int64_t>(expanded.size()), expanded);
    } else {
      expanded.push_back(one.to(x.device(), kLong));
    }
  }
  FULMEN_CHECK_INDEX(expanded.size() <= static_cast<size_t>(x.dim()), "too many indices for tensor of dimension ",
                     x.dim(), " (got ", expanded.size(), ")");
  return expanded;
}

Shape common_shape(const std::vector<Tensor>& indices) {
  Shape shape;
  std::string shapes;
  for (const Tensor& one : indices) {
    if (one.defined()) shapes += (shapes.empty() ? "" : ", ") + str(one.sizes());
  }
  for (const Tensor& one : indices) {
    if (!one.defined()) continue;
    const IntArrayRef sizes = one.sizes();
    while (shape.size() < sizes.size()) shape.insert(0, 1);
    for (size_t i = 0; i < sizes.size(); ++i) {
      int64_t& size = shape[shape.size() - sizes.size() + i];
      FULMEN_CHECK_INDEX(size == sizes[i] || size == 1 || sizes[i] == 1,
                         "shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
      if (size == 1) size = sizes[i];
    }
  }
  return shape;
}

}  // namespace

IndexPositions index_positions(const Tensor& x, const std::vector<Tensor>& given) {
  NoGradGuard no_grad;
  const std::vector<Tensor> indices = expand_indices(x, given);
  IndexPositions at;
  at.shape = common_shape(indices);
  for (size_t d = 0; d < indices.size(); ++d) {
    if (indices[d].defined()) at.dims.push_back(static_cast<int64_t>(d));
  }
  const bool adjacent = at.dims.back() - at.dims[0] + 1 == static_cast<int64_t>(at.dims.size());
  at.position = adjacent ? at.dims[0] : 0;
  for (int64_t d : at.dims) {
    const Tensor index = indices[static_cast<size_t>(d)].expand(at.shape);
    at.places = apply(Places{at.places, x.size(d), d}, index.to(x.device()));
  }
  at.places = at.places.flatten();
  return at;
}

Tensor index_get(const Tensor& x, const IndexPositions& at) {
  IndexPositions where = at;
  where.places = Tensor();
  return apply(IndexGet{std::move(where), result_sizes(x, at)}, x, at.places);
}

Tensor& index_put_at(const Tensor& x, const IndexPositions& at, const Tensor& values, bool accumulate) {
  FULMEN_CHECK(x.scalar_type() == values.scalar_type(),
               "Index put requires the source and destination dtypes match, got ", to_string(x.scalar_type()),
               " for the destination and ", to_string(values.scalar_type()), " for the source.");
  const Shape sizes = result_sizes(x, at);
  bool fits = values.sizes().size() <= sizes.size();
  for (size_t i = 0; fits && i < values.sizes().size(); ++i) {
    const int64_t size = values.sizes()[i];
    fits = size == 1 || size == sizes[sizes.size() - values.sizes().size() + i];
  }
  FULMEN_CHECK(fits, "shape mismatch: value tensor of shape ", values.sizes(),
               " cannot be broadcast to indexing result of shape ", IntArrayRef(sizes));
  IndexPositions where = at;
  where.places = Tensor();
  return apply_inplace(IndexPut{std::move(where), sizes, accumulate}, x, at.places, values.to(x.device()));
}

}  // namespace fulmen::autograd
