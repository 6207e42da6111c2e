#include <fulmen/kernels/view.h>
#include <fulmen/tensor/pool.h>
#include <fulmen/tensor/tensor.h>

#include <new>

namespace fulmen {

namespace {

// Row-major strides for `sizes`; returns the number of elements.
int64_t row_major(const Shape& sizes, Shape& strides) noexcept {
  strides.resize(sizes.size());
  int64_t count = 1, step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= sizes[i] > 1 ? sizes[i] : 1;
    count *= sizes[i];
  }
  return count;
}

// The number of bytes, which must fit into memory: throws for any sizes that no tensor can have.
size_t checked_bytes(IntArrayRef sizes, ScalarType dtype) {
  FULMEN_CHECK(dtype != ScalarType::Undefined, "empty: an undefined dtype has no elements");
  FULMEN_CHECK(sizes.size() <= max_dims, "empty: ", sizes.size(), " dimensions; tensors have at most ", max_dims);
  int64_t bytes = element_size(dtype);
  bool overflow = false, none = false;
  for (int64_t size : sizes) {
    FULMEN_CHECK(size >= 0, "Trying to create tensor with negative dimension ", size, ": ", sizes);
    overflow = __builtin_mul_overflow(bytes, size > 1 ? size : int64_t{1}, &bytes) || overflow;
    none = none || size == 0;
  }
  FULMEN_CHECK(!overflow, "Storage size calculation overflowed with sizes=", sizes);
  return none ? 0 : static_cast<size_t>(bytes);
}

int64_t wrap_dim(int64_t dim, int64_t dims) {
  const int64_t range = dims > 0 ? dims : 1;
  FULMEN_CHECK_INDEX(dim >= -range && dim < range, "Dimension out of range (expected to be in range of [", -range, ", ",
                     range - 1, "], but got ", dim, ")");
  FULMEN_CHECK_INDEX(dims > 0, "dimension specified as ", dim, " but tensor has no dimensions");
  return dim < 0 ? dim + dims : dim;
}

Scalar read_element(const void* element, ScalarType dtype) {
  switch (dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return Scalar(*static_cast<const T*>(element));
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    case ScalarType::Undefined:
      break;
  }
  return {};
}

}  // namespace

TensorImpl* TensorImpl::make() { return new (pool_allocate(sizeof(TensorImpl))) TensorImpl; }

// One pass over the sizes; what is wrong with them is worked out only when something is.
TensorImpl* TensorImpl::allocate(IntArrayRef sizes, ScalarType dtype, Device device) {
  const size_t dims = sizes.size();
  if (dims > max_dims || dtype == ScalarType::Undefined) [[unlikely]]
    checked_bytes(sizes, dtype);
  Tensor made = Tensor::adopt(make());
  TensorImpl* impl = made.impl();
  impl->dtype = dtype;
  impl->sizes.resize(dims);
  impl->strides.resize(dims);
  int64_t *own = impl->sizes.data(), *strides = impl->strides.data();
  int64_t step = 1, bytes = 0;
  bool wrong = false, none = false;
  for (size_t i = dims; i-- > 0;) {
    const int64_t size = sizes[i];
    own[i] = size;
    strides[i] = step;
    wrong = __builtin_mul_overflow(step, size > 1 ? size : int64_t{1}, &step) || size < 0 || wrong;
    none = none || size == 0;
  }
  wrong = __builtin_mul_overflow(step, fulmen::element_size(dtype), &bytes) || wrong;
  if (wrong) [[unlikely]]
    checked_bytes(sizes, dtype);
  impl->numel = none ? 0 : step;
  impl->storage = Storage::allocate(none ? 0 : static_cast<size_t>(bytes), device);
  return made.release();
}

void TensorImpl::destroy(TensorImpl* impl) noexcept {
  if (impl->grad_fn) autograd::release_node(impl->grad_fn);
  if (impl->meta) autograd::release_meta(impl->meta);
  impl->~TensorImpl();
  pool_free(impl, sizeof(TensorImpl));
}

