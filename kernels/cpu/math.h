#pragma once
#include <fulmen/kernels/dtype.h>

// Functions of one element for the CPU. Those in float are written so that compilers turn a loop over them into vector
// instructions: no branches, no calls, only arithmetic, comparisons that select, and bits.
namespace fulmen::math {

#define FULMEN_LIBM1(name)                                             \
  FULMEN_INLINE float name(float x) { return __builtin_##name##f(x); } \
  FULMEN_INLINE double name(double x) { return __builtin_##name(x); }
#define FULMEN_LIBM2(name)                                                         \
  FULMEN_INLINE float name(float x, float y) { return __builtin_##name##f(x, y); } \
  FULMEN_INLINE double name(double x, double y) { return __builtin_##name(x, y); }
FULMEN_LIBM1(trunc)
FULMEN_LIBM1(floor)
FULMEN_LIBM1(ceil)
FULMEN_LIBM1(sqrt)
FULMEN_LIBM1(fabs)
FULMEN_LIBM2(fmod)
FULMEN_LIBM2(pow)
FULMEN_LIBM2(atan2)
FULMEN_LIBM2(copysign)
#undef FULMEN_LIBM1
#undef FULMEN_LIBM2

}  // namespace fulmen::math
