// Normal numbers by Box-Muller (1958): r = sqrt(-2 log u), then r cos(2 pi v) and r sin(2 pi v).
//
// Bit for bit PyTorch's on AVX2 processors: in float, logarithm, sine and cosine are the polynomials of Moshier's
// Cephes library (logf, sinf, cosf) with every multiplication that is followed by an addition fused. The fused
// operations are written out, so each instruction set gives the same bits.
#include <fulmen/kernels/cpu/random.h>

#include <bit>
#include <cmath>

namespace fulmen::FULMEN_ISA {

namespace {

FULMEN_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
FULMEN_INLINE float select(bool c, float a, float b) { return c ? a : b; }

// x in (0, 1]: x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m by a polynomial in m - 1.
FULMEN_INLINE float log_unit(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  float m = std::bit_cast<float>((bits & 0x807fffffu) | 0x3f000000u);
  float e = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126);
  const bool low = m < 0.707106781186547524f;
  e -= select(low, 1.0f, 0.0f);
  m = (m - 1.0f) + select(low, m, 0.0f);
  const float z = m * m;
  float p = 7.0376836292e-2f;
  p = fma(p, m, -1.1514610310e-1f);
  p = fma(p, m, 1.1676998740e-1f);
  p = fma(p, m, -1.2420140846e-1f);
  p = fma(p, m, 1.4249322787e-1f);
  p = fma(p, m, -1.6668057665e-1f);
  p = fma(p, m, 2.0000714765e-1f);
  p = fma(p, m, -2.4999993993e-1f);
  p = fma(p, m, 3.3333331174e-1f);
  p = fma(p * m, z, e * -2.12194440e-4f);
  p = fma(z, -0.5f, p);
  return fma(e, 0.693359375f, m + p);
}

// x in [0, 2 pi): reduced to [-pi/4, pi/4] by multiples of pi/4, which are subtracted in three parts.
FULMEN_INLINE void sine_cosine(float x, float& sine, float& cosine) {
  int32_t octant = static_cast<int32_t>(x * 1.27323954473516f);
  octant = (octant + 1) & ~1;
  const float y = static_cast<float>(octant);
  const uint32_t sine_sign = static_cast<uint32_t>(octant & 4) << 29;
  const uint32_t cosine_sign = static_cast<uint32_t>(~(octant - 2) & 4) << 29;
  x = fma(y, -0.78515625f, x);
  x = fma(y, -2.4187564849853515625e-4f, x);
  x = fma(y, -3.77489497744594108e-8f, x);
  const float z = x * x;
  float c = fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = fma(c, z, 4.166664568298827e-2f) * z;
  c = fma(c, z, z * -0.5f) + 1.0f;
  float s = fma(-1.9515295891e-4f, z, 8.3321608736e-3f);
  s = fma(s, z, -1.6666654611e-1f) * z;
  s = fma(s, x, x);
  const bool near = (octant & 2) == 0;
  sine = std::bit_cast<float>(std::bit_cast<uint32_t>(select(near, s, c)) ^ sine_sign);
  cosine = std::bit_cast<float>(std::bit_cast<uint32_t>(select(near, c, s)) ^ cosine_sign);
}

// 16 uniforms become 16 normal numbers: 8 pairs (j, j + 8).
FULMEN_INLINE void transform_block(float* x, float mean, float std) {
  for (int j = 0; j < 8; ++j) {
    const float radius = __builtin_sqrtf(-2.0f * log_unit(1.0f - x[j]));
    float sine, cosine;
    sine_cosine(6.283185307179586f * x[j + 8], sine, cosine);
    x[j] = fma(radius * cosine, std, mean);
    x[j + 8] = fma(radius * sine, std, mean);
  }
}
FULMEN_INLINE void transform_block(double* x, double mean, double std) {
  for (int j = 0; j < 8; ++j) {
    const double radius = __builtin_sqrt(-2.0 * std::log(1.0 - x[j])), angle = 6.283185307179586 * x[j + 8];
    x[j] = __builtin_fma(radius * std::cos(angle), std, mean);
    x[j + 8] = __builtin_fma(radius * std::sin(angle), std, mean);
  }
}

FULMEN_INLINE void draw_uniforms(Twister& twister, float* to, int64_t n) {
  in_pieces<1>(twister, n, [&](int64_t first, int64_t count, const uint32_t* draws) {
    for (int64_t i = 0; i < count; ++i) to[first + i] = unit_float(draws[i]);
  });
}
FULMEN_INLINE void draw_uniforms(Twister& twister, double* to, int64_t n) {
  in_pieces<2>(twister, n, [&](int64_t first, int64_t count, const uint32_t* draws) {
    for (int64_t i = 0; i < count; ++i) {
      to[first + i] = unit_double(static_cast<uint64_t>(draws[2 * i]) << 32 | draws[2 * i + 1]);
    }
  });
}

// All uniforms first; an incomplete last block draws its 16 again, overlapping the one before.
template <class T>
void fill_blocks(T* y, int64_t n, T mean, T std, Twister twister) {
  draw_uniforms(twister, y, n);
  for (int64_t i = 0; i + 16 <= n; i += 16) transform_block(y + i, mean, std);
  if (n % 16 == 0) return;
  draw_uniforms(twister, y + n - 16, 16);
  transform_block(y + n - 16, mean, std);
}

// The 16-bit types draw block by block, in float.
template <class T>
void fill_blocks_short(T* y, int64_t n, float mean, float std, Twister twister) {
  float block[16];
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t first = i + 16 <= n ? i : n - 16;
    draw_uniforms(twister, block, 16);
    for (int j = 0; j < 8; ++j) {
      const float radius = __builtin_sqrtf(-2.0f * __builtin_logf(1.0f - block[j]));
      const float angle = 6.283185307179586f * block[j + 8];
      y[first + j] = T(fma(radius * __builtin_cosf(angle), std, mean));
      y[first + j + 8] = T(fma(radius * __builtin_sinf(angle), std, mean));
    }
  }
}