void TensorImpl::refresh() noexcept {
  int64_t count = 1, step = 1;
  bool dense = true;
  for (size_t i = sizes.size(); i-- > 0;) {
    count *= sizes[i];
    if (sizes[i] == 1) continue;
    dense = dense && strides[i] == step;
    step *= sizes[i];
  }
  numel = count;
  contiguous = dense || count == 0;
}

void Tensor::undefined() {
  fail(
      "undefined Tensor: this handle holds no tensor (default constructed, moved from, or a gradient that does not "
      "exist); check defined() first");
}

Tensor& Tensor::operator=(const Tensor& other) & noexcept {
  Tensor copy(other);
  std::swap(impl_, copy.impl_);
  return *this;
}
Tensor& Tensor::operator=(Tensor&& other) & noexcept {
  Tensor taken(std::move(other));
  std::swap(impl_, taken.impl_);
  return *this;
}
Tensor& Tensor::operator=(const Tensor& other) && { return copy_(other); }
Tensor& Tensor::operator=(Tensor&& other) && { return copy_(other); }
Tensor& Tensor::operator=(const Scalar& value) && { return fill_(value); }

int64_t Tensor::size(int64_t d) const { return get()->sizes[static_cast<size_t>(wrap_dim(d, dim()))]; }
int64_t Tensor::stride(int64_t d) const { return get()->strides[static_cast<size_t>(wrap_dim(d, dim()))]; }

bool Tensor::is_non_overlapping_and_dense() const {
  const TensorImpl& t = *get();
  if (t.contiguous) return true;
  // Dense means that some order of the dimensions, from the smallest stride to the largest, is row-major.
  int64_t expected = 1;
  bool used[max_dims] = {};
  for (size_t placed = 0; placed < t.sizes.size(); ++placed) {
    size_t found = t.sizes.size();
    for (size_t i = 0; i < t.sizes.size() && found == t.sizes.size(); ++i) {
      if (!used[i] && (t.sizes[i] == 1 || t.strides[i] == expected)) found = i;
    }
    if (found == t.sizes.size()) return false;
    used[found] = true;
    expected *= t.sizes[found];
  }
  return true;
}

void Tensor::check_dtype(ScalarType wanted) const {
  FULMEN_CHECK(scalar_type() == wanted, "expected scalar type ", to_string(wanted), " but found ",
               to_string(scalar_type()));
}

void Tensor::check_accessor(size_t dims) const {
  FULMEN_CHECK(static_cast<size_t>(dim()) == dims, "TensorAccessor expected ", dims, " dims but tensor has ", dim());
  FULMEN_CHECK(is_cpu(), "accessor: the tensor is ", *this,
               "; only memory of the CPU can be read in place, use .cpu()");
}

Scalar Tensor::item() const {
  FULMEN_CHECK(numel() == 1, "a Tensor with ", numel(), " elements cannot be converted to Scalar");
  if (!is_cpu()) return cpu().item();
  return read_element(get()->data(), scalar_type());
}

bool Tensor::is_pinned() const { return get()->storage.is_pinned(); }

Tensor& Tensor::resize_(IntArrayRef sizes) const {
  TensorImpl& t = *get();
  FULMEN_CHECK(!requires_grad(), "resize_: cannot resize variables that require grad");
  const size_t bytes = checked_bytes(sizes, t.dtype);
  const size_t needed = bytes == 0 ? 0 : bytes + static_cast<size_t>(t.offset * fulmen::element_size(t.dtype));
  if (needed > t.storage.nbytes()) t.storage.resize(needed);
  t.sizes.assign(sizes);
  t.numel = row_major(t.sizes, t.strides);
  t.contiguous = true;
  return const_cast<Tensor&>(*this);
}

}  // namespace fulmen
