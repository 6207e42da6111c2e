#pragma once
#include <bit>
#include <cstdint>
#include <type_traits>

// Everything in this header is also compiled with AVX2 and AVX-512 flags (kernels/cpu). It must be forced inline: an
// out-of-line copy made by one of those files could be the one the linker keeps for every processor.
#define FULMEN_INLINE __attribute__((always_inline)) inline
#ifdef __CUDACC__
#define FULMEN_HD __host__ __device__
#else
#define FULMEN_HD
#endif

namespace fulmen {

/// Element types. The names are PyTorch's: Byte is uint8, Char int8, Short int16, Int int32, Long int64.
enum class ScalarType : int8_t { Byte, Char, Short, Int, Long, Half, Float, Double, Bool, BFloat16, Undefined };
using DType = ScalarType;

/// IEEE 754 binary16: storage and conversion only, arithmetic happens in float.
struct alignas(2) Half {
  uint16_t bits;
  Half() = default;
  FULMEN_HD FULMEN_INLINE Half(float value) : bits(from_float(value)) {}
  FULMEN_HD FULMEN_INLINE operator float() const { return to_float(bits); }

  /// Round to nearest, ties to even; overflow gives infinity, NaN stays NaN.
  FULMEN_HD static FULMEN_INLINE uint16_t from_float(float value) {
    uint32_t x = std::bit_cast<uint32_t>(value), sign = (x >> 16) & 0x8000u;
    x &= 0x7fffffffu;
    if (x > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
    if (x >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (x < 0x38800000u) {  // subnormal: adding 0.5 aligns the mantissa, and the adder rounds
      uint32_t y = std::bit_cast<uint32_t>(std::bit_cast<float>(x) + 0.5f);
      return static_cast<uint16_t>(sign | (y - 0x3f000000u));
    }
    return static_cast<uint16_t>(sign | ((x + 0xc8000fffu + ((x >> 13) & 1u)) >> 13));
  }
  FULMEN_HD static FULMEN_INLINE float to_float(uint16_t h) {
    uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, x = static_cast<uint32_t>(h & 0x7fffu) << 13;
    if (x >= 0x0f800000u) return std::bit_cast<float>(sign | (x + 0x70000000u));
    // 2^112 moves the exponent from half's bias to float's, and makes subnormals normal.
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(x) * 0x1p112f));
  }
};

/// bfloat16: the upper half of a float; storage and conversion only.
struct alignas(2) BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  FULMEN_HD FULMEN_INLINE BFloat16(float value) : bits(from_float(value)) {}
  FULMEN_HD FULMEN_INLINE operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
  FULMEN_HD static FULMEN_INLINE uint16_t from_float(float value) {
    uint32_t x = std::bit_cast<uint32_t>(value);
    if ((x & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
    return static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
  }
};

/// X(C++ type, ScalarType enumerator)
#define FULMEN_FOR_EACH_DTYPE(X) \
  X(uint8_t, Byte)               \
  X(int8_t, Char)                \
  X(int16_t, Short)              \
  X(int32_t, Int)                \
  X(int64_t, Long)               \
  X(::fulmen::Half, Half)        \
  X(float, Float)                \
  X(double, Double)              \
  X(bool, Bool)                  \
  X(::fulmen::BFloat16, BFloat16)

template <class T>
struct CppTypeToScalarType {
  static constexpr ScalarType value = ScalarType::Undefined;
};
#define X(T, N)                                        \
  template <>                                          \
  struct CppTypeToScalarType<T> {                      \
    static constexpr ScalarType value = ScalarType::N; \
  };
FULMEN_FOR_EACH_DTYPE(X)
#undef X

/// Bytes per element; 0 for Undefined.
FULMEN_HD FULMEN_INLINE constexpr int64_t element_size(ScalarType t) {
  // One hexadecimal digit per type, the first one last: a table would be built on the stack and stall its own lookup.
  return (0x2184284211 >> (4 * static_cast<int>(t))) & 15;
}
FULMEN_HD FULMEN_INLINE constexpr bool is_floating_point(ScalarType t) {
  return t == ScalarType::Half || t == ScalarType::Float || t == ScalarType::Double || t == ScalarType::BFloat16;
}

}  // namespace fulmen
