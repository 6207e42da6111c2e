#include <fulmen/tensor/dtype.h>
#include <fulmen/tensor/error.h>

#include <atomic>
#include <ostream>

namespace fulmen {

namespace {

constexpr int count = static_cast<int>(ScalarType::Undefined);
// In the order of ScalarType.
constexpr std::string_view names[count + 1] = {"uint8",   "int8",    "int16", "int32",    "int64",    "float16",
                                               "float32", "float64", "bool",  "bfloat16", "undefined"};
constexpr std::string_view torch_names[count + 1] = {"Byte",  "Char",   "Short", "Int",      "Long",     "Half",
                                                     "Float", "Double", "Bool",  "BFloat16", "Undefined"};

// PyTorch's promotion table: kinds rank bool < integer < floating point, the higher kind wins; within a kind the wider
// type, and the next wider one where neither holds the other (uint8 with int8, float16 with bfloat16).
constexpr auto u1 = ScalarType::Byte, i1 = ScalarType::Char, i2 = ScalarType::Short, i4 = ScalarType::Int,
               i8 = ScalarType::Long, f2 = ScalarType::Half, f4 = ScalarType::Float, f8 = ScalarType::Double,
               b1 = ScalarType::Bool, bf = ScalarType::BFloat16;
constexpr ScalarType promoted[count][count] = {
    /*        u1  i1  i2  i4  i8  f2  f4  f8  b1  bf */
    /* u1 */ {u1, i2, i2, i4, i8, f2, f4, f8, u1, bf},
    /* i1 */ {i2, i1, i2, i4, i8, f2, f4, f8, i1, bf},
    /* i2 */ {i2, i2, i2, i4, i8, f2, f4, f8, i2, bf},
    /* i4 */ {i4, i4, i4, i4, i8, f2, f4, f8, i4, bf},
    /* i8 */ {i8, i8, i8, i8, i8, f2, f4, f8, i8, bf},
    /* f2 */ {f2, f2, f2, f2, f2, f2, f4, f8, f2, f4},
    /* f4 */ {f4, f4, f4, f4, f4, f4, f4, f8, f4, f4},
    /* f8 */ {f8, f8, f8, f8, f8, f8, f8, f8, f8, f8},
    /* b1 */ {u1, i1, i2, i4, i8, f2, f4, f8, b1, bf},
    /* bf */ {bf, bf, bf, bf, bf, f4, f4, f8, bf, bf},
};

constinit std::atomic<ScalarType> default_dtype{ScalarType::Float};

}  // namespace

std::string_view dtype_name(ScalarType t) { return names[static_cast<int>(t)]; }
std::string_view to_string(ScalarType t) { return torch_names[static_cast<int>(t)]; }

ScalarType dtype_from_name(std::string_view name) {
  for (int i = 0; i < count; ++i) {
    if (names[i] == name) return static_cast<ScalarType>(i);
  }
  return ScalarType::Undefined;
}

ScalarType promote_types(ScalarType a, ScalarType b) {
  if (a == ScalarType::Undefined || b == ScalarType::Undefined) return ScalarType::Undefined;
  return promoted[static_cast<int>(a)][static_cast<int>(b)];
}

bool can_cast(ScalarType from, ScalarType to) {
  if (is_floating_point(from) && !is_floating_point(to)) return false;
  return from == ScalarType::Bool || to != ScalarType::Bool;
}

ScalarType get_default_dtype() { return default_dtype.load(std::memory_order_relaxed); }
void set_default_dtype(ScalarType t) {
  FULMEN_CHECK(t != ScalarType::Undefined, "set_default_dtype: undefined is not a dtype");
  default_dtype.store(t, std::memory_order_relaxed);
}

std::ostream& operator<<(std::ostream& out, ScalarType t) { return out << to_string(t); }

}  // namespace fulmen
