#include <fulmen/data/rows.h>

#include <cstring>

namespace fulmen::data {

namespace {

/// Whether the elements may be moved as bytes: nothing records it, and they lie one after the other.
bool plain(const Tensor& t) { return t.is_cpu() && t.is_contiguous() && !t.requires_grad(); }

Shape strides_of(IntArrayRef sizes) {
  Shape strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;) {
    int64_t step = sizes[i] > 1 ? sizes[i] : 1;
    FULMEN_CHECK(!__builtin_mul_overflow(strides[i], step, &strides[i - 1]), "data: tensor too large: ", sizes);
  }
  return strides;
}

/// All that one row holds, for tensors of equal trailing sizes.
int64_t row_bytes(const Tensor& t) {
  int64_t elements = 1;
  for (int64_t d = 1; d < t.dim(); ++d) elements *= t.sizes()[static_cast<size_t>(d)];
  return elements * t.element_size();
}

void check_same_kind(const char* what, const Tensor& first, const Tensor& other, size_t index, size_t from_dim) {
  IntArrayRef a = first.sizes(), b = other.sizes();
  bool same = a.size() == b.size() && first.scalar_type() == other.scalar_type() && first.device() == other.device();
  for (size_t d = from_dim; same && d < a.size(); ++d) same = a[d] == b[d];
  FULMEN_CHECK(same, what, ": tensors of one batch must agree in sizes, dtype and device; tensor 0 is ", first,
               ", tensor ", index, " is ", other);
}

}  // namespace

Tensor empty_rows(IntArrayRef sizes, ScalarType dtype, Device device) {
  int64_t bytes = element_size(dtype);
  for (int64_t s : sizes) {
    FULMEN_CHECK(s >= 0 && !__builtin_mul_overflow(bytes, s, &bytes), "data: impossible sizes ", sizes);
  }
  TensorImpl* impl = TensorImpl::make();
  Tensor result = Tensor::adopt(impl);
  impl->dtype = dtype;
  impl->sizes.assign(sizes);
  impl->strides = strides_of(sizes);
  impl->storage = Storage::allocate(static_cast<size_t>(bytes), device);
  impl->refresh();
  return result;
}

Tensor gather_rows(const Tensor& source, std::span<const int64_t> rows) {
  FULMEN_CHECK(source.dim() >= 1, "data: a tensor without dimensions has no rows: ", source);
  const int64_t available = source.sizes()[0];
  for (int64_t row : rows) {
    FULMEN_CHECK_INDEX(row >= 0 && row < available, "data: row ", row, " is outside 0..", available - 1, " of ",
                       source);
  }
  if (!plain(source)) return source.index_select(0, rows_of(rows).to(source.device()));
  Shape sizes(source.sizes());
  sizes[0] = static_cast<int64_t>(rows.size());
  Tensor result = empty_rows(sizes, source.scalar_type());
  const auto bytes = static_cast<size_t>(row_bytes(source));
  if (bytes == 0) return result;
  const auto* from = static_cast<const char*>(source.const_data_ptr());
  auto* to = static_cast<char*>(result.data_ptr());
  for (size_t i = 0; i < rows.size();) {
    size_t run = 1;  // neighbours are copied together: all of them when nothing is shuffled
    while (i + run < rows.size() && rows[i + run] == rows[i] + static_cast<int64_t>(run)) ++run;
    std::memcpy(to + i * bytes, from + static_cast<size_t>(rows[i]) * bytes, run * bytes);
    i += run;
  }
  return result;
}

Tensor stack_rows(std::span<const Tensor* const> tensors) {
  FULMEN_CHECK(!tensors.empty(), "data: an empty list of samples cannot be stacked");
  const Tensor& first = *tensors[0];
  bool all_plain = true;
  for (size_t i = 0; i < tensors.size(); ++i) {
    check_same_kind("data: cannot stack samples", first, *tensors[i], i, 0);
    all_plain = all_plain && plain(*tensors[i]);
  }
  Shape sizes(first.sizes());
  sizes.insert(0, static_cast<int64_t>(tensors.size()));
  Tensor result = empty_rows(sizes, first.scalar_type(), first.device());
  const size_t bytes = first.nbytes();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!all_plain) {
      result.select(0, static_cast<int64_t>(i)).copy_(*tensors[i]);
    } else if (bytes > 0) {
      std::memcpy(static_cast<char*>(result.data_ptr()) + i * bytes, tensors[i]->const_data_ptr(), bytes);
    }
  }
  return result;
}

Tensor join_rows(std::span<const Tensor* const> tensors) {
  FULMEN_CHECK(!tensors.empty(), "data: an empty list of batches cannot be joined");
  const Tensor& first = *tensors[0];
  FULMEN_CHECK(first.dim() >= 1, "data: a tensor without dimensions has no rows to join: ", first);
  bool all_plain = true;
  int64_t rows = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    check_same_kind("data: cannot join batches", first, *tensors[i], i, 1);
    all_plain = all_plain && plain(*tensors[i]);
    rows += tensors[i]->sizes()[0];
  }
  Shape sizes(first.sizes());
  sizes[0] = rows;
  Tensor result = empty_rows(sizes, first.scalar_type(), first.device());
  int64_t row = 0;
  size_t written = 0;
  for (const Tensor* t : tensors) {
    if (!all_plain) {
      result.narrow(0, row, t->sizes()[0]).copy_(*t);
      row += t->sizes()[0];
    } else if (t->nbytes() > 0) {
      std::memcpy(static_cast<char*>(result.data_ptr()) + written, t->const_data_ptr(), t->nbytes());
      written += t->nbytes();
    }
  }
  return result;
}

Tensor rows_of(std::span<const double> values, ScalarType dtype) {
  Tensor result = empty_rows({static_cast<int64_t>(values.size())}, kDouble);
  if (!values.empty()) std::memcpy(result.data_ptr(), values.data(), values.size_bytes());
  return dtype == kDouble ? result : result.to(dtype);
}

Tensor rows_of(std::span<const int64_t> values, ScalarType dtype) {
  Tensor result = empty_rows({static_cast<int64_t>(values.size())}, kLong);
  if (!values.empty()) std::memcpy(result.data_ptr(), values.data(), values.size_bytes());
  return dtype == kLong ? result : result.to(dtype);
}

}  // namespace fulmen::data
