#include <fulmen/kernels/cuda/ptx.h>
#include <fulmen/tests/wrappers/wrappers.h>

// What a warp or a block does together: reductions, ldmatrix, mma, asynchronous copies, named barriers.
namespace wrapper_test {

using namespace fulmen;

namespace {

// --- reductions of gpu.h: the order of adding is part of what they promise

__global__ void reduce_block(float* y, const float* x) {
  const int i = static_cast<int>(threadIdx.x);
  const float warp = gpu::warp_sum<8>(x[i]);
  const float block = gpu::block_sum(x[i]), most = gpu::block_max(x[i]);
  y[3 * i] = warp, y[3 * i + 1] = block, y[3 * i + 2] = most;
}
Result reductions() {
  std::vector<float> x;
  for (uint32_t i = 0; i < 96; ++i) x.push_back(static_cast<float>(small(i)) * 0.3f + 1e-3f * static_cast<float>(i));
  const Array<float> from(x), y(3 * 96);
  GPU_LAUNCH(reduce_block, 1, 96, 0, cudaStream_t{}, y.data(), from.data());
  return {y.words()};
}

// --- ldmatrix

template <int Count, bool Transposed>
__global__ void load_matrices(uint32_t* y) {
  __shared__ __align__(16) uint32_t rows[32 * 4];  // 32 rows of 16 bytes
  const int lane = gpu::lane_index();
  for (int i = 0; i < 4; ++i) rows[lane * 4 + i] = static_cast<uint32_t>((lane * 4 + i) * 0x10001 + 0x8000);
  __syncwarp();
  uint32_t r[Count];
  ptx::ldmatrix<Count, Transposed>(r, rows + (lane * 7 % 32) * 4);
  for (int i = 0; i < Count; ++i) y[lane * Count + i] = r[i];
}
template <int Count, bool Transposed>
Result ldmatrix() {
  const Array<uint32_t> y(32 * Count);
  GPU_LAUNCH((load_matrices<Count, Transposed>), 1, 32, 0, cudaStream_t{}, y.data());
  return {y.words()};
}

// --- mma: a (16, 16) and b (8 columns, 16), both with contiguous depth

template <class T>
__global__ void multiply(float* d, const T* a, const T* b) {
  const int g = gpu::lane_index() / 4, t = gpu::lane_index() % 4;
  float sums[4] = {1, 2, 3, 4};
  if constexpr (std::is_same_v<T, float>) {
    const uint32_t x[4] = {ptx::to_tf32(a[g * 8 + t]), ptx::to_tf32(a[(g + 8) * 8 + t]), ptx::to_tf32(a[g * 8 + t + 4]),
                           ptx::to_tf32(a[(g + 8) * 8 + t + 4])};
    const uint32_t y[2] = {ptx::to_tf32(b[g * 8 + t]), ptx::to_tf32(b[g * 8 + t + 4])};
    ptx::mma_m16n8k8_tf32(sums, x, y);
  } else {
    const auto* a2 = reinterpret_cast<const uint32_t*>(a);
    const auto* b2 = reinterpret_cast<const uint32_t*>(b);
    const uint32_t x[4] = {a2[g * 8 + t], a2[(g + 8) * 8 + t], a2[g * 8 + t + 4], a2[(g + 8) * 8 + t + 4]};
    const uint32_t y[2] = {b2[g * 8 + t], b2[g * 8 + t + 4]};
    ptx::mma_m16n8k16<T>(sums, x, y);
  }
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = sums[i];
}
template <class T>
Result mma() {
  const Array<T> a(integers<T>(16 * 16, 1)), b(integers<T>(8 * 16, 2));
  const Array<float> d(16 * 8);
  GPU_LAUNCH(multiply<T>, 1, 32, 0, cudaStream_t{}, d.data(), a.data(), b.data());
  return {d.words()};
}

// --- cp.async: thread i copies, of its Bytes, the first i % (Bytes + 1); the rest becomes 0

template <int Bytes>
__global__ void copy_with_zeros(unsigned char* y, const unsigned char* x) {
  __shared__ __align__(16) unsigned char shared[64 * Bytes];
  const int i = static_cast<int>(threadIdx.x);
  ptx::cp_async<Bytes>(shared + i * Bytes, x + i * Bytes, i % (Bytes + 1));
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  for (int k = 0; k < Bytes; ++k) y[i * Bytes + k] = shared[i * Bytes + k];
}
template <int Bytes>
Result cp_async() {
  std::vector<unsigned char> x;
  for (int i = 0; i < 64 * Bytes; ++i) x.push_back(static_cast<unsigned char>(i % 251 + 1));
  const Array<unsigned char> from(x), y(x.size());
  GPU_LAUNCH(copy_with_zeros<Bytes>, 1, 64, 0, cudaStream_t{}, y.data(), from.data());
  return {y.words()};
}

/// A ring of three groups, of which the oldest is waited for, over 10 steps.
__global__ void copy_in_stages(uint32_t* y, const uint32_t* x) {
  __shared__ __align__(16) uint32_t ring[3][64 * 4];
  const int i = static_cast<int>(threadIdx.x), steps = 10;
  auto start = [&](int step) {
    if (step < steps) ptx::cp_async<16>(&ring[step % 3][i * 4], x + (step * 64 + i) * 4);
    ptx::cp_async_commit();
  };
  start(0), start(1);
  uint32_t sum = 0;
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<1>();
    __syncthreads();
    start(step + 2);
    sum = sum * 31 + ring[step % 3][(i * 4 + 77) % 256];  // another thread's
  }
  y[i] = sum;
}
Result cp_async_stages() {
  const Array<uint32_t> x(integers<uint32_t>(10 * 64 * 4, 3)), y(64);
  GPU_LAUNCH(copy_in_stages, 1, 64, 0, cudaStream_t{}, y.data(), x.data());
  return {y.words()};
}

// --- named barriers: warps 0 and 1 write, warps 2 and 3 read; 5 rounds

__global__ void pass_on(uint32_t* y) {
  __shared__ uint32_t values[64];
  const int i = static_cast<int>(threadIdx.x);
  uint32_t sum = 0;
  for (uint32_t round = 0; round < 5; ++round) {
    if (i < 64) {
      values[i] = round * 100 + static_cast<uint32_t>(i);
      ptx::barrier_arrive(1, 128);  // written
      ptx::barrier_sync(2, 128);    // read
    } else {
      ptx::barrier_sync(1, 128);
      sum = sum * 31 + values[127 - i];
      ptx::barrier_arrive(2, 128);
    }
  }
  if (i >= 64) y[i - 64] = sum;
}
Result named_barriers() {
  const Array<uint32_t> y(64);
  GPU_LAUNCH(pass_on, 1, 128, 0, cudaStream_t{}, y.data());
  return {y.words()};
}

}  // namespace

std::vector<Case> warp_cases() {
  return {
      {"reductions", false, reductions},
      {"ldmatrix_x1", false, ldmatrix<1, false>},
      {"ldmatrix_x2", false, ldmatrix<2, false>},
      {"ldmatrix_x4", false, ldmatrix<4, false>},
      {"ldmatrix_x1_transposed", false, ldmatrix<1, true>},
      {"ldmatrix_x2_transposed", false, ldmatrix<2, true>},
      {"ldmatrix_x4_transposed", false, ldmatrix<4, true>},
      {"mma_half", false, mma<Half>},
      {"mma_bfloat16", false, mma<BFloat16>},
      {"mma_tf32", false, mma<float>},
      {"cp_async_4", false, cp_async<4>},
      {"cp_async_8", false, cp_async<8>},
      {"cp_async_16", false, cp_async<16>},
      {"cp_async_stages", false, cp_async_stages},
      {"named_barriers", false, named_barriers},
  };
}

}  // namespace wrapper_test
