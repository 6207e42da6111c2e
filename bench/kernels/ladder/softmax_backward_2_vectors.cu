// Loads and stores of 16 bytes.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256, width = gpu::vec_width<float>;

__global__ void __launch_bounds__(threads)
    softmax_backward_vectors(float* gx, const float* y, const float* gy, int64_t cols) {
  const int64_t base = blockIdx.x * cols, first = threadIdx.x * width, step = threads * width;
  float sum = 0;
  for (int64_t c = first; c < cols; c += step) {
    const auto a = gpu::load_vec<width>(y + base + c), g = gpu::load_vec<width>(gy + base + c);
    for (int i = 0; i < width; ++i) sum += a[i] * g[i];
  }
  sum = gpu::block_sum(sum);
  for (int64_t c = first; c < cols; c += step) {
    const auto a = gpu::load_vec<width>(y + base + c);
    auto g = gpu::load_vec<width>(gy + base + c);
    for (int i = 0; i < width; ++i) g[i] = a[i] * (g[i] - sum);
    gpu::store_vec(gx + base + c, g);
  }
}

void run(float* gx, const float* y, const float* gy, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_backward_vectors, static_cast<unsigned>(rows), threads, 0, stream, gx, y, gy, cols);
}

}  // namespace

extern const SoftmaxBackwardRung softmax_backward_2_vectors{"softmax_backward_2_vectors", "16 bytes per load",
                                                            INT64_MAX, width, run};

}  // namespace fulmen::ladder
