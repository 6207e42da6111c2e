#include <fulmen/autograd/ops/shapes.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/strided_add.h>

// Views of a part: slice, select, narrow, diagonal, as_strided.
namespace fulmen {

using namespace autograd;

namespace {

Tensor slice_backward(const Tensor& gy, const Shape& sizes, int64_t dim, int64_t start, int64_t step);

/// Elements start, start + step, ... of a dimension: `count` of them.
struct Slice {
  static constexpr auto name = "slice";
  int64_t dim, start, step, count;
  Shape from = {};
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    Shape sizes = from, strides = x.strides();
    auto d = static_cast<size_t>(dim);
    int64_t offset = x.storage_offset() + start * strides[d];
    sizes[d] = count;
    strides[d] *= step;
    return f.view(x, sizes, strides, offset);
  }
  // gx = zeros with gy in the places that were taken
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {slice_backward(gy, from, dim, start, step)}; }
};

struct SliceBackward {
  static constexpr auto name = "slice_backward";
  Shape sizes;
  int64_t dim, start, step;
  int64_t count = 0;
  Output forward(Forward& f, const Input& gy) {
    Output gx = f.empty(sizes, gy.scalar_type(), gy.device());
    gx.zero_();
    count = gy.size(dim);
    if (gy.numel() > 0) gx.slice(dim, start, start + (count - 1) * step + 1, step).copy_(gy);
    return gx;
  }
  // ggy = ggx at the places that were taken
  Grads<1> backward(const Saved&, const Tensor& ggx) const {
    return {ggx.slice(dim, start, count == 0 ? start : start + (count - 1) * step + 1, step)};
  }
};

Tensor slice_backward(const Tensor& gy, const Shape& sizes, int64_t dim, int64_t start, int64_t step) {
  return apply(SliceBackward{sizes, dim, start, step}, gy);
}

struct Select {
  static constexpr auto name = "select";
  int64_t dim, index;
  Shape from = {};
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    Shape sizes = from, strides = x.strides();
    auto d = static_cast<size_t>(dim);
    int64_t offset = x.storage_offset() + index * strides[d];
    sizes.erase(d);
    strides.erase(d);
    return f.view(x, sizes, strides, offset);
  }
  // gx = zeros with gy at the index
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    return {slice_backward(gy.unsqueeze(dim), from, dim, index, 1)};
  }
};

struct AsStrided {
  static constexpr auto name = "as_strided";
  Shape sizes, strides;
  int64_t offset;
  Shape from = {}, from_strides = {};
  int64_t from_offset = 0;
  Output forward(Forward& f, const Input& x) {
    from = x.sizes();
    from_strides = x.strides();
    from_offset = x.storage_offset();
    return f.view(x, sizes, strides, offset);
  }
  // gx = gy added to the places it was read from
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    return {as_strided_backward(gy, from, from_strides, from_offset, sizes, strides, offset)};
  }
};

