#include <fulmen/autograd/meta.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/views.h>

// Views: ops without a kernel. Each forward() only computes sizes, strides and offset.
namespace fulmen {

using namespace autograd;

namespace {

struct Viewed {
  static constexpr auto name = "view";
  Shape sizes, strides, from = {};
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    return f.view(x, sizes, strides, x.storage_offset());
  }
  // gx = gy under x's sizes
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.reshape(from)}; }
};

struct Permute {
  static constexpr auto name = "permute";
  Shape dims;
  Output forward(Forward& f, const Input& x) {
    Shape sizes = x.sizes(), strides = x.strides();
    for (size_t i = 0; i < dims.size(); ++i) {
      sizes[i] = x.sizes()[static_cast<size_t>(dims[i])];
      strides[i] = x.strides()[static_cast<size_t>(dims[i])];
    }
    return f.view(x, sizes, strides, x.storage_offset());
  }
  // gx = gy with the dimensions back in place
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    Shape inverse(dims.size(), 0);
    for (size_t i = 0; i < dims.size(); ++i) inverse[static_cast<size_t>(dims[i])] = static_cast<int64_t>(i);
    return {gy.permute(inverse)};
  }
};

struct Transpose {
  static constexpr auto name = "transpose";
  int64_t a, b;
  Output forward(Forward& f, const Input& x) {
    Shape sizes = x.sizes(), strides = x.strides();
    std::swap(sizes[static_cast<size_t>(a)], sizes[static_cast<size_t>(b)]);
    std::swap(strides[static_cast<size_t>(a)], strides[static_cast<size_t>(b)]);
    return f.view(x, sizes, strides, x.storage_offset());
  }
  // gx = gy transposed back
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.transpose(a, b)}; }
};

struct Squeeze {
  static constexpr auto name = "squeeze";
  int64_t dim;  ///< -1: every dimension of size 1
  Shape from = {};
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    Shape sizes, strides;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] == 1 && (dim < 0 || static_cast<size_t>(dim) == i)) continue;
      sizes.push_back(from[i]);
      strides.push_back(x.strides()[i]);
    }
    return f.view(x, sizes, strides, x.storage_offset());
  }
  // gx = gy under x's sizes
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.reshape(from)}; }
};

struct Unsqueeze {
  static constexpr auto name = "unsqueeze";
  int64_t dim;
  Output forward(Forward& f, const Input& x) {
    Shape sizes = x.sizes(), strides = x.strides();
    auto d = static_cast<size_t>(dim);
    strides.insert(d, d < sizes.size() ? sizes[d] * strides[d] : 1);
    sizes.insert(d, 1);
    return f.view(x, sizes, strides, x.storage_offset());
  }
  // gx = gy without the new dimension
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.squeeze(dim)}; }
};

struct Expand {
  static constexpr auto name = "expand";
  Shape sizes, from = {};
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    Shape strides(sizes.size(), 0);
    size_t lead = sizes.size() - from.size();
    for (size_t i = 0; i < from.size(); ++i) {
      strides[i + lead] = from[i] == 1 && sizes[i + lead] != 1 ? 0 : x.strides()[i];
    }
    return f.view(x, sizes, strides, x.storage_offset());
  }
  // gx = gy summed over the repetitions
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.sum_to_size(from)}; }
};

}  // namespace

Tensor view(const Tensor& x, IntArrayRef sizes) {
  Shape wanted = infer_sizes(sizes, x.numel());
  std::optional<Shape> strides = strides_for(x, wanted);
  FULMEN_CHECK(strides,
               "view size is not compatible with input tensor's size and stride (at least one dimension spans "
               "across two contiguous subspaces). Use .reshape(...) instead.");
  return apply_view(Viewed{std::move(wanted), std::move(*strides)}, x);
}

Tensor reshape(const Tensor& x, IntArrayRef sizes) {
  Shape wanted = infer_sizes(sizes, x.numel());
  std::optional<Shape> strides = strides_for(x, wanted);
  if (!strides) return view(clone(x), wanted);
  return apply_view(Viewed{std::move(wanted), std::move(*strides)}, x);
}

Tensor flatten(const Tensor& x, int64_t start_dim, int64_t end_dim) {
  int64_t start = wrap_dim(start_dim, x.dim()), end = wrap_dim(end_dim, x.dim());
  FULMEN_CHECK(start <= end, "flatten() has invalid args: start_dim cannot come after end_dim");
  if (x.dim() == 0) return x.reshape({1});
  if (start == end) return x;
  Shape sizes;
  int64_t joined = 1;
  for (int64_t i = 0; i < x.dim(); ++i) {
    if (i < start || i > end) {
      sizes.push_back(x.size(i));
    } else {
      joined *= x.size(i);
      if (i == end) sizes.push_back(joined);
    }
  }
  return x.reshape(sizes);
}

