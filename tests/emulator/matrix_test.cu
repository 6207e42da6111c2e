#include <fulmen/kernels/cuda/ptx.h>
#include <fulmen/tests/emulator/device.h>

#include <bit>
#include <cmath>

// The instructions of ptx.h, against what the same computation gives on the host.
using namespace fulmen;
using namespace emulator_test;

namespace {

constexpr int row_bytes = 64;  // 32 elements of 16 bits: 4 chunks of 16 bytes

/// Loads a 16 x 16 matrix that lies swizzled (or not) in shared memory, and writes it back element by element.
template <bool Transposed, bool Swizzled>
__global__ void load_matrix(const uint16_t* x, uint16_t* y) {
  __shared__ __align__(128) unsigned char tile[16 * row_bytes];
  int lane = gpu::lane_index();
  auto at = [&](int row, int chunk) {
    return tile + row * row_bytes + (Swizzled ? chunk ^ (row >> 1 & 3) : chunk) * 16;
  };
  for (int i = lane; i < 16 * 4; i += 32) ptx::cp_async<16>(at(i / 4, i % 4), x + i / 4 * 32 + i % 4 * 8);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  __syncwarp();
  uint32_t r[4];
  ptx::ldmatrix<4, Transposed>(r, at(lane % 16, lane / 16));
  for (int m = 0; m < 4; ++m) {
    for (int half = 0; half < 2; ++half) {
      int row = lane / 4, column = lane % 4 * 2 + half;
      if (Transposed) {
        int other = row;
        row = column, column = other;
      }
      y[(m % 2 * 8 + row) * 16 + m / 2 * 8 + column] = static_cast<uint16_t>(r[m] >> (16 * half));
    }
  }
}

template <class T>
__global__ void multiply_tile(const T* a, const T* b, float* d) {  // a (16, 16), b (16, 8) transposed: (8, 16)
  int lane = gpu::lane_index(), g = lane / 4, t = lane % 4;
  const auto* a2 = reinterpret_cast<const uint32_t*>(a);
  const auto* b2 = reinterpret_cast<const uint32_t*>(b);
  uint32_t ra[4] = {a2[g * 8 + t], a2[(g + 8) * 8 + t], a2[g * 8 + t + 4], a2[(g + 8) * 8 + t + 4]};
  uint32_t rb[2] = {b2[g * 8 + t], b2[g * 8 + t + 4]};
  float rd[4] = {1, 2, 3, 4};
  ptx::mma_m16n8k16<T>(rd, ra, rb);
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = rd[i];
}

__global__ void multiply_tf32(const float* a, const float* b, float* d) {  // a (16, 8), b (8, 8)
  int lane = gpu::lane_index(), g = lane / 4, t = lane % 4;
  uint32_t ra[4] = {ptx::to_tf32(a[g * 8 + t]), ptx::to_tf32(a[(g + 8) * 8 + t]), ptx::to_tf32(a[g * 8 + t + 4]),
                    ptx::to_tf32(a[(g + 8) * 8 + t + 4])};
  uint32_t rb[2] = {ptx::to_tf32(b[t * 8 + g]), ptx::to_tf32(b[(t + 4) * 8 + g])};
  float rd[4] = {0, 0, 0, 0};
  ptx::mma_m16n8k8_tf32(rd, ra, rb);
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = rd[i];
}

/// Copies n floats, 4 at a time; what lies beyond n becomes 0. Reads the target once too early.
__global__ void copy_with_tail(const float* x, float* y, float* early, int n) {
  __shared__ __align__(16) float values[64];
  int i = static_cast<int>(threadIdx.x) * 4, left = n - i;
  ptx::cp_async<16>(values + i, left > 0 ? x + i : x, left >= 4 ? 16 : left > 0 ? left * 4 : 0);
  ptx::cp_async_commit();
  early[threadIdx.x] = *const_cast<volatile float*>(values + i);
  ptx::cp_async_wait<0>();
  for (int k = 0; k < 4; ++k) y[i + k] = values[i + k];
}

/// Each stage waits for the oldest of three groups only.
__global__ void staged_copies(const float* x, float* y, int stages) {
  __shared__ float values[4][32];
  int lane = gpu::lane_index();
  for (int s = 0; s < 3; ++s) {
    if (s < stages) ptx::cp_async<4>(&values[s][lane], x + s * 32 + lane);
    ptx::cp_async_commit();
  }
  for (int s = 0; s < stages; ++s) {
    ptx::cp_async_wait<2>();
    y[s * 32 + lane] = values[s % 4][lane];
    if (s + 3 < stages) ptx::cp_async<4>(&values[(s + 3) % 4][lane], x + (s + 3) * 32 + lane);
    ptx::cp_async_commit();
  }
  ptx::cp_async_wait<0>();
}

/// Warps 0 and 1 hand numbers to warps 2 and 3 over two named barriers.
__global__ void named_barriers(int* out, int rounds) {
  __shared__ int mailbox[64];
  int i = static_cast<int>(threadIdx.x) % 64, sum = 0;
  bool writer = threadIdx.x < 64;
  for (int r = 0; r < rounds; ++r) {
    if (writer) {
      if (r > 0) ptx::barrier_sync(2, 128);
      mailbox[i] = r * 100 + i;
      ptx::barrier_arrive(1, 128);
    } else {
      ptx::barrier_sync(1, 128);
      sum += mailbox[63 - i];
      if (r + 1 < rounds) ptx::barrier_arrive(2, 128);
    }
  }
  if (!writer) out[i] = sum;
}

__global__ void numbers(uint32_t* out) {
  out[0] = ptx::to_tf32(1.0f + 0x1p-11f);
  out[1] = ptx::to_tf32(1.0f + 0x1p-12f);
  out[2] = ptx::pack<Half>(1.0f, -2.0f);
  out[3] = ptx::pack<BFloat16>(1.0f, -2.0f);
  out[4] = __float_as_uint(ptx::exp2_approx(3.0f));
  out[5] = __float_as_uint(ptx::tanh_approx(0.0f));
}

template <bool Transposed, bool Swizzled>
void check_load_matrix(uint64_t expected_conflicts) {
  std::vector<uint16_t> x(16 * 32);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i * 77);
  DeviceArray<uint16_t> in(x), out(256);
  emulator::reset_counters();
  GPU_LAUNCH((load_matrix<Transposed, Swizzled>), 1, 32, 0, cudaStream_t{}, in.data(), out.data());
  REQUIRE(cudaGetLastError() == cudaSuccess);
  auto y = out.values();
  for (size_t i = 0; i < 256; ++i) CHECK(y[i] == x[i / 16 * 32 + i % 16]);
  CHECK(emulator::counters().matrix_phases == 4);
  CHECK(emulator::counters().matrix_conflicts == expected_conflicts);
}

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: ldmatrix, both ways, and its bank conflicts") {
  in_every_order([] {
    check_load_matrix<false, true>(0);
    check_load_matrix<true, true>(0);
    check_load_matrix<false, false>(4 * 3);  // rows of 64 bytes: four of eight rows share banks
    check_load_matrix<true, false>(4 * 3);
  });
}

