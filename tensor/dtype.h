#pragma once
#include <fulmen/kernels/dtype.h>
#include <fulmen/tensor/scalar.h>

#include <iosfwd>
#include <limits>
#include <string_view>

namespace fulmen {

inline constexpr ScalarType kByte = ScalarType::Byte, kUInt8 = ScalarType::Byte, kChar = ScalarType::Char,
                            kInt8 = ScalarType::Char, kShort = ScalarType::Short, kInt16 = ScalarType::Short,
                            kInt = ScalarType::Int, kInt32 = ScalarType::Int, kLong = ScalarType::Long,
                            kInt64 = ScalarType::Long, kHalf = ScalarType::Half, kFloat16 = ScalarType::Half,
                            kFloat = ScalarType::Float, kFloat32 = ScalarType::Float, kDouble = ScalarType::Double,
                            kFloat64 = ScalarType::Double, kBool = ScalarType::Bool, kBFloat16 = ScalarType::BFloat16;

/// "float32", "int64", "bool", ...: the names used in messages and files.
std::string_view dtype_name(ScalarType t);
/// "Float", "Long", "Bool", ...: PyTorch's C++ names.
std::string_view to_string(ScalarType t);
/// The reverse of dtype_name; Undefined for an unknown name.
ScalarType dtype_from_name(std::string_view name);

constexpr bool is_integral(ScalarType t, bool include_bool) {
  return (t >= ScalarType::Byte && t <= ScalarType::Long) || (include_bool && t == ScalarType::Bool);
}
constexpr bool isFloatingType(ScalarType t) { return is_floating_point(t); }
constexpr bool isIntegralType(ScalarType t, bool include_bool) { return is_integral(t, include_bool); }

/// The dtype that holds both without losing the kind: PyTorch's promotion table.
ScalarType promote_types(ScalarType a, ScalarType b);
/// Whether a result of dtype `from` may be written into a tensor of dtype `to` (no float into int, no number into
/// bool).
bool can_cast(ScalarType from, ScalarType to);

/// The dtype of factories that are given none; float32 unless changed. As in LibTorch any dtype may be set; numbers
/// with a fraction take it only if it is a floating-point type.
ScalarType get_default_dtype();
void set_default_dtype(ScalarType t);

std::ostream& operator<<(std::ostream& out, ScalarType t);

}  // namespace fulmen

template <>
class std::numeric_limits<fulmen::Half> {
 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, has_infinity = true,
                        has_quiet_NaN = true;
  static constexpr int digits = 11;
  static fulmen::Half make(uint16_t bits) {
    fulmen::Half h;
    h.bits = bits;
    return h;
  }
  static fulmen::Half min() { return make(0x0400); }
  static fulmen::Half max() { return make(0x7bff); }
  static fulmen::Half lowest() { return make(0xfbff); }
  static fulmen::Half epsilon() { return make(0x1400); }
  static fulmen::Half infinity() { return make(0x7c00); }
  static fulmen::Half quiet_NaN() { return make(0x7e00); }
};
template <>
class std::numeric_limits<fulmen::BFloat16> {
 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, has_infinity = true,
                        has_quiet_NaN = true;
  static constexpr int digits = 8;
  static fulmen::BFloat16 make(uint16_t bits) {
    fulmen::BFloat16 b;
    b.bits = bits;
    return b;
  }
  static fulmen::BFloat16 min() { return make(0x0080); }
  static fulmen::BFloat16 max() { return make(0x7f7f); }
  static fulmen::BFloat16 lowest() { return make(0xff7f); }
  static fulmen::BFloat16 epsilon() { return make(0x3c00); }
  static fulmen::BFloat16 infinity() { return make(0x7f80); }
  static fulmen::BFloat16 quiet_NaN() { return make(0x7fc0); }
};
