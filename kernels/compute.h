#pragma once
#include <fulmen/kernels/elementwise.h>

// What the kernels of both devices agree on: the types they compute in, how elements change their type, and how a dtype
// becomes a type.
namespace fulmen {

/// X(C++ type, ScalarType enumerator) for the types that arithmetic happens in.
#define FULMEN_FOR_EACH_COMPUTE_TYPE(X) \
  X(uint8_t, Byte)                      \
  X(int8_t, Char)                       \
  X(int16_t, Short)                     \
  X(int32_t, Int)                       \
  X(int64_t, Long)                      \
  X(float, Float)                       \
  X(double, Double)                     \
  X(bool, Bool)

template <class T>
inline constexpr bool is_short_float = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
/// The type in which elements of type T are computed.
template <class T>
using Compute = std::conditional_t<is_short_float<T>, float, T>;
FULMEN_HD FULMEN_INLINE ScalarType compute_type(ScalarType t) {
  return t == ScalarType::Half || t == ScalarType::BFloat16 ? ScalarType::Float : t;
}

/// Domains of the lists in kernels/elementwise.h.
enum class Domain { any, number, integral, real };
template <class T>
FULMEN_HD FULMEN_INLINE constexpr bool contains(Domain d) {
  switch (d) {
    case Domain::any:
      return true;
    case Domain::number:
      return !std::is_same_v<T, bool>;
    case Domain::integral:
      return std::is_integral_v<T>;
    default:
      return !std::is_integral_v<T>;
  }
}

template <class T>
FULMEN_HD FULMEN_INLINE T number_as(const Number& c) {
  if constexpr (std::is_same_v<T, bool>) {
    return c.real != 0;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(c.integer);
  } else if constexpr (is_short_float<T>) {
    return T(static_cast<float>(c.real));
  } else {
    return static_cast<T>(c.real);
  }
}

/// An element as another type.
template <class To, class From>
FULMEN_HD FULMEN_INLINE To converted(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<To, bool>) {
    if constexpr (std::is_integral_v<From>) {
      return x != 0;
    } else {
      return !(static_cast<double>(x) == 0.0);
    }
  } else if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
    // Through a wider integer, as two's complement wraps: -1.0 becomes 255 as uint8.
    using Source = std::conditional_t<std::is_same_v<From, double>, double, float>;
    using Wide = std::conditional_t<(sizeof(To) < 4), int32_t, To>;
    return static_cast<To>(static_cast<Wide>(static_cast<Source>(x)));
  } else if constexpr (is_short_float<To>) {
    return To(static_cast<float>(x));
  } else if constexpr (is_short_float<From>) {
    return static_cast<To>(static_cast<float>(x));
  } else {
    return static_cast<To>(x);
  }
}

/// Calls f<T> for a dtype: `for_dtype(x.dtype, [&]<class T>(T*) { ... })`.
template <class F>
FULMEN_INLINE void for_dtype(ScalarType dtype, const F& f) {
  switch (dtype) {
#define X(T, N)       \
  case ScalarType::N: \
    return f(static_cast<T*>(nullptr));
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return;
  }
}
/// The same for the floating-point dtypes; for others nothing is called.
template <class F>
FULMEN_INLINE void for_real(ScalarType dtype, const F& f) {
  switch (dtype) {
    case ScalarType::Float:
      return f(static_cast<float*>(nullptr));
    case ScalarType::Double:
      return f(static_cast<double*>(nullptr));
    case ScalarType::Half:
      return f(static_cast<Half*>(nullptr));
    case ScalarType::BFloat16:
      return f(static_cast<BFloat16*>(nullptr));
    default:
      return;
  }
}

}  // namespace fulmen
