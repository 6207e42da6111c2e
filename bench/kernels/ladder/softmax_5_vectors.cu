// Loads and stores of 16 bytes: a quarter of the instructions, and four times as many bytes on their way at a time.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256, width = gpu::vec_width<float>;

__global__ void __launch_bounds__(threads) softmax_vectors(float* y, const float* x, int64_t cols) {
  x += blockIdx.x * cols, y += blockIdx.x * cols;
  const int64_t first = threadIdx.x * width, step = threads * width;
  float most = gpu::lowest<float>, sum = 0;
  for (int64_t c = first; c < cols; c += step) {
    const auto values = gpu::load_vec<width>(x + c);
    float above = most;
    for (int i = 0; i < width; ++i) above = gpu::Max{}(above, values[i]);
    sum *= math::exp(most - above), most = above;
    for (int i = 0; i < width; ++i) sum += math::exp(values[i] - most);
  }
  const float above = gpu::block_max(most);
  if (above != most) sum *= math::exp(most - above);
  const float factor = 1 / gpu::block_sum(sum);
  for (int64_t c = first; c < cols; c += step) {
    auto values = gpu::load_vec<width>(x + c);
    for (int i = 0; i < width; ++i) values[i] = math::exp(values[i] - above) * factor;
    gpu::store_vec(y + c, values);
  }
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_vectors, static_cast<unsigned>(rows), threads, 0, stream, y, x, cols);
}

}  // namespace

extern const SoftmaxRung softmax_5_vectors{"softmax_5_vectors", "16 bytes per load", INT64_MAX, width, run};

}  // namespace fulmen::ladder
