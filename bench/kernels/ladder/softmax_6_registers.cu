// The row stays in registers between the passes: one read and one write of memory, the least there can be.
//
// The number of vectors per thread is a template argument, for only arrays whose indices the compiler knows stay in
// registers. All loads of a row are on their way before the first is used.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256, width = gpu::vec_width<float>;

/// Count: 16-byte vectors of a row per thread.
template <int Count>
__global__ void __launch_bounds__(threads) softmax_in_registers(float* y, const float* x, int64_t cols) {
  x += blockIdx.x * cols, y += blockIdx.x * cols;
  gpu::Vec<float, width> row[Count];
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    const int64_t c = (int64_t{v} * threads + threadIdx.x) * width;
    if (c < cols) {
      row[v] = gpu::load_vec<width>(x + c);
    } else {
      for (int i = 0; i < width; ++i) row[v][i] = gpu::lowest<float>;  // its exponential is 0
    }
  }
  float most = gpu::lowest<float>, sum = 0;
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    for (int i = 0; i < width; ++i) most = gpu::Max{}(most, row[v][i]);
  }
  most = gpu::block_max(most);
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    for (int i = 0; i < width; ++i) {
      row[v][i] = math::exp(row[v][i] - most);
      sum += row[v][i];
    }
  }
  const float factor = 1 / gpu::block_sum(sum);
#pragma unroll
  for (int v = 0; v < Count; ++v) {
    const int64_t c = (int64_t{v} * threads + threadIdx.x) * width;
    for (int i = 0; i < width; ++i) row[v][i] *= factor;
    if (c < cols) gpu::store_vec(y + c, row[v]);
  }
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(rows);
  if (cols <= threads * width) {
    GPU_LAUNCH(softmax_in_registers<1>, blocks, threads, 0, stream, y, x, cols);
  } else if (cols <= 4 * threads * width) {
    GPU_LAUNCH(softmax_in_registers<4>, blocks, threads, 0, stream, y, x, cols);
  } else {
    GPU_LAUNCH(softmax_in_registers<16>, blocks, threads, 0, stream, y, x, cols);
  }
}

}  // namespace

extern const SoftmaxRung softmax_6_registers{"softmax_6_registers", "the row stays in registers: one read, one write",
                                             16 * threads* width, width, run};

}  // namespace fulmen::ladder
