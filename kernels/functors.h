#pragma once
#include <fulmen/kernels/dtype.h>

#include <cstdint>
#if defined(__CUDACC__) || defined(FULMEN_GPU_CODE)
#include <fulmen/kernels/cuda/math.h>
#else
#include <fulmen/kernels/cpu/math.h>
#endif

// The maths of elementwise operations, one element at a time, written once for every device. The lists in
// kernels/elementwise.h name them; each device expands those lists into loops.
namespace fulmen::functor {

#define FULMEN_FUNCTOR \
  template <class T>   \
  FULMEN_HD static FULMEN_INLINE

/// Integer arithmetic wraps around: it happens in an unsigned type that is wide enough not to be promoted.
template <class T>
using Wrapping = std::conditional_t<!std::is_integral_v<T>, T, std::conditional_t<(sizeof(T) > 4), uint64_t, uint32_t>>;

struct Add {
  FULMEN_FUNCTOR T apply(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b)); }
};
struct AddScaled {
  FULMEN_FUNCTOR T apply(T a, T b, T alpha) {
    using W = Wrapping<T>;
    return static_cast<T>(static_cast<W>(a) + static_cast<W>(alpha) * static_cast<W>(b));
  }
};
struct Sub {
  FULMEN_FUNCTOR T apply(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b)); }
};
struct Mul {
  FULMEN_FUNCTOR T apply(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b)); }
};
struct Div {
  FULMEN_FUNCTOR T apply(T a, T b) { return a / b; }
};

/// a / b without trapping: integers divided by 0 give 0 (operations refuse them before), by -1 they wrap.
template <class T>
FULMEN_HD FULMEN_INLINE T quotient(T a, T b) {
  if constexpr (!std::is_integral_v<T>) {
    return a / b;
  } else {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == static_cast<T>(-1)) return static_cast<T>(0 - static_cast<Wrapping<T>>(a));
    }
    return static_cast<T>(a / b);
  }
}
struct DivTrunc {
  FULMEN_FUNCTOR T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      return quotient(a, b);
    } else {
      return math::trunc(a / b);
    }
  }
};
struct Fmod {
  FULMEN_FUNCTOR T apply(T a, T b) {
    if constexpr (!std::is_integral_v<T>) {
      return math::fmod(a, b);
    } else {
      return static_cast<T>(static_cast<Wrapping<T>>(a) -
                            static_cast<Wrapping<T>>(quotient(a, b)) * static_cast<Wrapping<T>>(b));
    }
  }
};
/// Python's %: the result has b's sign.
struct Remainder {
  FULMEN_FUNCTOR T apply(T a, T b) {
    T r = Fmod::apply(a, b);
    return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
  }
};
/// Python's //. For floating point as CPython computes it: (a - a % b) / b, made whole.
struct DivFloor {
  FULMEN_FUNCTOR T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      T q = quotient(a, b), r = Fmod::apply(a, b);
      return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(q - 1) : q;
    } else {
      if (b == 0) return a / b;
      T r = math::fmod(a, b), q = (a - r) / b;
      if (r != 0 && (b < 0) != (r < 0)) q -= 1;
      if (q == 0) return math::copysign(T(0), a / b);
      T whole = math::floor(q);
      return q - whole > T(0.5) ? whole + 1 : whole;
    }
  }
};
/// NaN if either is.
struct Maximum {
  FULMEN_FUNCTOR T apply(T a, T b) { return a > b || a != a ? a : b; }
};
struct Minimum {
  FULMEN_FUNCTOR T apply(T a, T b) { return a < b || a != a ? a : b; }
};
struct Pow {
  FULMEN_FUNCTOR T apply(T a, T b) {
    if constexpr (!std::is_integral_v<T>) {
      return math::pow(a, b);
    } else {
      if (b < 0) return static_cast<T>(a == 1 ? 1 : a == static_cast<T>(-1) ? (b % 2 == 0 ? 1 : -1) : 0);
      Wrapping<T> power = 1, square = static_cast<Wrapping<T>>(a);
      for (auto e = static_cast<uint64_t>(b); e > 0; e >>= 1, square *= square) {
        if (e & 1) power *= square;
      }
      return static_cast<T>(power);
    }
  }
};
struct Atan2 {
  FULMEN_FUNCTOR T apply(T a, T b) { return math::atan2(a, b); }
};
struct BitwiseAnd {
  FULMEN_FUNCTOR T apply(T a, T b) { return static_cast<T>(a & b); }
};
struct BitwiseOr {
  FULMEN_FUNCTOR T apply(T a, T b) { return static_cast<T>(a | b); }
};
struct BitwiseXor {
  FULMEN_FUNCTOR T apply(T a, T b) { return static_cast<T>(a ^ b); }
};

/// a + value * b * c
struct Addcmul {
  FULMEN_FUNCTOR T apply(T a, T b, T c, T value) {
    using W = Wrapping<T>;
    return static_cast<T>(static_cast<W>(a) + static_cast<W>(value) * static_cast<W>(b) * static_cast<W>(c));
  }
};
/// a + value * b / c
struct Addcdiv {
  FULMEN_FUNCTOR T apply(T a, T b, T c, T value) { return a + value * b / c; }
};
/// a + w * (b - a), from the end that is nearer.
struct Lerp {
  FULMEN_FUNCTOR T apply(T a, T b, T w, T) {
    T difference = b - a;
    return (w < 0 ? -w : w) < T(0.5) ? a + w * difference : b - difference * (1 - w);
  }
};

