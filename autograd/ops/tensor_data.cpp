#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/tensor_data.h>

#include <cstring>
#include <ostream>
#include <sstream>

namespace fulmen {

namespace detail {

namespace {

std::string text_of(const TensorDataContainer& data) {
  std::ostringstream out;
  out << data;
  return out.str();
}

std::string spaced(IntArrayRef sizes) {
  std::string out;
  for (size_t i = 0; i < sizes.size(); ++i) out += (i > 0 ? " " : "") + std::to_string(sizes[i]);
  return out;
}

void store(void* to, ScalarType dtype, const Scalar& value) {
  check_fits(value, dtype);
  switch (dtype) {
#define X(T, N)                                \
  case ScalarType::N: {                        \
    const T element = value.to<T>();           \
    std::memcpy(to, &element, sizeof element); \
    return;                                    \
  }
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    case ScalarType::Undefined:
      return;
  }
}

}  // namespace

TensorDataContainer::TensorDataContainer(std::initializer_list<TensorDataContainer> list)
    : kind_(Kind::List), dtype_(get_default_dtype()), sizes_{static_cast<int64_t>(list.size())}, list_(list) {
  if (list.size() == 0) return;
  const TensorDataContainer& first = *list.begin();
  dtype_ = first.dtype_;
  for (const TensorDataContainer& entry : list) {
    FULMEN_CHECK(entry.sizes_ == first.sizes_, "Expected all sub-lists to have sizes: ", spaced(first.sizes_),
                 " (e.g. ", text_of(first), "), but got sub-list ", text_of(entry),
                 " with sizes: ", spaced(entry.sizes_));
    FULMEN_CHECK(entry.dtype_ == first.dtype_,
                 "Expected all elements of the tensor to have the same scalar type: ", to_string(first.dtype_),
                 ", but got element of scalar type: ", to_string(entry.dtype_));
  }
  for (int64_t size : first.sizes_) sizes_.push_back(size);
}

TensorDataContainer::TensorDataContainer(const void* values, size_t count, ScalarType dtype)
    : kind_(Kind::Tensor), dtype_(dtype), sizes_{static_cast<int64_t>(count)} {
  tensor_ = empty(sizes_, dtype);
  if (count > 0) std::memcpy(tensor_.data_ptr(), values, tensor_.nbytes());
}

TensorDataContainer::TensorDataContainer(const std::vector<bool>& values)
    : kind_(Kind::Tensor), dtype_(kBool), sizes_{static_cast<int64_t>(values.size())} {
  tensor_ = empty(sizes_, kBool);
  for (size_t i = 0; i < values.size(); ++i) tensor_.data_ptr<bool>()[i] = values[i];
}

const Scalar& TensorDataContainer::scalar() const {
  FULMEN_CHECK(is_scalar(), "Can only call `scalar()` on a TensorDataContainer that has `is_scalar() == true`");
  return scalar_;
}
const std::initializer_list<TensorDataContainer>& TensorDataContainer::init_list() const {
  FULMEN_CHECK(is_init_list(),
               "Can only call `init_list()` on a TensorDataContainer that has `is_init_list() == true`");
  return list_;
}
const Tensor& TensorDataContainer::tensor() const {
  FULMEN_CHECK(is_tensor(), "Can only call `tensor()` on a TensorDataContainer that has `is_tensor() == true`");
  return tensor_;
}

char* TensorDataContainer::write(char* to, ScalarType dtype) const {
  switch (kind_) {
    case Kind::Scalar:
      store(to, dtype, scalar_);
      return to + element_size(dtype);
    case Kind::List:
      for (const TensorDataContainer& entry : list_) to = entry.write(to, dtype);
      return to;
    case Kind::Tensor: {
      const Tensor converted = tensor_.to(dtype);
      if (converted.nbytes() > 0) std::memcpy(to, converted.data_ptr(), converted.nbytes());
      return to + converted.nbytes();
    }
  }
  return to;
}

Tensor TensorDataContainer::convert(const TensorOptions& options) const {
  Tensor made = empty(sizes_, options.dtype());
  write(static_cast<char*>(made.data_ptr()), options.dtype());
  if (!options.device().is_cpu()) made = made.to(options.device());
  if (options.requires_grad()) made.requires_grad_();
  return made;
}

std::ostream& operator<<(std::ostream& out, const TensorDataContainer& data) {
  if (data.is_scalar()) return out << data.scalar();
  out << '{';
  const char* separator = "";
  if (data.is_tensor()) {
    const Tensor& values = data.tensor();
    for (int64_t i = 0; i < values.numel(); ++i) {
      out << separator << values[i].item();
      separator = ", ";
    }
  } else {
    for (const TensorDataContainer& entry : data.init_list()) {
      out << separator << entry;
      separator = ", ";
    }
  }
  return out << '}';
}

Tensor tensor_as_written(const TensorDataContainer& data, const TensorOptions& options) {
  return data.convert(TensorOptions(data.scalar_type()).merge_in(options));
}

}  // namespace detail

Tensor tensor(const detail::TensorDataContainer& data, const TensorOptions& options) {
  ScalarType dtype = data.scalar_type();
  if (dtype == kInt) dtype = kLong;
  if (dtype == kFloat || dtype == kDouble) dtype = get_default_dtype();
  return data.convert(TensorOptions(dtype).merge_in(options));
}

}  // namespace fulmen