TEST_CASE_TEMPLATE("emulator: mma.m16n8k16", T, Half, BFloat16) {
  in_every_order([] {
    std::vector<T> a(256), b(128);
    for (size_t i = 0; i < a.size(); ++i) a[i] = T(sample(i));
    for (size_t i = 0; i < b.size(); ++i) b[i] = T(sample(i * 3 + 1));
    DeviceArray<T> da(a), db(b);
    DeviceArray<float> d(128);
    GPU_LAUNCH(multiply_tile<T>, 1, 32, 0, cudaStream_t{}, da.data(), db.data(), d.data());
    auto result = d.values();
    for (size_t row = 0; row < 16; ++row) {
      for (size_t column = 0; column < 8; ++column) {
        float sum = 1.0f + static_cast<float>(row / 8 * 2 + column % 2);
        for (size_t k = 0; k < 16; ++k) sum += float(a[row * 16 + k]) * float(b[column * 16 + k]);
        CHECK(result[row * 8 + column] == sum);
      }
    }
  });
}

TEST_CASE("emulator: mma.m16n8k8 of TF32") {
  in_every_order([] {
    std::vector<float> a(128), b(64);
    for (size_t i = 0; i < a.size(); ++i) a[i] = sample(i) * (1.0f + 0x1p-13f);  // rounds back
    for (size_t i = 0; i < b.size(); ++i) b[i] = sample(i * 5 + 2);
    DeviceArray<float> da(a), db(b), d(128);
    GPU_LAUNCH(multiply_tf32, 1, 32, 0, cudaStream_t{}, da.data(), db.data(), d.data());
    auto result = d.values();
    for (size_t row = 0; row < 16; ++row) {
      for (size_t column = 0; column < 8; ++column) {
        float sum = 0;
        for (size_t k = 0; k < 8; ++k) sum += sample(row * 8 + k) * b[k * 8 + column];
        CHECK(result[row * 8 + column] == sum);
      }
    }
  });
}

TEST_CASE("emulator: cp.async fills what is beyond the end with zeros, and shows NaN until it is waited for") {
  if (emulator::checked()) return;  // there the early read is a race
  in_every_order([] {
    std::vector<float> x(64);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
    DeviceArray<float> in(x), out(64), early(16);
    GPU_LAUNCH(copy_with_tail, 1, 16, 0, cudaStream_t{}, in.data(), out.data(), early.data(), 42);
    auto y = out.values(), before = early.values();
    for (size_t i = 0; i < 64; ++i) CHECK(y[i] == (i < 42 ? x[i] : 0.0f));
    for (float value : before) CHECK(std::isnan(value));
  });
}

TEST_CASE("emulator: cp.async groups finish in order") {
  in_every_order([] {
    for (int stages : {1, 2, 3, 9}) {
      std::vector<float> x(static_cast<size_t>(stages) * 32);
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
      DeviceArray<float> in(x), out(x.size());
      GPU_LAUNCH(staged_copies, 1, 32, 0, cudaStream_t{}, in.data(), out.data(), stages);
      CHECK(out.values() == x);
    }
  });
}

TEST_CASE("emulator: named barriers") {
  in_every_order([] {
    DeviceArray<int> out(64);
    GPU_LAUNCH(named_barriers, 1, 128, 0, cudaStream_t{}, out.data(), 5);
    auto sums = out.values();
    for (int i = 0; i < 64; ++i) CHECK(sums[static_cast<size_t>(i)] == 1000 + 5 * (63 - i));
  });
}

TEST_CASE("emulator: conversions of ptx.h") {
  DeviceArray<uint32_t> out(6);
  GPU_LAUNCH(numbers, 1, 1, 0, cudaStream_t{}, out.data());
  CHECK(out.values() == std::vector<uint32_t>{0x3f802000u, 0x3f800000u, 0xc0003c00u, 0xc0003f80u, 0x41000000u, 0u});
}

TEST_SUITE_END();

}  // namespace
