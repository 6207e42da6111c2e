#pragma once
#include <fulmen/kernels/dtype.h>

// Functions of one element for the CPU. Those of float are written so that a compiler turns a loop over them into
// vector instructions: no branches and no calls, only arithmetic, selection and bits. Polynomials are minimax fits of
// their own over the reduced interval; errors are at most about 2 units in the last place unless said otherwise.
// Functions of double are the C library's.
namespace fulmen::math {

#define FULMEN_LIBM(name)                                              \
  FULMEN_INLINE float name(float x) { return __builtin_##name##f(x); } \
  FULMEN_INLINE double name(double x) { return __builtin_##name(x); }
#define FULMEN_LIBM2(name)                                                         \
  FULMEN_INLINE float name(float x, float y) { return __builtin_##name##f(x, y); } \
  FULMEN_INLINE double name(double x, double y) { return __builtin_##name(x, y); }
#define FULMEN_LIBM_DOUBLE(name) \
  FULMEN_INLINE double name(double x) { return __builtin_##name(x); }
// One instruction each.
FULMEN_LIBM(trunc)
FULMEN_LIBM(floor)
FULMEN_LIBM(ceil)
FULMEN_LIBM(rint)
FULMEN_LIBM(sqrt)
FULMEN_LIBM(fabs)
FULMEN_LIBM2(copysign)
// Calls.
FULMEN_LIBM(erfc)
FULMEN_LIBM2(fmod)
FULMEN_LIBM2(pow)
FULMEN_LIBM2(atan2)
FULMEN_LIBM_DOUBLE(exp)
FULMEN_LIBM_DOUBLE(exp2)
FULMEN_LIBM_DOUBLE(expm1)
FULMEN_LIBM_DOUBLE(log)
FULMEN_LIBM_DOUBLE(log2)
FULMEN_LIBM_DOUBLE(log10)
FULMEN_LIBM_DOUBLE(log1p)
FULMEN_LIBM_DOUBLE(sin)
FULMEN_LIBM_DOUBLE(cos)
FULMEN_LIBM_DOUBLE(tan)
FULMEN_LIBM_DOUBLE(asin)
FULMEN_LIBM_DOUBLE(acos)
FULMEN_LIBM_DOUBLE(atan)
FULMEN_LIBM_DOUBLE(sinh)
FULMEN_LIBM_DOUBLE(cosh)
FULMEN_LIBM_DOUBLE(tanh)
FULMEN_LIBM_DOUBLE(erf)
#undef FULMEN_LIBM
#undef FULMEN_LIBM2
#undef FULMEN_LIBM_DOUBLE

// --- exponential
// ------------------------------------------------------------------------------------------------------

/// e^r - 1 for |r| <= ln(2) / 2.
FULMEN_INLINE float expm1_reduced(float r) {
  float q = 0.0013814538f;
  q = q * r + 0.008368745f;
  q = q * r + 0.04166839f;
  q = q * r + 0.16666521f;
  q = q * r + 0.49999994f;
  return q * r * r + r;
}

/// Nearest integer of t, |t| < 2^22, also as an int; NaN goes through.
struct Rounded {
  float value;
  int32_t integer;
};
FULMEN_INLINE Rounded rounded(float t) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23: the sum's last bit counts ones
  float sum = t + magic;
  return {sum - magic, std::bit_cast<int32_t>(sum) - std::bit_cast<int32_t>(magic)};
}

/// 2^n for -126 <= n <= 127.
FULMEN_INLINE float power_of_two(int32_t n) { return std::bit_cast<float>(static_cast<uint32_t>(n + 127) << 23); }

/// y * 2^n, in two steps so that results below the normal range round once.
FULMEN_INLINE float scale(float y, int32_t n) {
  int32_t half = n >> 1;
  return y * power_of_two(half) * power_of_two(n - half);
}

constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, log2_e = 1.44269504f;

FULMEN_INLINE float exp(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  Rounded n = rounded(x * log2_e);
  float r = x - n.value * ln2_high - n.value * ln2_low;
  return scale(1.0f + expm1_reduced(r), n.integer);
}

FULMEN_INLINE float exp2(float x) {
  x = x > 129.0f ? 129.0f : x;
  x = x < -151.0f ? -151.0f : x;
  Rounded n = rounded(x);
  return scale(1.0f + expm1_reduced((x - n.value) * 0.69314718f), n.integer);
}

FULMEN_INLINE float expm1(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -30.0f ? -30.0f : x;
  Rounded n = rounded(x * log2_e);
  float r = x - n.value * ln2_high - n.value * ln2_low;
  float half = power_of_two(n.integer - 1);  // 2^n itself may be too large
  return 2.0f * (half * expm1_reduced(r) + (half - 0.5f));
}

FULMEN_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }
FULMEN_INLINE double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

// --- logarithm
// --------------------------------------------------------------------------------------------------------

/// x = 2^exponent * m with sqrt(1/2) <= m < sqrt(2), x > 0 and finite; `log_m` is log(m), split into its leading term
/// m - 1 and the rest.
struct LogParts {
  float exponent, leading, rest;
};
FULMEN_INLINE LogParts log_parts(float x) {
  bool tiny = x < 1.17549435e-38f;
  x = tiny ? x * 8388608.0f : x;
  uint32_t bits = std::bit_cast<uint32_t>(x);
  int32_t e = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  float f = std::bit_cast<float>(bits - (static_cast<uint32_t>(e) << 23)) - 1.0f;
  float q = 0.06746592f;
  q = q * f - 0.11675639f;
  q = q * f + 0.11888178f;
  q = q * f - 0.12405592f;
  q = q * f + 0.14219551f;
  q = q * f - 0.16667996f;
  q = q * f + 0.20002119f;
  q = q * f - 0.2500001f;
  q = q * f + 0.33333313f;
  return {static_cast<float>(e) - (tiny ? 23.0f : 0.0f), f, q * f * f * f - 0.5f * f * f};
}

/// The value of a logarithm where `y` does not apply: 0, negative numbers, infinity, NaN.
FULMEN_INLINE float log_edges(float x, float y) {
  y = x > 0.0f ? y : x == 0.0f ? -__builtin_inff() : __builtin_nanf("");
  return x == __builtin_inff() ? x : y;
}

FULMEN_INLINE float log(float x) {
  LogParts p = log_parts(x);
  return log_edges(x, p.leading + (p.rest + p.exponent * ln2_low) + p.exponent * ln2_high);
}
FULMEN_INLINE float log2(float x) {
  LogParts p = log_parts(x);
  float m = p.leading + p.rest;
  return log_edges(x, (m * 1.92596299e-8f + m * 1.44269502f) + p.exponent);
}
FULMEN_INLINE float log10(float x) {
  LogParts p = log_parts(x);
  float m = p.leading + p.rest;
  // log10(2) = 0.30078125 + 2.4874568e-4, the first exact in 9 bits
  return log_edges(x, (p.exponent * 2.48745664e-4f + m * 0.434294482f) + p.exponent * 0.30078125f);
}
/// W. Kahan's correction of log(1 + x) for the rounding of 1 + x.
FULMEN_INLINE float log1p(float x) {
  float u = 1.0f + x;
  bool as_is = (u == 1.0f) | (x == __builtin_inff());
  return as_is ? x : log(u) * (x / (u - 1.0f));
}

// --- hyperbolic
// -------------------------------------------------------------------------------------------------------

FULMEN_INLINE float tanh(float x) {
  float z = x * x;
  float q = -0.005666968f;
  q = q * z + 0.020606168f;
  q = q * z - 0.053730004f;
  q = q * z + 0.13331331f;
  q = q * z - 0.33333278f;
  float near = x + x * z * q, far = 1.0f - 2.0f / (exp(2.0f * fabs(x)) + 1.0f);
  return z < 0.39f ? near : copysign(far, x);
}
FULMEN_INLINE float sinh(float x) {
  float z = x * x;
  float near = x + x * z * (0.16666667f + z * (0.008333334f + z * (1.9841270e-4f + z * 2.7557319e-6f)));
  float half = exp(0.5f * fabs(x));  // e^x itself may be too large
  float far = 0.5f * half * half - 0.5f / (half * half);
  return z < 1.0f ? near : copysign(far, x);
}
FULMEN_INLINE float cosh(float x) {
  float half = exp(0.5f * fabs(x));
  return 0.5f * half * half + 0.5f / (half * half);
}

// --- error function
// ---------------------------------------------------------------------------------------------------

/// Up to 1 a polynomial, beyond 1 - exp(-Q(|x|)).
FULMEN_INLINE float erf(float x) {
  float z = x * x, a = fabs(x);
  float p = 7.889119e-05f;
  p = p * z - 0.0008020841f;
  p = p * z + 0.005189535f;
  p = p * z - 0.026854444f;
  p = p * z + 0.112836f;
  p = p * z - 0.37612626f;
  p = p * z + 1.1283791f;
  a = a > 4.0f ? 4.0f : a;
  float q = 2.1697708e-05f;
  q = q * a - 0.00044147376f;
  q = q * a + 0.00420529f;
  q = q * a - 0.025210354f;
  q = q * a + 0.10842212f;
  q = q * a + 0.6332164f;
  q = q * a + 1.1295804f;
  q = q * a - 0.00018846997f;
  return z < 1.0f ? x * p : copysign(1.0f - exp(-q), x);
}

// --- trigonometric
// ----------------------------------------------------------------------------------------------------

/// sin, cos and tan of float hold for |x| up to this; larger ones need the C library.
constexpr float trigonometric_reach = 5e8f;

/// x = quadrant * pi/2 + r with |r| <= pi/4; also sin(r) and cos(r).
struct Angle {
  uint32_t quadrant;
  float sin, cos;
};
FULMEN_INLINE Angle reduced(float x) {
  constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  double sum = static_cast<double>(x) * 0.6366197723675814 + magic, n = sum - magic;
  // pi/2 in parts of 24 bits, so that products with n are exact
  double d = ((static_cast<double>(x) - n * 1.570796251296997) - n * 7.549789415861596e-8) - n * 5.390302858158119e-15;
  float r = static_cast<float>(d), z = r * r;
  float s = ((-0.0001951463f * z + 0.008332156f) * z - 0.16666655f) * z * r + r;
  float c = ((2.4437728e-05f * z - 0.0013887362f) * z + 0.041666646f) * z * z - 0.5f * z + 1.0f;
  return {static_cast<uint32_t>(std::bit_cast<uint64_t>(sum)), s, c};
}
FULMEN_INLINE float negated_if(float x, uint32_t bit) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(x) ^ (bit << 31));
}
FULMEN_INLINE float sin(float x) {
  Angle a = reduced(x);
  return negated_if(a.quadrant & 1 ? a.cos : a.sin, a.quadrant >> 1 & 1);
}
FULMEN_INLINE float cos(float x) {
  Angle a = reduced(x);
  return negated_if(a.quadrant & 1 ? a.sin : a.cos, (a.quadrant + 1) >> 1 & 1);
}
FULMEN_INLINE float tan(float x) {
  Angle a = reduced(x);
  return a.quadrant & 1 ? -a.cos / a.sin : a.sin / a.cos;
}

FULMEN_INLINE float atan(float x) {
  float a = fabs(x), inverse = a > 1.0f ? 1.0f / a : a;
  bool upper = inverse > 0.41421356f;  // tan(pi/8)
  float t = upper ? (inverse - 1.0f) / (inverse + 1.0f) : inverse, z = t * t;
  float q = -0.060736023f;
  q = q * z + 0.10592075f;
  q = q * z - 0.1424331f;
  q = q * z + 0.19998461f;
  q = q * z - 0.33333316f;
  float y = t + t * z * q;
  y = upper ? 0.78539816f + y : y;
  return copysign(a > 1.0f ? 1.57079633f - y : y, x);
}

/// asin of s for s^2 = z <= 1/4.
FULMEN_INLINE float asin_reduced(float s, float z) {
  float q = 0.037516452f;
  q = q * z + 0.014438604f;
  q = q * z + 0.031807717f;
  q = q * z + 0.044516955f;
  q = q * z + 0.07500504f;
  q = q * z + 0.1666666f;
  return s + s * z * q;
}
FULMEN_INLINE float asin(float x) {
  float a = fabs(x);
  bool far = a > 0.5f;
  float z = far ? 0.5f * (1.0f - a) : a * a;
  float y = asin_reduced(far ? sqrt(z) : a, z);
  return copysign(far ? 1.57079633f - 2.0f * y : y, x);
}
FULMEN_INLINE float acos(float x) {
  float a = fabs(x);
  bool far = a > 0.5f;
  float z = far ? 0.5f * (1.0f - a) : a * a;
  float y = asin_reduced(far ? sqrt(z) : a, z);
  float outside = x < 0.0f ? 3.14159265f - 2.0f * y : 2.0f * y;
  return far ? outside : 1.57079633f - copysign(y, x);
}

}  // namespace fulmen::math
