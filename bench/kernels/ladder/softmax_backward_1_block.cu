// A block per row, its threads neighbouring columns: the sum of gy y first, then the result. Five passes over memory.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads)
    softmax_backward_by_blocks(float* gx, const float* y, const float* gy, int64_t cols) {
  const int64_t base = blockIdx.x * cols;
  float sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += threads) sum += gy[base + c] * y[base + c];
  sum = gpu::block_sum(sum);
  for (int64_t c = threadIdx.x; c < cols; c += threads) gx[base + c] = y[base + c] * (gy[base + c] - sum);
}

void run(float* gx, const float* y, const float* gy, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_backward_by_blocks, static_cast<unsigned>(rows), threads, 0, stream, gx, y, gy, cols);
}

}  // namespace

extern const SoftmaxBackwardRung softmax_backward_1_block{"softmax_backward_1_block", "a block per row", INT64_MAX, 1,
                                                          run};

}  // namespace fulmen::ladder
