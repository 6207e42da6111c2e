// Warps reduce by shuffles, without shared memory: two barriers per reduction in the place of nine.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) softmax_with_shuffles(float* y, const float* x, int64_t cols) {
  x += blockIdx.x * cols, y += blockIdx.x * cols;
  float most = gpu::lowest<float>, sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += threads) most = gpu::Max{}(most, x[c]);
  most = gpu::block_max(most);
  for (int64_t c = threadIdx.x; c < cols; c += threads) sum += math::exp(x[c] - most);
  const float factor = 1 / gpu::block_sum(sum);
  for (int64_t c = threadIdx.x; c < cols; c += threads) y[c] = math::exp(x[c] - most) * factor;
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_with_shuffles, static_cast<unsigned>(rows), threads, 0, stream, y, x, cols);
}

}  // namespace

extern const SoftmaxRung softmax_3_shuffle{"softmax_3_shuffle", "reductions by shuffles", INT64_MAX, 1, run};

}  // namespace fulmen::ladder
