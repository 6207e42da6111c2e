#include <fulmen/kernels/cuda/math.h>
#include <fulmen/kernels/cuda/ptx.h>
#include <fulmen/kernels/philox.h>
#include <fulmen/tests/wrappers/wrappers.h>

// Conversions, approximations, random numbers: one result per input.
namespace wrapper_test {

using namespace fulmen;

namespace {

/// Every thread applies f to its input.
template <class F>
__global__ void apply(uint32_t* y, const float* x, int n, F f) {
  const auto i = static_cast<int>(gpu::thread_index());
  if (i < n) y[i] = f(x[i]);
}

/// Ordinary numbers, ties of the roundings to 8, 10 and 11 bits, very small and very large ones, infinities.
std::vector<float> samples() {
  std::vector<float> x = {0.0f,     -0.0f, 1.0f,   -1.0f, 65504.0f, 65519.9f,
                          65520.0f, 1e-8f, -6e-8f, 3e38f, INFINITY, -INFINITY};
  for (int i = 0; i < 26; ++i) {
    const float base = std::bit_cast<float>(0x3f800000u + (static_cast<uint32_t>(i) << 22) / 3u);
    for (const uint32_t half : {0x1000u, 0x0fffu, 0x3000u, 0x8000u, 0x18000u, 0x7fffu}) {
      x.push_back(std::bit_cast<float>((std::bit_cast<uint32_t>(base) & 0xffff0000u) | half) * (i % 2 ? -1.0f : 1.0f));
    }
  }
  return x;
}

template <class F>
Result apply_to(const std::vector<float>& inputs, double tolerance, F f) {
  const Array<float> x(inputs);
  const Array<uint32_t> y(inputs.size());
  const int n = static_cast<int>(inputs.size());
  GPU_LAUNCH(apply<F>, gpu::blocks_for(n, 64), 64, 0, cudaStream_t{}, y.data(), x.data(), n, f);
  return {y.words(), tolerance};
}

struct ToTf32 {
  __device__ uint32_t operator()(float x) const { return ptx::to_tf32(x); }
};
template <class T>
struct Pack {
  __device__ uint32_t operator()(float x) const { return ptx::pack<T>(x, -x); }
};
/// The software conversions of dtype.h, as nvcc compiles them.
template <class T>
struct Convert {
  __device__ uint32_t operator()(float x) const { return T(x).bits; }
};
template <float (*f)(float)>
struct Bits {
  __device__ uint32_t operator()(float x) const { return std::bit_cast<uint32_t>(f(x)); }
};
__device__ inline float exp2_of(float x) { return ptx::exp2_approx(x); }
__device__ inline float tanh_of(float x) { return ptx::tanh_approx(x); }
__device__ inline float exact_exp(float x) { return math::exp(x); }
__device__ inline float exact_log(float x) { return math::log(x); }
__device__ inline float exact_erf(float x) { return math::erf(x); }
__device__ inline float exact_tanh(float x) { return math::tanh(x); }
__device__ inline float quotient(float x) { return 3.0f / x; }
__device__ inline float square_root(float x) { return math::sqrt(x); }

std::vector<float> between(float low, float high) {
  std::vector<float> x;
  for (int i = 0; i < 40; ++i) x.push_back(low + (high - low) * static_cast<float>(i) / 39.0f);
  return x;
}

__global__ void random_words(uint32_t* y, uint64_t seed) {
  const auto thread = static_cast<uint32_t>(gpu::thread_index());
  const PhiloxBlock block = philox(seed, thread + (uint64_t{thread} << 35), thread * 3 + 1);
  for (int i = 0; i < 4; ++i) y[thread * 4 + static_cast<uint32_t>(i)] = block.word[i];
}
Result philox_words_of() {
  const Array<uint32_t> y(4 * 64);
  GPU_LAUNCH(random_words, 2, 32, 0, cudaStream_t{}, y.data(), 0x123456789abcdef0u);
  return {y.words()};
}

}  // namespace

std::vector<Case> number_cases() {
  return {
      {"to_tf32", false, [] { return apply_to(samples(), 0, ToTf32{}); }},
      {"pack_half", false, [] { return apply_to(samples(), 0, Pack<Half>{}); }},
      {"pack_bfloat16", false, [] { return apply_to(samples(), 0, Pack<BFloat16>{}); }},
      {"convert_half", false, [] { return apply_to(samples(), 0, Convert<Half>{}); }},
      {"convert_bfloat16", false, [] { return apply_to(samples(), 0, Convert<BFloat16>{}); }},
      {"exp2_approx", false, [] { return apply_to(between(-120, 20), 4.8e-7, Bits<exp2_of>{}); }},
      {"tanh_approx", false, [] { return apply_to(between(-4, 4.25f), 5e-4, Bits<tanh_of>{}); }},
      {"exp", false, [] { return apply_to(between(-80, 80), 5e-7, Bits<exact_exp>{}); }},
      {"log", false, [] { return apply_to(between(0.1f, 900), 5e-7, Bits<exact_log>{}); }},
      {"erf", false, [] { return apply_to(between(-3, 3.5f), 5e-7, Bits<exact_erf>{}); }},
      {"tanh", false, [] { return apply_to(between(-5, 5.5f), 5e-7, Bits<exact_tanh>{}); }},
      {"division", false, [] { return apply_to(between(-7, 9.7f), 0, Bits<quotient>{}); }},
      {"square_root", false, [] { return apply_to(between(0, 12.3f), 0, Bits<square_root>{}); }},
      {"philox", false, philox_words_of},
  };
}

}  // namespace wrapper_test