Tensor unflatten(const Tensor& x, int64_t dim, IntArrayRef sizes) {
  int64_t d = wrap_dim(dim, x.dim());
  FULMEN_CHECK(!sizes.empty(), "unflatten: sizes must be non-empty");
  Shape inner = sizes, out;
  int64_t known = 1;
  for (int64_t s : sizes) known *= s == -1 ? 1 : s;
  for (int64_t& s : inner) {
    if (s == -1 && known > 0) s = x.size(d) / known;
  }
  int64_t total = 1;
  for (int64_t s : inner) total *= s;
  FULMEN_CHECK(total == x.size(d), "unflatten: Provided sizes ", sizes, " don't multiply up to the size of dim ", d,
               " (", x.size(d), ") in the input tensor");
  for (int64_t i = 0; i < x.dim(); ++i) {
    if (i != d) {
      out.push_back(x.size(i));
    } else {
      for (int64_t s : inner) out.push_back(s);
    }
  }
  return x.view(out);
}

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  int64_t a = wrap_dim(dim0, x.dim()), b = wrap_dim(dim1, x.dim());
  if (a == b || x.dim() == 0) return x.dim() == 0 ? x : apply_view(Transpose{a, b}, x);
  return apply_view(Transpose{a, b}, x);
}

Tensor t(const Tensor& x) {
  FULMEN_CHECK(x.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", x.dim(), "D");
  return x.dim() < 2 ? x : transpose(x, 0, 1);
}

Tensor permute(const Tensor& x, IntArrayRef dims) {
  FULMEN_CHECK(static_cast<int64_t>(dims.size()) == x.dim(),
               "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
               "ordering of dimensions i.e. input.dim() = ",
               x.dim(), " is not equal to len(dims) = ", dims.size());
  Shape wrapped;
  uint32_t seen = 0;
  for (int64_t d : dims) {
    int64_t w = wrap_dim(d, x.dim());
    FULMEN_CHECK(!(seen >> w & 1u), "permute(): duplicate dims are not allowed.");
    seen |= 1u << w;
    wrapped.push_back(w);
  }
  return apply_view(Permute{std::move(wrapped)}, x);
}

Tensor squeeze(const Tensor& x) { return apply_view(Squeeze{-1}, x); }
Tensor squeeze(const Tensor& x, int64_t dim) {
  int64_t d = wrap_dim(dim, x.dim());
  return apply_view(Squeeze{d}, x);
}
Tensor unsqueeze(const Tensor& x, int64_t dim) { return apply_view(Unsqueeze{wrap_dim(dim, x.dim() + 1)}, x); }

Tensor expand(const Tensor& x, IntArrayRef sizes) {
  FULMEN_CHECK(sizes.size() >= x.sizes().size(), "expand(", to_string(x.scalar_type()), "Tensor{", x.sizes(),
               "}, size=", sizes, "): the number of sizes provided (", sizes.size(),
               ") must be greater or equal to the number of dimensions in the tensor (", x.dim(), ")");
  Shape out = sizes;
  size_t lead = sizes.size() - x.sizes().size();
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i < lead) {
      FULMEN_CHECK(sizes[i] >= 0, "The expanded size of the tensor (", sizes[i],
                   ") isn't allowed in a leading, non-existing dimension ", i);
      continue;
    }
    int64_t have = x.sizes()[i - lead];
    if (sizes[i] == -1) out[i] = have;
    FULMEN_CHECK(have == out[i] || have == 1, "The expanded size of the tensor (", sizes[i],
                 ") must match the existing size (", have, ") at non-singleton dimension ", i,
                 ".  Target sizes: ", sizes, ".  Tensor sizes: ", x.sizes());
  }
  return apply_view(Expand{std::move(out)}, x);
}

Tensor broadcast_to(const Tensor& x, IntArrayRef sizes) { return expand(x, sizes); }

std::vector<Tensor> broadcast_tensors(TensorList tensors) {
  Shape sizes;
  for (const Tensor& t : tensors) sizes = broadcast_shapes(sizes, t.sizes());
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(expand(t, sizes));
  return out;
}

// --- members
// -----------------------------------------------------------------------------------------------------------

Tensor Tensor::view(IntArrayRef sizes) const { return fulmen::view(*this, sizes); }
Tensor Tensor::reshape(IntArrayRef sizes) const { return fulmen::reshape(*this, sizes); }
Tensor Tensor::flatten(int64_t start, int64_t end) const { return fulmen::flatten(*this, start, end); }
Tensor Tensor::unflatten(int64_t dim, IntArrayRef sizes) const { return fulmen::unflatten(*this, dim, sizes); }
Tensor Tensor::transpose(int64_t a, int64_t b) const { return fulmen::transpose(*this, a, b); }
Tensor Tensor::t() const { return fulmen::t(*this); }
Tensor Tensor::permute(IntArrayRef dims) const { return fulmen::permute(*this, dims); }
Tensor Tensor::squeeze() const { return fulmen::squeeze(*this); }
Tensor Tensor::squeeze(int64_t dim) const { return fulmen::squeeze(*this, dim); }
Tensor Tensor::unsqueeze(int64_t dim) const { return fulmen::unsqueeze(*this, dim); }
Tensor Tensor::expand(IntArrayRef sizes, bool) const { return fulmen::expand(*this, sizes); }
Tensor& Tensor::transpose_(int64_t dim0, int64_t dim1) const {
  int64_t a = wrap_dim(dim0, dim()), b = wrap_dim(dim1, dim());
  Tensor turned = fulmen::transpose(*this, a, b);
  bool recorded = GradMode::is_enabled() && requires_grad();
  Machine::check_inplace(*this, "transpose", recorded);
  impl_->sizes = turned.impl()->sizes;
  impl_->strides = turned.impl()->strides;
  impl_->refresh();
  if (recorded) set_history(*this, turned.grad_fn(), turned.impl()->output_nr);
  return const_cast<Tensor&>(*this);
}

}  // namespace fulmen
