#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cpu/convert.h>
#ifdef __F16C__
#include <immintrin.h>
#endif

namespace fulmen::FULMEN_ISA {

namespace {

#ifdef __F16C__
// The processor's own conversions, eight at a time; they round like Half's.
FULMEN_INLINE int64_t convert_block(float* y, const Half* x, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  }
  return i;
}
FULMEN_INLINE int64_t convert_block(Half* y, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), half);
  }
  return i;
}
#endif

template <class To, class From>
void convert(void* y_data, int64_t y_stride, const void* x_data, int64_t x_stride, int64_t n) {
  auto* y = static_cast<To*>(y_data);
  auto* x = static_cast<const From*>(x_data);
  if (y_stride == 1 && x_stride == 1) {
    int64_t i = 0;
#ifdef __F16C__
    if constexpr ((std::is_same_v<To, float> && std::is_same_v<From, Half>) ||
                  (std::is_same_v<To, Half> && std::is_same_v<From, float>)) {
      i = convert_block(y, x, n);
    }
#endif
#pragma omp simd
    for (int64_t j = i; j < n; ++j) y[j] = converted<To>(x[j]);
  } else if (x_stride == 0) {
    To value = converted<To>(*x);
    for (int64_t i = 0; i < n; ++i) y[i * y_stride] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * y_stride] = converted<To>(x[i * x_stride]);
  }
}

template <class To>
Convert from(ScalarType t) {
  switch (t) {
#define X(T, N)       \
  case ScalarType::N: \
    return &convert<To, T>;
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return nullptr;
  }
}

// Values that keep their type are moved as bits.
Convert same(int64_t bytes) {
  switch (bytes) {
    case 1:
      return &convert<uint8_t, uint8_t>;
    case 2:
      return &convert<int16_t, int16_t>;
    case 4:
      return &convert<int32_t, int32_t>;
    default:
      return &convert<int64_t, int64_t>;
  }
}

}  // namespace

Convert converter(ScalarType to, ScalarType from_type) {
  if (to == from_type) return same(element_size(to));
  switch (to) {
#define X(T, N)       \
  case ScalarType::N: \
    return from<T>(from_type);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return nullptr;
  }
}

}  // namespace fulmen::FULMEN_ISA
