// The row stays in shared memory: one read and one write for rows of any length up to 227 KB, with one kernel.
//
// Every thread reads back only what it wrote itself, so the row needs no barrier. The library's kernel is this one with
// teams: several short rows share a block, down to a few lanes per row.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256, width = gpu::vec_width<float>;

__global__ void __launch_bounds__(threads) softmax_in_shared(float* y, const float* x, int64_t cols) {
  GPU_DYNAMIC_SHARED(float, row);  // [cols]
  x += blockIdx.x * cols, y += blockIdx.x * cols;
  const int64_t first = threadIdx.x * width, step = threads * width;
  float most = gpu::lowest<float>, sum = 0;
  for (int64_t c = first; c < cols; c += step) {
    const auto values = gpu::load_vec<width>(x + c);
    gpu::store_vec(row + c, values);
    for (int i = 0; i < width; ++i) most = gpu::Max{}(most, values[i]);
  }
  most = gpu::block_max(most);
  for (int64_t c = first; c < cols; c += step) {
    auto values = gpu::load_vec<width>(row + c);
    for (int i = 0; i < width; ++i) {
      values[i] = math::exp(values[i] - most);
      sum += values[i];
    }
    gpu::store_vec(row + c, values);
  }
  const float factor = 1 / gpu::block_sum(sum);
  for (int64_t c = first; c < cols; c += step) {
    auto values = gpu::load_vec<width>(row + c);
    for (int i = 0; i < width; ++i) values[i] *= factor;
    gpu::store_vec(y + c, values);
  }
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_in_shared, static_cast<unsigned>(rows), threads, static_cast<size_t>(cols) * sizeof(float), stream,
             y, x, cols);
}

}  // namespace

extern const SoftmaxRung softmax_7_shared{"softmax_7_shared", "the row stays in shared memory, whatever its length",
                                          40000, width, run};

}  // namespace fulmen::ladder
