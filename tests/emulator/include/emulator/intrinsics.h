#pragma once
#include <emulator/thread.h>
#include <math.h>

#include <bit>
#include <limits>
#include <type_traits>

// CUDA's intrinsic functions of one thread: loads with a cache hint, bits, conversions, fast and rounded arithmetic.

// --- loads and stores with a cache hint

#define EMULATOR_LOAD(name)      \
  template <class T>             \
  inline T name(const T* data) { \
    return *data;                \
  }
#define EMULATOR_STORE(name)                                 \
  template <class T>                                         \
  inline void name(T* data, std::type_identity_t<T> value) { \
    *data = value;                                           \
  }
EMULATOR_LOAD(__ldg)
EMULATOR_LOAD(__ldca)
EMULATOR_LOAD(__ldcg)
EMULATOR_LOAD(__ldcs)
EMULATOR_LOAD(__ldlu)
EMULATOR_LOAD(__ldcv)
EMULATOR_STORE(__stwb)
EMULATOR_STORE(__stcg)
EMULATOR_STORE(__stcs)
EMULATOR_STORE(__stwt)
#undef EMULATOR_LOAD
#undef EMULATOR_STORE

// --- bits

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
inline unsigned long long __brevll(unsigned long long x) {
  return static_cast<unsigned long long>(__brev(static_cast<unsigned>(x))) << 32 |
         __brev(static_cast<unsigned>(x >> 32));
}
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32); }
inline int __mulhi(int a, int b) { return static_cast<int>(static_cast<int64_t>(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<Wide>(a) * b >> 64);
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    unsigned pick = selector >> (4 * i) & 15, byte = static_cast<unsigned>(bytes >> (8 * (pick & 7))) & 0xffu;
    if (pick & 8) byte = byte & 0x80u ? 0xffu : 0;
    result |= byte << (8 * i);
  }
  return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) << (shift & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}

inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }

// --- conversions: out of range saturates, NaN gives 0

namespace emulator {
template <class To, class From>
inline To saturated(From x) {
  using Limits = std::numeric_limits<To>;
  constexpr From end = static_cast<From>(Limits::max() / 2 + 1) * 2;  // max() + 1 itself may not be representable in To
  if (x != x) return 0;
  if (x >= end) return Limits::max();
  if (x < static_cast<From>(Limits::min())) return Limits::min();
  return static_cast<To>(x);
}
}  // namespace emulator

// rn: to nearest, rz: towards zero, rd: down, ru: up
#define EMULATOR_TO_INTEGER(name, From, To, f)                                             \
  inline To name##_rn(From x) { return ::emulator::saturated<To>(__builtin_rint##f(x)); }  \
  inline To name##_rz(From x) { return ::emulator::saturated<To>(__builtin_trunc##f(x)); } \
  inline To name##_rd(From x) { return ::emulator::saturated<To>(__builtin_floor##f(x)); } \
  inline To name##_ru(From x) { return ::emulator::saturated<To>(__builtin_ceil##f(x)); }
EMULATOR_TO_INTEGER(__float2int, float, int, f)
EMULATOR_TO_INTEGER(__float2uint, float, unsigned, f)
EMULATOR_TO_INTEGER(__float2ll, float, long long, f)
EMULATOR_TO_INTEGER(__float2ull, float, unsigned long long, f)
EMULATOR_TO_INTEGER(__double2int, double, int, )
EMULATOR_TO_INTEGER(__double2uint, double, unsigned, )
EMULATOR_TO_INTEGER(__double2ll, double, long long, )
EMULATOR_TO_INTEGER(__double2ull, double, unsigned long long, )
#undef EMULATOR_TO_INTEGER
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline float __ll2float_rn(long long x) { return static_cast<float>(x); }
inline float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }
inline float __double2float_rn(double x) { return static_cast<float>(x); }

// --- arithmetic with a fixed rounding, never contracted

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) {
  volatile float product = a * b;  // keeps the compiler from fusing it into a following addition
  return product;
}
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
inline float __frsqrt_rn(float a) { return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(a))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) {
  volatile double product = a * b;
  return product;
}
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }

// --- fast approximations: here as exact as the C library

inline float __expf(float x) { return ::expf(x); }
inline float __exp10f(float x) { return ::powf(10.0f, x); }
inline float __logf(float x) { return ::logf(x); }
inline float __log2f(float x) { return ::log2f(x); }
inline float __log10f(float x) { return ::log10f(x); }
inline float __sinf(float x) { return ::sinf(x); }
inline float __cosf(float x) { return ::cosf(x); }
inline float __tanf(float x) { return ::tanf(x); }
inline float __powf(float x, float y) { return ::powf(x, y); }
inline float __tanhf(float x) { return ::tanhf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
inline float rsqrtf(float x) { return 1.0f / __builtin_sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
inline void __sincosf(float x, float* sine, float* cosine) { *sine = ::sinf(x), *cosine = ::cosf(x); }
inline float normcdff(float x) { return 0.5f * ::erfcf(-0.70710678f * x); }

inline size_t __cvta_generic_to_shared(const void* p) { return ::emulator::shared_address(p); }
inline bool __isShared(const void* p) { return ::emulator::in_shared(p, 1); }
inline void __trap() { ::emulator::fail("__trap()"); }

// --- min and max, as CUDA overloads them; of floating point they drop a NaN

#define EMULATOR_MIN_MAX(T)                        \
  inline T min(T a, T b) { return a < b ? a : b; } \
  inline T max(T a, T b) { return a > b ? a : b; }
EMULATOR_MIN_MAX(int)
EMULATOR_MIN_MAX(unsigned)
EMULATOR_MIN_MAX(long)
EMULATOR_MIN_MAX(unsigned long)
EMULATOR_MIN_MAX(long long)
EMULATOR_MIN_MAX(unsigned long long)
#undef EMULATOR_MIN_MAX
inline float min(float a, float b) { return ::fminf(a, b); }
inline float max(float a, float b) { return ::fmaxf(a, b); }
inline double min(double a, double b) { return ::fmin(a, b); }
inline double max(double a, double b) { return ::fmax(a, b); }
