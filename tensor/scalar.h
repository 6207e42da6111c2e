#pragma once
#include <fulmen/kernels/dtype.h>

#include <iosfwd>

namespace fulmen {

class Tensor;
[[noreturn]] void scalar_overflow(const char* type);

/// One number that remembers its kind: an integer, a floating-point number or a truth value.
class Scalar {
 public:
  Scalar() : Scalar(int64_t{0}) {}
  // Part by part: a copy of all 16 bytes at once would wait for the two stores that have just made the original.
  Scalar(const Scalar& other) : kind_(other.kind_), value_(other.value_) {}
  Scalar& operator=(const Scalar& other) = default;
  Scalar(double v) : kind_(Kind::Double) { value_.d = v; }
  Scalar(float v) : Scalar(static_cast<double>(v)) {}
  Scalar(Half v) : Scalar(static_cast<double>(static_cast<float>(v))) {}
  Scalar(BFloat16 v) : Scalar(static_cast<double>(static_cast<float>(v))) {}
  Scalar(bool v) : kind_(Kind::Bool) { value_.i = v; }
  Scalar(int64_t v) : kind_(Kind::Int) { value_.i = v; }
  Scalar(long long v) : Scalar(static_cast<int64_t>(v)) {}
  Scalar(unsigned long v) : Scalar(static_cast<int64_t>(v)) {}
  Scalar(int v) : Scalar(static_cast<int64_t>(v)) {}
  Scalar(unsigned v) : Scalar(static_cast<int64_t>(v)) {}
  Scalar(int16_t v) : Scalar(static_cast<int64_t>(v)) {}
  Scalar(int8_t v) : Scalar(static_cast<int64_t>(v)) {}
  Scalar(uint8_t v) : Scalar(static_cast<int64_t>(v)) {}

  bool isFloatingPoint() const { return kind_ == Kind::Double; }
  bool isIntegral(bool include_bool) const { return kind_ == Kind::Int || (include_bool && kind_ == Kind::Bool); }
  bool isBoolean() const { return kind_ == Kind::Bool; }
  /// Double, Long or Bool.
  ScalarType type() const {
    return kind_ == Kind::Double ? ScalarType::Double : kind_ == Kind::Int ? ScalarType::Long : ScalarType::Bool;
  }

  double toDouble() const { return kind_ == Kind::Double ? value_.d : static_cast<double>(value_.i); }
  float toFloat() const { return static_cast<float>(toDouble()); }
  int64_t toLong() const { return kind_ == Kind::Double ? double_to_int(value_.d) : value_.i; }
  int toInt() const { return static_cast<int>(toLong()); }
  bool toBool() const { return kind_ == Kind::Double ? value_.d != 0 : value_.i != 0; }
  template <class T>
  T to() const {
    if constexpr (CppTypeToScalarType<T>::value == ScalarType::Bool) {
      return toBool();
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(toLong());
    } else if constexpr (std::is_same_v<T, double>) {
      return toDouble();
    } else {
      return T(toFloat());
    }
  }
  bool equal(const Scalar& other) const {
    return isFloatingPoint() || other.isFloatingPoint() ? toDouble() == other.toDouble() : value_.i == other.value_.i;
  }
  Scalar operator-() const { return kind_ == Kind::Double ? Scalar(-value_.d) : Scalar(-value_.i); }

 private:
  static int64_t double_to_int(double v) {
    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0)) scalar_overflow("int64");
    return static_cast<int64_t>(v);
  }
  enum class Kind : uint8_t { Double, Int, Bool } kind_;
  union {
    double d;
    int64_t i;
  } value_;
};
std::ostream& operator<<(std::ostream& out, const Scalar& value);

}  // namespace fulmen