/// Elements of g added to flat memory.
struct AsStridedBackward {
  static constexpr auto name = "as_strided_backward";
  int64_t extent;
  Shape sizes, strides;
  int64_t offset;
  Output forward(Forward& f, const Input& gy) {
    Output flat = f.empty({extent}, gy.scalar_type(), gy.device());
    flat.zero_();
    Tensor dense = gy.contiguous();
    StridedPlaces places{static_cast<int32_t>(sizes.size()), offset, {}, {}};
    for (size_t i = 0; i < sizes.size(); ++i) {
      places.sizes[i] = sizes[i];
      places.strides[i] = strides[i];
    }
    kernel::add_strided(f.launch(flat), f.out(flat), f.in(dense), places);
    return flat;
  }
  // ggy = ggx at the places
  Grads<1> backward(const Saved&, const Tensor& ggx) const {
    Tensor flat = ggx.contiguous();
    return {flat.as_strided(sizes, strides, offset + flat.storage_offset())};
  }
};

}  // namespace

Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) {
  FULMEN_CHECK(x.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  FULMEN_CHECK(step > 0, "slice step must be positive");
  int64_t d = wrap_dim(dim, x.dim()), size = x.size(d);
  int64_t from = start.value_or(0), to = end.value_or(size);
  if (from < 0) from += size;
  if (to < 0) to += size;
  from = from < 0 ? 0 : from > size ? size : from;
  to = to < from ? from : to > size ? size : to;
  return apply_view(Slice{d, from, step, (to - from + step - 1) / step}, x);
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  FULMEN_CHECK_INDEX(x.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
  int64_t d = wrap_dim(dim, x.dim()), size = x.size(d);
  FULMEN_CHECK_INDEX(index >= -size && index < size, "select(): index ", index, " out of range for tensor of size ",
                     x.sizes(), " at dimension ", d);
  return apply_view(Select{d, index < 0 ? index + size : index}, x);
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  FULMEN_CHECK(x.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  FULMEN_CHECK(length >= 0, "narrow(): length must be non-negative.");
  int64_t size = x.size(dim);
  FULMEN_CHECK_INDEX(start >= -size && start <= size, "start (", start, ") is out of range for dimension ", dim,
                     " of size ", size);
  if (start < 0) start += size;
  FULMEN_CHECK(start <= size - length, "start (", start, ") + length (", length, ") exceeds dimension size (", size,
               ").");
  return slice(x, dim, start, start + length);
}

Tensor as_strided(const Tensor& x, IntArrayRef sizes, IntArrayRef strides, std::optional<int64_t> storage_offset) {
  FULMEN_CHECK(sizes.size() == strides.size(), "mismatch in length of strides and shape");
  int64_t offset = storage_offset.value_or(x.storage_offset()), last = offset;
  FULMEN_CHECK(offset >= 0, "as_strided: storage offset must be non-negative; got ", offset);
  bool empty = false;
  for (size_t i = 0; i < sizes.size(); ++i) {
    FULMEN_CHECK(sizes[i] >= 0 && strides[i] >= 0,
                 "as_strided: negative sizes and strides are not supported; got sizes ", sizes, ", strides ", strides);
    empty = empty || sizes[i] == 0;
    last += (sizes[i] - 1) * strides[i];
  }
  int64_t have = static_cast<int64_t>(x.storage().nbytes()) / x.element_size();
  FULMEN_CHECK(empty || last < have, "setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ", offset,
               " require ", last + 1, " elements; the storage has ", have);
  return apply_view(AsStrided{Shape(sizes), Shape(strides), offset}, x);
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t a = wrap_dim(dim1, x.dim()), b = wrap_dim(dim2, x.dim());
  FULMEN_CHECK(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  Shape sizes = x.sizes(), strides = x.strides();
  int64_t rows = x.size(a) - (offset < 0 ? -offset : 0), cols = x.size(b) - (offset > 0 ? offset : 0);
  int64_t count = rows < cols ? rows : cols;
  if (count < 0) count = 0;
  int64_t start = x.storage_offset();
  if (count > 0) start += offset < 0 ? -offset * x.stride(a) : offset * x.stride(b);
  int64_t step = x.stride(a) + x.stride(b);
  for (int64_t d : {a > b ? a : b, a > b ? b : a}) {
    sizes.erase(static_cast<size_t>(d));
    strides.erase(static_cast<size_t>(d));
  }
  sizes.push_back(count);
  strides.push_back(step);
  return as_strided(x, sizes, strides, start);
}

namespace autograd {

Tensor as_strided_backward(const Tensor& gy, IntArrayRef base_sizes, IntArrayRef base_strides, int64_t base_offset,
                           IntArrayRef sizes, IntArrayRef strides, int64_t offset) {
  int64_t base_extent = 1, view_extent = 1;
  for (size_t i = 0; i < base_sizes.size(); ++i) base_extent += (base_sizes[i] - 1) * base_strides[i];
  for (size_t i = 0; i < sizes.size(); ++i) view_extent += (sizes[i] - 1) * strides[i];
  // Flat memory that holds both the base and the view, which may reach beyond it on either side.
  int64_t first = base_offset < offset ? base_offset : offset;
  int64_t end = base_offset + base_extent > offset + view_extent ? base_offset + base_extent : offset + view_extent;
  Tensor flat = apply(AsStridedBackward{end - first, Shape(sizes), Shape(strides), offset - first}, gy);
  return flat.as_strided(base_sizes, base_strides, base_offset - first);
}

}  // namespace autograd

Tensor Tensor::slice(int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) const {
  return fulmen::slice(*this, dim, start, end, step);
}
Tensor Tensor::select(int64_t dim, int64_t index) const { return fulmen::select(*this, dim, index); }
Tensor Tensor::operator[](int64_t index) const { return fulmen::select(*this, 0, index); }
Tensor Tensor::narrow(int64_t dim, int64_t start, int64_t length) const {
  return fulmen::narrow(*this, dim, start, length);
}
Tensor Tensor::as_strided(IntArrayRef sizes, IntArrayRef strides, std::optional<int64_t> offset) const {
  return fulmen::as_strided(*this, sizes, strides, offset);
}
Tensor Tensor::diagonal(int64_t offset, int64_t dim1, int64_t dim2) const {
  return fulmen::diagonal(*this, offset, dim1, dim2);
}

}  // namespace fulmen
