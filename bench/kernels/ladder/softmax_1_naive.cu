// A thread takes a whole row and walks through it three times: the largest element, the sum, the result.
//
// Neighbouring threads read addresses a row apart, so each load of a warp touches 32 lines of memory for 4 bytes each.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

__global__ void __launch_bounds__(256) softmax_by_threads(float* y, const float* x, int64_t rows, int64_t cols) {
  const int64_t row = gpu::thread_index();
  if (row >= rows) return;
  x += row * cols, y += row * cols;
  float most = gpu::lowest<float>, sum = 0;
  for (int64_t c = 0; c < cols; ++c) most = gpu::Max{}(most, x[c]);
  for (int64_t c = 0; c < cols; ++c) sum += math::exp(x[c] - most);
  const float factor = 1 / sum;
  for (int64_t c = 0; c < cols; ++c) y[c] = math::exp(x[c] - most) * factor;
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_by_threads, gpu::blocks_for(rows, 256), 256, 0, stream, y, x, rows, cols);
}

}  // namespace

extern const SoftmaxRung softmax_1_naive{"softmax_1_naive", "a thread per row", INT64_MAX, 1, run};

}  // namespace fulmen::ladder
