#pragma once
#include <fulmen/tensor/tensor.h>

#include <iosfwd>

namespace fulmen {

namespace detail {

/// Arithmetic C++ types as element types: `long long` is int64, `unsigned` widens to int64, and so on.
template <class T>
constexpr ScalarType element_type() {
  constexpr ScalarType exact = CppTypeToScalarType<T>::value;
  if constexpr (exact != ScalarType::Undefined) {
    return exact;
  } else if constexpr (std::is_integral_v<T>) {
    return sizeof(T) == 1                          ? ScalarType::Char
           : sizeof(T) == 2 && std::is_signed_v<T> ? ScalarType::Short
                                                   : ScalarType::Long;
  } else {
    return ScalarType::Undefined;
  }
}
template <class T>
concept Element = element_type<T>()
!= ScalarType::Undefined;

/// What stands in the braces of tensor({{1, 2}, {3, 4}}): a number, a list of such, or a run of numbers (a vector, an
/// ArrayRef), which is kept as a tensor. Lists are borrowed: use it within the expression that makes it.
class TensorDataContainer {
 public:
  /// {}: no elements, of the default dtype.
  TensorDataContainer() : kind_(Kind::List), dtype_(get_default_dtype()), sizes_{0} {}
  template <Element T>
  TensorDataContainer(T value) : kind_(Kind::Scalar), dtype_(element_type<T>()), scalar_(value) {}
  /// Throws if the entries differ in dtype or sizes.
  TensorDataContainer(std::initializer_list<TensorDataContainer> list);
  template <Element T>
  TensorDataContainer(ArrayRef<T> values) : TensorDataContainer(values.data(), values.size(), element_type<T>()) {
    static_assert(CppTypeToScalarType<T>::value != ScalarType::Undefined, "no dtype has this C++ type");
  }
  template <Element T>
  TensorDataContainer(const std::vector<T>& values) : TensorDataContainer(ArrayRef<T>(values)) {}
  TensorDataContainer(const std::vector<bool>& values);

  bool is_scalar() const { return kind_ == Kind::Scalar; }
  bool is_init_list() const { return kind_ == Kind::List; }
  bool is_tensor() const { return kind_ == Kind::Tensor; }
  const Scalar& scalar() const;
  const std::initializer_list<TensorDataContainer>& init_list() const;
  const Tensor& tensor() const;
  /// The dtype of the numbers as written.
  ScalarType scalar_type() const { return dtype_; }
  IntArrayRef sizes() const { return sizes_; }
  /// A CPU or CUDA tensor of `options`' dtype (needed) with these numbers.
  Tensor convert(const TensorOptions& options) const;

 private:
  enum class Kind : uint8_t { Scalar, List, Tensor };
  TensorDataContainer(const void* values, size_t count, ScalarType dtype);
  char* write(char* to, ScalarType dtype) const;
  Kind kind_;
  ScalarType dtype_;
  Shape sizes_;
  Scalar scalar_;
  std::initializer_list<TensorDataContainer> list_;
  Tensor tensor_;
};
std::ostream& operator<<(std::ostream& out, const TensorDataContainer& data);

/// tensor() with the dtype of the numbers as written (at::tensor: int stays int32, double float64).
Tensor tensor_as_written(const TensorDataContainer& data, const TensorOptions& options = {});

}  // namespace detail

/// A tensor with the given numbers: `tensor(3.5)`, `tensor({{1, 2}, {3, 4}})`, `tensor(std::vector<float>{...})`.
/// Without a dtype: int64 for int and wider, the default dtype for floating-point numbers, otherwise the numbers' own.
/// All numbers of nested lists must have one C++ type, all sub-lists one size.
Tensor tensor(const detail::TensorDataContainer& data, const TensorOptions& options = {});

}  // namespace fulmen