template <class T>
void fill_pairs(T* y, int64_t n, double mean, double std, RandomStream stream) {
  Twister twister(stream);
  for (int64_t i = 0; i < n; ++i) {
    double value;
    if (*stream.has_spare) {
      value = *stream.spare_normal;
      *stream.has_spare = false;
    } else {
      const double u = unit_double(twister.draw64()), v = unit_double(twister.draw64());
      const double radius = __builtin_sqrt(-2.0 * std::log1p(-v)), angle = 6.283185307179586 * u;
      *stream.spare_normal = radius * std::sin(angle);
      *stream.has_spare = true;
      value = radius * std::cos(angle);
    }
    value = value * std + mean;
    if constexpr (sizeof(T) == 8) {
      y[i] = value;
    } else {
      y[i] = T(static_cast<float>(value));
    }
  }
}

}  // namespace

void random_normal(const Launch&, View y, double mean, double std, bool blocks, RandomStream stream) {
  const int64_t n = y.numel;
  const auto m = static_cast<float>(mean), s = static_cast<float>(std);
  switch (y.dtype) {
    case ScalarType::Float:
      return blocks ? fill_blocks(y.as<float>(), n, m, s, Twister(stream))
                    : fill_pairs(y.as<float>(), n, mean, std, stream);
    case ScalarType::Double:
      return blocks ? fill_blocks(y.as<double>(), n, mean, std, Twister(stream))
                    : fill_pairs(y.as<double>(), n, mean, std, stream);
    case ScalarType::Half:
      return blocks ? fill_blocks_short(y.as<Half>(), n, m, s, Twister(stream))
                    : fill_pairs(y.as<Half>(), n, mean, std, stream);
    case ScalarType::BFloat16:
      return blocks ? fill_blocks_short(y.as<BFloat16>(), n, m, s, Twister(stream))
                    : fill_pairs(y.as<BFloat16>(), n, mean, std, stream);
    default:
      return;
  }
}

}  // namespace fulmen::FULMEN_ISA
