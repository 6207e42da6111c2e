#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/copy.h>

// Joining and cutting: cat, stack, split, chunk, unbind, repeat, flip.
namespace fulmen {

using namespace autograd;

namespace {

/// `size` indices of dimension `dim` of y, from `start`.
View part_of(View y, int64_t dim, int64_t start, int64_t size) {
  y.data = static_cast<char*>(y.data) + start * y.strides[dim] * element_size(y.dtype);
  y.numel = y.sizes[dim] == 0 ? 0 : y.numel / y.sizes[dim] * size;
  y.sizes[dim] = size;
  return y;
}

struct Cat {
  static constexpr auto name = "cat";
  int64_t dim;
  Shape sizes;
  ScalarType dtype;
  std::vector<int64_t> lengths = {};
  Output forward(Forward& f, TensorList in) {
    Output y = f.empty(sizes, dtype, in[0].device());
    int64_t start = 0;
    for (const Tensor& x : in) {
      lengths.push_back(x.size(dim));
      kernel::copy(f.launch(y), part_of(f.out(y), dim, start, lengths.back()), f.in(x));
      start += lengths.back();
    }
    return y;
  }
  // gx_i = the part of gy that x_i became
  GradList backward(const Saved& s, const Tensor& gy) const {
    GradList gx(lengths.size());
    int64_t start = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      if (s.needs(i)) gx[i] = gy.narrow(dim, start, lengths[i]);
      start += lengths[i];
    }
    return gx;
  }
};

struct Flip {
  static constexpr auto name = "flip";
  Shape dims;
  Output forward(Forward& f, const Input& x) {
    Output y = f.empty_like(x);
    if (x.numel() == 0) return y;
    ConstView from = f.in(x);
    for (int64_t d : dims) {
      from.data =
          static_cast<const char*>(from.data) + (from.sizes[d] - 1) * from.strides[d] * element_size(from.dtype);
      from.strides[d] = -from.strides[d];
    }
    kernel::copy(f.launch(y), f.out(y), from);
    return y;
  }
  // gx = gy flipped back
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {gy.flip(dims)}; }
};

bool is_legacy_empty(const Tensor& t) { return t.dim() == 1 && t.numel() == 0; }

}  // namespace

Tensor cat(TensorList tensors, int64_t dim) {
  FULMEN_CHECK(!tensors.empty(), "cat: expected a non-empty list of Tensors");
  if (autocast::applies(autocast::promoted_on_cpu, tensors[0]))
    return autocast::recast(autocast::promoted_on_cpu, cat, tensors, dim);
  const Tensor* first = nullptr;
  ScalarType dtype = tensors[0].scalar_type();
  std::vector<Tensor> used;
  for (const Tensor& t : tensors) {
    dtype = promote_types(dtype, t.scalar_type());
    if (is_legacy_empty(t)) continue;
    FULMEN_CHECK(t.dim() > 0, "zero-dimensional tensor (at position ", &t - tensors.data(), ") cannot be concatenated");
    if (!first) first = &t;
    used.push_back(t);
  }
  if (!first) return tensors[0].clone();
  int64_t d = wrap_dim(dim, first->dim());
  Shape sizes = first->sizes();
  sizes[static_cast<size_t>(d)] = 0;
  for (const Tensor& t : used) {
    FULMEN_CHECK(t.dim() == first->dim(), "Tensors must have same number of dimensions: got ", first->dim(), " and ",
                 t.dim());
    FULMEN_CHECK(t.device() == first->device(), "cat: Expected all tensors to be on the same device, but found ",
                 first->device(), " and ", t);
    for (int64_t i = 0; i < t.dim(); ++i) {
      FULMEN_CHECK(i == d || t.size(i) == first->size(i), "Sizes of tensors must match except in dimension ", d,
                   ". Expected size ", first->size(i), " but got size ", t.size(i), " for tensor number ",
                   &t - used.data(), " in the list.");
    }
    sizes[static_cast<size_t>(d)] += t.size(d);
  }
  return apply_list(Cat{d, std::move(sizes), dtype}, used);
}

Tensor stack(TensorList tensors, int64_t dim) {
  FULMEN_CHECK(!tensors.empty(), "stack expects a non-empty TensorList");
  if (autocast::applies(autocast::promoted_on_cpu, tensors[0]))
    return autocast::recast(autocast::promoted_on_cpu, stack, tensors, dim);
  int64_t d = wrap_dim(dim, tensors[0].dim() + 1);
  std::vector<Tensor> raised;
  raised.reserve(tensors.size());
  for (const Tensor& t : tensors) {
    FULMEN_CHECK(t.sizes() == tensors[0].sizes(), "stack expects each tensor to be equal size, but got ",
                 tensors[0].sizes(), " at entry 0 and ", t.sizes(), " at entry ", &t - tensors.data());
    raised.push_back(t.unsqueeze(d));
  }
  return cat(raised, d);
}

namespace {

std::vector<Tensor> at_least(TensorList tensors, int64_t dims) {
  std::vector<Tensor> out(tensors.begin(), tensors.end());
  for (Tensor& t : out) {
    while (t.dim() < dims) t = t.unsqueeze(0);
  }
  return out;
}

}  // namespace

