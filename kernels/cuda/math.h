#pragma once
#include <fulmen/kernels/dtype.h>
#include <math.h>

// Functions of one element for CUDA, with the names of kernels/cpu/math.h: the accurate forms of CUDA's own library,
// for float and double. Where a kernel may be less exact it says so itself (__expf and the like).
namespace fulmen::math {

#define FULMEN_DEVICE_MATH(name)                                       \
  FULMEN_HD FULMEN_INLINE float name(float x) { return ::name##f(x); } \
  FULMEN_HD FULMEN_INLINE double name(double x) { return ::name(x); }
#define FULMEN_DEVICE_MATH2(name)                                                  \
  FULMEN_HD FULMEN_INLINE float name(float x, float y) { return ::name##f(x, y); } \
  FULMEN_HD FULMEN_INLINE double name(double x, double y) { return ::name(x, y); }
FULMEN_DEVICE_MATH(trunc)
FULMEN_DEVICE_MATH(floor)
FULMEN_DEVICE_MATH(ceil)
FULMEN_DEVICE_MATH(rint)
FULMEN_DEVICE_MATH(sqrt)
FULMEN_DEVICE_MATH(fabs)
FULMEN_DEVICE_MATH(exp)
FULMEN_DEVICE_MATH(exp2)
FULMEN_DEVICE_MATH(expm1)
FULMEN_DEVICE_MATH(log)
FULMEN_DEVICE_MATH(log2)
FULMEN_DEVICE_MATH(log10)
FULMEN_DEVICE_MATH(log1p)
FULMEN_DEVICE_MATH(sin)
FULMEN_DEVICE_MATH(cos)
FULMEN_DEVICE_MATH(tan)
FULMEN_DEVICE_MATH(asin)
FULMEN_DEVICE_MATH(acos)
FULMEN_DEVICE_MATH(atan)
FULMEN_DEVICE_MATH(sinh)
FULMEN_DEVICE_MATH(cosh)
FULMEN_DEVICE_MATH(tanh)
FULMEN_DEVICE_MATH(erf)
FULMEN_DEVICE_MATH(erfc)
FULMEN_DEVICE_MATH2(copysign)
FULMEN_DEVICE_MATH2(fmod)
FULMEN_DEVICE_MATH2(pow)
FULMEN_DEVICE_MATH2(atan2)
#undef FULMEN_DEVICE_MATH2

FULMEN_HD FULMEN_INLINE float sigmoid(float x) { return 1.0f / (1.0f + ::expf(-x)); }
FULMEN_HD FULMEN_INLINE double sigmoid(double x) { return 1.0 / (1.0 + ::exp(-x)); }

/// cos(pi x) and sin(pi x), for |x| <= 2 (of which the emulator makes ordinary ones): without the long reduction that
/// cos and sin keep for huge arguments.
#ifdef __CUDACC__
FULMEN_DEVICE_MATH(cospi)
FULMEN_DEVICE_MATH(sinpi)
#else
FULMEN_INLINE double cospi(double x) { return ::cos(3.14159265358979323846 * x); }
FULMEN_INLINE double sinpi(double x) { return ::sin(3.14159265358979323846 * x); }
FULMEN_INLINE float cospi(float x) { return ::cosf(3.14159265f * x); }
FULMEN_INLINE float sinpi(float x) { return ::sinf(3.14159265f * x); }
#endif
#undef FULMEN_DEVICE_MATH

/// CUDA's sin, cos and tan hold for every argument.
constexpr float trigonometric_reach = __builtin_huge_valf();

}  // namespace fulmen::math
