#pragma once
// The namespaces at, c10 and caffe2 of LibTorch programs. Included by torch/torch.h.
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/tensor/tensor.h>
#include <fulmen/tensor/warning.h>

#include <sstream>
#include <string>

namespace at {
using namespace fulmen;

/// Unlike torch::tensor, keeps the C++ type of the numbers: an int is int32, 1.5 is double.
inline Tensor tensor(const fulmen::detail::TensorDataContainer& data, const TensorOptions& options = {}) {
  return fulmen::detail::tensor_as_written(data, options);
}

// Fulmen has one type for dtypes.
inline ScalarType typeMetaToScalarType(ScalarType type) { return type; }
inline ScalarType scalarTypeToTypeMeta(ScalarType type) { return type; }

namespace native {
inline bool is_nonzero(const Tensor& t) { return t.item<bool>(); }
}  // namespace native
}  // namespace at

namespace caffe2 {
/// A dtype under LibTorch's other name.
class TypeMeta {
 public:
  TypeMeta(fulmen::ScalarType type) : type_(type) {}
  template <class T>
  static TypeMeta Make() {
    return fulmen::CppTypeToScalarType<T>::value;
  }
  operator fulmen::ScalarType() const { return type_; }

 private:
  fulmen::ScalarType type_;
};
}  // namespace caffe2

namespace c10 {
using namespace fulmen;

/// The texts of all arguments (anything that prints), one after the other.
template <class... T>
std::string str(const T&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

struct SourceLocation {
  const char* function;
  const char* file;
  uint32_t line;
};

namespace WarningUtils {
using fulmen::get_warning_handler;
using fulmen::set_warning_handler;
namespace detail {
inline bool& always() {
  static bool on = false;
  return on;
}
}  // namespace detail
inline bool get_warnAlways() { return detail::always(); }
inline void set_warnAlways(bool on) { detail::always() = on; }
/// While it lives, TORCH_WARN_ONCE warns every time.
class WarnAlways {
 public:
  explicit WarnAlways(bool on = true) : before_(get_warnAlways()) { set_warnAlways(on); }
  ~WarnAlways() { set_warnAlways(before_); }
  WarnAlways(const WarnAlways&) = delete;

 private:
  bool before_;
};
}  // namespace WarningUtils

namespace detail {
template <class E, class... T>
[[noreturn]] void check_failed(const char* condition, const T&... parts) {
  if constexpr (sizeof...(T) == 0) {
    throw E(std::string("Expected ") + condition + " to be true, but got false.");
  } else {
    throw E(c10::str(parts...));
  }
}
}  // namespace detail
}  // namespace c10
