// Both rows stay in registers: two reads and one write, three passes over memory in the place of five.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256, width = gpu::vec_width<float>;

/// Count: 16-byte vectors of a row per thread.
template <int Count>
__global__ void __launch_bounds__(threads)
    softmax_backward_in_registers(float* gx, const float* y, const float* gy, int64_t cols) {
  const int64_t base = blockIdx.x * cols;
  gpu::Vec<float, width> a[Count] = {}, g[Count] = {};
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    const int64_t c = (int64_t{v} * threads + threadIdx.x) * width;
    if (c < cols) a[v] = gpu::load_vec<width>(y + base + c), g[v] = gpu::load_vec<width>(gy + base + c);
  }
  float sum = 0;
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    for (int i = 0; i < width; ++i) sum += a[v][i] * g[v][i];
  }
  sum = gpu::block_sum(sum);
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    const int64_t c = (int64_t{v} * threads + threadIdx.x) * width;
    for (int i = 0; i < width; ++i) g[v][i] = a[v][i] * (g[v][i] - sum);
    if (c < cols) gpu::store_vec(gx + base + c, g[v]);
  }
}

void run(float* gx, const float* y, const float* gy, int64_t rows, int64_t cols, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(rows);
  if (cols <= threads * width) {
    GPU_LAUNCH(softmax_backward_in_registers<1>, blocks, threads, 0, stream, gx, y, gy, cols);
  } else {
    GPU_LAUNCH(softmax_backward_in_registers<8>, blocks, threads, 0, stream, gx, y, gy, cols);
  }
}

}  // namespace

extern const SoftmaxBackwardRung softmax_backward_3_registers{"softmax_backward_3_registers",
                                                              "both rows stay in registers: two reads, one write",
                                                              8 * threads* width, width, run};

}  // namespace fulmen::ladder
