#pragma once
#include <any>
#include <string>
#include <typeinfo>
#include <utility>

namespace fulmen::nn {

namespace detail {
[[noreturn]] void any_value_type(const std::type_info& wanted, const std::type_info& held);
}

/// A value of any type, read back under exactly that type: what AnyModule passes to and gets from `forward`.
/// An `int` is not a `float`, and a string literal is a `const char*`. A Tensor is held without allocation.
class AnyValue {
 public:
  AnyValue() = default;
  template <class T>
  requires(!std::is_same_v<std::decay_t<T>, AnyValue>) explicit AnyValue(T&& value) : value_(std::forward<T>(value)) {}

  /// The value, or null when its type is another one.
  template <class T>
  T* try_get() {
    static_assert(!std::is_reference_v<T>, "AnyValue holds values, not references");
    return std::any_cast<T>(&value_);
  }
  /// The value; another type is an error.
  template <class T>
  T get() {
    if (T* value = try_get<T>()) return *value;
    detail::any_value_type(typeid(T), type_info());
  }
  bool has_value() const noexcept { return value_.has_value(); }
  const std::type_info& type_info() const noexcept { return value_.type(); }

 private:
  std::any value_;
};

}  // namespace fulmen::nn