struct Neg {
  FULMEN_FUNCTOR T apply(T x) { return static_cast<T>(-static_cast<Wrapping<T>>(x)); }
};
struct Abs {
  FULMEN_FUNCTOR T apply(T x) {
    if constexpr (std::is_integral_v<T>) {
      return x < 0 ? Neg::apply(x) : x;
    } else {
      return math::fabs(x);
    }
  }
};

struct Sign {
  FULMEN_FUNCTOR T apply(T x) {
    if constexpr (std::is_same_v<T, bool>) {
      return x;
    } else {
      return static_cast<T>((x > 0) - (x < 0));
    }
  }
};
struct Square {
  FULMEN_FUNCTOR T apply(T x) { return Mul::apply(x, x); }
};
struct Cube {
  FULMEN_FUNCTOR T apply(T x) { return Mul::apply(Mul::apply(x, x), x); }
};
struct BitwiseNot {
  FULMEN_FUNCTOR T apply(T x) {
    if constexpr (std::is_same_v<T, bool>) {
      return !x;
    } else {
      return static_cast<T>(~x);
    }
  }
};
/// Between low and high; high if they cross. NaN stays.
struct Clamp {
  FULMEN_FUNCTOR T apply(T x, T low, T high) { return Minimum::apply(Maximum::apply(x, low), high); }
  FULMEN_FUNCTOR T apply(T x, T low, T high, T) { return apply(x, low, high); }
};
struct Frac {
  FULMEN_FUNCTOR T apply(T x) { return x - math::trunc(x); }
};
struct Reciprocal {
  FULMEN_FUNCTOR T apply(T x) { return 1 / x; }
};
struct Rsqrt {
  FULMEN_FUNCTOR T apply(T x) { return 1 / math::sqrt(x); }
};

#define FULMEN_MATH_FUNCTOR(Name, function)                   \
  struct Name {                                               \
    FULMEN_FUNCTOR T apply(T x) { return math::function(x); } \
  };
FULMEN_MATH_FUNCTOR(Floor, floor)
FULMEN_MATH_FUNCTOR(Ceil, ceil)
FULMEN_MATH_FUNCTOR(Round, rint)
FULMEN_MATH_FUNCTOR(Trunc, trunc)
FULMEN_MATH_FUNCTOR(Sqrt, sqrt)
FULMEN_MATH_FUNCTOR(Exp, exp)
FULMEN_MATH_FUNCTOR(Exp2, exp2)
FULMEN_MATH_FUNCTOR(Expm1, expm1)
FULMEN_MATH_FUNCTOR(Log, log)
FULMEN_MATH_FUNCTOR(Log2, log2)
FULMEN_MATH_FUNCTOR(Log10, log10)
FULMEN_MATH_FUNCTOR(Log1p, log1p)
FULMEN_MATH_FUNCTOR(Asin, asin)
FULMEN_MATH_FUNCTOR(Acos, acos)
FULMEN_MATH_FUNCTOR(Atan, atan)
FULMEN_MATH_FUNCTOR(Sinh, sinh)
FULMEN_MATH_FUNCTOR(Cosh, cosh)
FULMEN_MATH_FUNCTOR(Tanh, tanh)
FULMEN_MATH_FUNCTOR(Sigmoid, sigmoid)
FULMEN_MATH_FUNCTOR(Erf, erf)
FULMEN_MATH_FUNCTOR(Erfc, erfc)
#undef FULMEN_MATH_FUNCTOR

/// `reach`: beyond it `apply` does not hold for float, and `beyond` is used.
#define FULMEN_TRIGONOMETRIC_FUNCTOR(Name, function)                                                \
  struct Name {                                                                                     \
    static constexpr float reach = math::trigonometric_reach;                                       \
    FULMEN_FUNCTOR T apply(T x) { return math::function(x); }                                       \
    FULMEN_FUNCTOR T beyond(T x) { return static_cast<T>(math::function(static_cast<double>(x))); } \
  };
FULMEN_TRIGONOMETRIC_FUNCTOR(Sin, sin)
FULMEN_TRIGONOMETRIC_FUNCTOR(Cos, cos)
FULMEN_TRIGONOMETRIC_FUNCTOR(Tan, tan)
#undef FULMEN_TRIGONOMETRIC_FUNCTOR

struct Eq {
  FULMEN_FUNCTOR bool apply(T a, T b) { return a == b; }
};
struct Ne {
  FULMEN_FUNCTOR bool apply(T a, T b) { return a != b; }
};
struct Lt {
  FULMEN_FUNCTOR bool apply(T a, T b) { return a < b; }
};
struct Le {
  FULMEN_FUNCTOR bool apply(T a, T b) { return a <= b; }
};
struct Gt {
  FULMEN_FUNCTOR bool apply(T a, T b) { return a > b; }
};
struct Ge {
  FULMEN_FUNCTOR bool apply(T a, T b) { return a >= b; }
};
struct LogicalAnd {
  FULMEN_FUNCTOR bool apply(T a, T b) { return (a != 0) & (b != 0); }
};
struct LogicalOr {
  FULMEN_FUNCTOR bool apply(T a, T b) { return (a != 0) | (b != 0); }
};
struct LogicalXor {
  FULMEN_FUNCTOR bool apply(T a, T b) { return (a != 0) != (b != 0); }
};

}  // namespace fulmen::functor
