// A block takes a row, its threads neighbouring columns, so that a warp's load is one piece of memory.
//
// Maximum and sum are reduced through shared memory, by half as many threads in every step, with a barrier after each.
#include <fulmen/bench/kernels/ladder/ladder.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/cuda/math.h>

namespace fulmen::ladder {

namespace {

constexpr int threads = 256;

template <class Op>
GPU_INLINE float reduce_in_shared(float value, Op op) {
  __shared__ float values[threads];
  const int thread = static_cast<int>(threadIdx.x);
  values[thread] = value;
  for (int half = threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) values[thread] = op(values[thread], values[thread + half]);
  }
  __syncthreads();
  value = values[0];
  __syncthreads();  // `values` may be written again
  return value;
}

__global__ void __launch_bounds__(threads) softmax_by_blocks(float* y, const float* x, int64_t cols) {
  x += blockIdx.x * cols, y += blockIdx.x * cols;
  float most = gpu::lowest<float>, sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += threads) most = gpu::Max{}(most, x[c]);
  most = reduce_in_shared(most, gpu::Max{});
  for (int64_t c = threadIdx.x; c < cols; c += threads) sum += math::exp(x[c] - most);
  const float factor = 1 / reduce_in_shared(sum, gpu::Sum{});
  for (int64_t c = threadIdx.x; c < cols; c += threads) y[c] = math::exp(x[c] - most) * factor;
}

void run(float* y, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  GPU_LAUNCH(softmax_by_blocks, static_cast<unsigned>(rows), threads, 0, stream, y, x, cols);
}

}  // namespace

extern const SoftmaxRung softmax_2_coalesced{"softmax_2_coalesced", "a block per row, a warp's loads in one piece",
                                             INT64_MAX, 1, run};

}  // namespace fulmen::ladder