Tensor hstack(TensorList tensors) {
  FULMEN_CHECK(!tensors.empty(), "hstack expects a non-empty TensorList");
  std::vector<Tensor> list = at_least(tensors, 1);
  return cat(list, list[0].dim() == 1 ? 0 : 1);
}

Tensor vstack(TensorList tensors) {
  FULMEN_CHECK(!tensors.empty(), "vstack expects a non-empty TensorList");
  return cat(at_least(tensors, 2), 0);
}

std::vector<Tensor> split_with_sizes(const Tensor& x, IntArrayRef split_sizes, int64_t dim) {
  int64_t total = 0, start = 0;
  for (int64_t s : split_sizes) {
    FULMEN_CHECK(s >= 0, "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=",
                 split_sizes);
    total += s;
  }
  FULMEN_CHECK(total == x.size(dim), "split_with_sizes expects split_sizes to sum exactly to ", x.size(dim),
               " (input tensor's size at dimension ", dim, "), but got split_sizes=", split_sizes);
  std::vector<Tensor> out;
  out.reserve(split_sizes.size());
  for (int64_t s : split_sizes) {
    out.push_back(x.narrow(dim, start, s));
    start += s;
  }
  return out;
}

std::vector<Tensor> split(const Tensor& x, int64_t split_size, int64_t dim) {
  FULMEN_CHECK(x.dim() > 0, "split expects at least a 1-dimensional tensor");
  int64_t size = x.size(dim);
  FULMEN_CHECK(split_size > 0 || (split_size == 0 && size == 0), "split expects split_size be non-negative, but got ",
               "split_size=", split_size, " for a dimension of size ", size);
  std::vector<int64_t> sizes;
  for (int64_t start = 0; start < size; start += split_size) {
    sizes.push_back(size - start < split_size ? size - start : split_size);
  }
  if (sizes.empty()) sizes.push_back(0);
  return split_with_sizes(x, sizes, dim);
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  FULMEN_CHECK(x.dim() > 0, "chunk expects at least a 1-dimensional tensor");
  FULMEN_CHECK(chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
  int64_t size = x.size(dim), each = (size + chunks - 1) / chunks;
  if (size == 0) return split_with_sizes(x, std::vector<int64_t>(static_cast<size_t>(chunks), 0), dim);
  return split(x, each, dim);
}

std::vector<Tensor> unbind(const Tensor& x, int64_t dim) {
  FULMEN_CHECK(x.dim() > 0, "unbind: Dimension specified as ", dim, " but tensor has no dimensions");
  std::vector<Tensor> out;
  for (int64_t i = 0; i < x.size(dim); ++i) out.push_back(x.select(dim, i));
  return out;
}

Tensor repeat(const Tensor& x, IntArrayRef repeats) {
  FULMEN_CHECK(static_cast<int64_t>(repeats.size()) >= x.dim(),
               "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
  // [r0, s0, r1, s1, ...] expanded without a copy, then read as [r0 * s0, r1 * s1, ...].
  size_t lead = repeats.size() - static_cast<size_t>(x.dim());
  Shape split_sizes, wide, out;
  for (size_t i = 0; i < repeats.size(); ++i) {
    FULMEN_CHECK(repeats[i] >= 0, "repeat: repeats must be non-negative; got ", repeats);
    int64_t size = i < lead ? 1 : x.sizes()[i - lead];
    split_sizes.push_back(1);
    split_sizes.push_back(size);
    wide.push_back(repeats[i]);
    wide.push_back(size);
    out.push_back(repeats[i] * size);
  }
  return x.reshape(split_sizes).expand(wide).clone().reshape(out);
}

Tensor flip(const Tensor& x, IntArrayRef dims) {
  Shape wrapped;
  uint32_t seen = 0;
  for (int64_t d : dims) {
    int64_t w = wrap_dim(d, x.dim());
    FULMEN_CHECK(!(seen >> w & 1u), "dim ", w, " appears multiple times in the list of dims");
    seen |= 1u << w;
    if (x.dim() > 0) wrapped.push_back(w);
  }
  return apply(Flip{std::move(wrapped)}, x);
}

std::vector<Tensor> Tensor::split(int64_t size, int64_t dim) const { return fulmen::split(*this, size, dim); }
std::vector<Tensor> Tensor::split_with_sizes(IntArrayRef sizes, int64_t dim) const {
  return fulmen::split_with_sizes(*this, sizes, dim);
}
std::vector<Tensor> Tensor::chunk(int64_t chunks, int64_t dim) const { return fulmen::chunk(*this, chunks, dim); }
std::vector<Tensor> Tensor::unbind(int64_t dim) const { return fulmen::unbind(*this, dim); }
Tensor Tensor::repeat(IntArrayRef repeats) const { return fulmen::repeat(*this, repeats); }
Tensor Tensor::flip(IntArrayRef dims) const { return fulmen::flip(*this, dims); }

}  // namespace fulmen
