#pragma once
#include <fulmen/kernels/random.h>

// Only for files of kernels/cpu: the Mersenne Twister in bulk, and what its draws become.
namespace fulmen::FULMEN_ISA {

/// mt19937 (Matsumoto and Nishimura 1998) over a generator's state.
class Twister {
 public:
  FULMEN_INLINE explicit Twister(RandomStream stream) : stream_(stream) {}

  FULMEN_INLINE uint32_t draw() {
    if (*stream_.position >= words) refill(stream_.words, stream_.position);
    return temper(stream_.words[(*stream_.position)++]);
  }
  FULMEN_INLINE uint64_t draw64() {
    const uint64_t high = draw();
    return (high << 32) | draw();
  }
  /// The next n draws.
  FULMEN_INLINE void draw(uint32_t* to, int64_t n) {
    while (n > 0) {
      if (*stream_.position >= words) refill(stream_.words, stream_.position);
      const int64_t left = words - *stream_.position, count = n < left ? n : left;
      const uint32_t* from = stream_.words + *stream_.position;
      for (int64_t i = 0; i < count; ++i) to[i] = temper(from[i]);
      *stream_.position += static_cast<int32_t>(count);
      to += count;
      n -= count;
    }
  }

 private:
  static constexpr int words = 624, shift = 397;
  FULMEN_INLINE static uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  FULMEN_INLINE static uint32_t twist(uint32_t high, uint32_t low) {
    const uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
    return (mixed >> 1) ^ ((0u - (low & 1u)) & 0x9908b0dfu);
  }
  __attribute__((noinline)) static void refill(uint32_t* s, int32_t* position) {
    for (int i = 0; i < words - shift; ++i) s[i] = s[i + shift] ^ twist(s[i], s[i + 1]);
    // Reads what was written at least 227 words ago: far enough for any vector.
    uint32_t* t = s + (words - shift);
    for (int i = 0; i < shift - 1; ++i) t[i] = s[i] ^ twist(t[i], t[i + 1]);
    s[words - 1] = s[shift - 1] ^ twist(s[words - 1], s[0]);
    *position = 0;
  }
  RandomStream stream_;
};

/// The low 24 bits as a number in [0, 1).
FULMEN_INLINE float unit_float(uint32_t draw) { return static_cast<float>(draw & 0xffffffu) * 0x1p-24f; }
/// The low 53 bits as a number in [0, 1).
FULMEN_INLINE double unit_double(uint64_t draw) {
  return static_cast<double>(static_cast<int64_t>(draw & 0x1fffffffffffffu)) * 0x1p-53;
}

/// Calls f(first, count, draws) for pieces of 0..n with `per` draws per element.
template <int per, class F>
FULMEN_INLINE void in_pieces(Twister& twister, int64_t n, const F& f) {
  constexpr int64_t piece = 512;
  uint32_t draws[piece * per];
  for (int64_t first = 0; first < n; first += piece) {
    const int64_t count = n - first < piece ? n - first : piece;
    twister.draw(draws, count * per);
    f(first, count, draws);
  }
}

}  // namespace fulmen::FULMEN_ISA
