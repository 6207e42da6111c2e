// Maximum and sum in one pass: whenever a larger element comes, the sum so far is scaled down. Two reads, not three.
//
// Milakov and Gimelshein 2018, "Online normalizer calculation for softmax". Costs a second exponential per element
// where the maximum grows, which is rare.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) softmax_online(float* y, const float* x, int64_t cols) {
  x += blockIdx.x * cols, y += blockIdx.x * cols;
  float most = gpu::lowest<float>, sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += threads) {
    const float value = x[c];
    if (value > most) sum *= math::exp(most - value), most = value;
    sum += math::exp(value - most);
  }
  const float above = gpu::block_max(most);
  if (above != most) sum *= math::exp(most - above);  // threads without columns have 0 * exp(-inf)
  const float factor = 1 / gpu::block_sum(sum);
  for (int64_t c = threadIdx.x; c < cols; c += threads) y[c] = math::exp(x[c] - above) * factor;
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_online, static_cast<unsigned>(rows), threads, 0, stream, y, x, cols);
}

}  // namespace

extern const SoftmaxRung softmax_4_online{"softmax_4_online", "maximum and sum in one pass", INT64_MAX, 1, run};

}  // namespace fulmen::ladder
