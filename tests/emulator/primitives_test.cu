#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/kernels/functors.h>
#include <fulmen/tests/emulator/device.h>

#include <algorithm>
#include <cmath>
#include <numeric>

// The language and gpu.h, against what the same computation gives on the host.
using namespace fulmen;
using namespace emulator_test;

namespace {

__global__ void write_indices(int* out) {
  int block = static_cast<int>(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
  int thread = static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
  int threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  out[block * threads + thread] = block * 10000 + thread;
}

__global__ void transpose(const float* x, float* y) {
  __shared__ float tile[32][33];
  tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
  __syncthreads();
  y[threadIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}

__global__ void reverse_dynamic(const int* x, int* y, int n) {
  GPU_DYNAMIC_SHARED(int, values);
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) values[i] = x[i];
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) y[i] = values[n - 1 - i];
}

/// Every block writes its shared memory, after it has read what was there.
__global__ void read_before_write(float* seen) {
  __shared__ float fixed[4];
  GPU_DYNAMIC_SHARED(float, dynamic);
  seen[2 * blockIdx.x] = *const_cast<volatile float*>(&fixed[3]);
  seen[2 * blockIdx.x + 1] = *const_cast<volatile float*>(&dynamic[3]);
  for (int i = 0; i < 4; ++i) fixed[i] = dynamic[i] = 1;
}

struct Shuffled {
  int xor_, up, down, direct, narrow;
};
__global__ void shuffle(Shuffled* out) {
  int lane = gpu::lane_index(), value = lane * 3;
  out[lane] = {__shfl_xor_sync(gpu::all_lanes, value, 5), __shfl_up_sync(gpu::all_lanes, value, 4),
               __shfl_down_sync(gpu::all_lanes, value, 4), __shfl_sync(gpu::all_lanes, value, 40),
               __shfl_down_sync(gpu::all_lanes, value, 2, 8)};
}

struct Voted {
  unsigned ballot, count, match, reduced;
  int any, all, block_count, block_any, block_all;
};
__global__ void vote(Voted* out) {
  unsigned lane = threadIdx.x % 32;
  out[threadIdx.x] = {__ballot_sync(gpu::all_lanes, lane % 3 == 0),
                      static_cast<unsigned>(__popc(__activemask())),
                      __match_any_sync(gpu::all_lanes, static_cast<int>(lane / 8)),
                      __reduce_max_sync(gpu::all_lanes, lane ^ 21u),
                      __any_sync(gpu::all_lanes, lane == 31),
                      __all_sync(gpu::all_lanes, lane < 31),
                      __syncthreads_count(threadIdx.x < 40),
                      __syncthreads_or(threadIdx.x == 77),
                      __syncthreads_and(threadIdx.x != 77)};
}

/// Halves of a warp that go their own ways.
__global__ void half_warps(int* out) {
  int lane = gpu::lane_index(), value = lane;
  if (lane < 16) {
    for (int i = 0; i < 3; ++i) value += __shfl_xor_sync(0x0000ffffu, value, 1);
  } else {
    value -= __shfl_xor_sync(0xffff0000u, value, 2);
  }
  __syncwarp();
  out[lane] = value;
}

template <class T>
__global__ void reduce_rows(const T* x, T* sums, T* most, T* least, int columns) {
  T sum = 0, high = x[blockIdx.x * columns], low = high;
  for (int c = static_cast<int>(threadIdx.x); c < columns; c += static_cast<int>(blockDim.x)) {
    T value = x[static_cast<int>(blockIdx.x) * columns + c];
    sum += value;
    high = gpu::Max{}(high, value);
    low = gpu::Min{}(low, value);
  }
  sum = gpu::block_sum(sum);
  high = gpu::block_max(high);
  low = gpu::block_min(low);
  if (threadIdx.x == blockDim.x - 1) {
    sums[blockIdx.x] = sum;
    most[blockIdx.x] = high;
    least[blockIdx.x] = low;
  }
}

struct Best {
  float value;
  int index;
  short tag;
};
struct BetterOf {
  __device__ Best operator()(Best a, Best b) const {
    return a.value > b.value || (a.value == b.value && a.index < b.index) ? a : b;
  }
};
__global__ void arg_max(const float* x, Best* out, int n) {
  int i = static_cast<int>(threadIdx.x);
  Best mine{i < n ? x[i] : -1e30f, i, static_cast<short>(i)};
  mine = gpu::block_reduce(mine, BetterOf{}, Best{-1e30f, 0x7fffffff, 0});
  if (i == 0) *out = mine;
}

__global__ void count_in_bins(const int* x, int* bins, float* total, unsigned long long* most, int n) {
  int i = static_cast<int>(gpu::thread_index());
  if (i >= n) return;
  atomicAdd(&bins[x[i]], 1);
  atomicAdd(total, 0.5f);
  atomicMax(most, static_cast<unsigned long long>(i));
}

template <class T>
__global__ void add_vectors(const T* x, T* y, int64_t n) {
  constexpr int width = gpu::vec_width<T>;
  for (int64_t i = gpu::thread_index() * width; i + width <= n; i += gpu::thread_count() * width) {
    auto values = gpu::load_vec<width>(x + i);
    for (int k = 0; k < width; ++k) values[k] = static_cast<T>(static_cast<float>(values[k]) + 1.0f);
    gpu::store_vec(y + i, values);
  }
}

__global__ void intrinsics(float* f, unsigned* u) {
  u[0] = __brev(0x12345678u);
  u[1] = __umulhi(0xdeadbeefu, 0xcafebabeu);
  u[2] = static_cast<unsigned>(__clz(0x00010000));
  u[3] = __byte_perm(0x33221100u, 0x77665544u, 0x7210u);
  u[4] = __funnelshift_l(0x80000001u, 0x00000001u, 4);
  u[5] = static_cast<unsigned>(__float2int_rn(2.5f));
  u[6] = static_cast<unsigned>(__float2int_rz(3e10f));
  u[7] = __float2uint_rd(-4.0f);
  f[0] = __fmaf_rn(1.5f, 2.0f, -1.0f);
  f[1] = __saturatef(-2.0f);
  f[2] = rsqrtf(4.0f);
  f[3] = __int_as_float(0x3f800000);
  f[4] = functor::Sigmoid::apply(0.0f);
  f[5] = functor::DivFloor::apply(-7.0f, 2.0f);
}

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: thread and block indices") {
  in_every_order([] {
    dim3 grid(3, 2, 2), block(5, 4, 3);
    DeviceArray<int> out(12 * 60);
    GPU_LAUNCH(write_indices, grid, block, 0, cudaStream_t{}, out.data());
    REQUIRE(cudaGetLastError() == cudaSuccess);
    auto values = out.values();
    for (int i = 0; i < 12 * 60; ++i) CHECK(values[static_cast<size_t>(i)] == i / 60 * 10000 + i % 60);
  });
}

TEST_CASE("emulator: shared memory and barriers") {
  in_every_order([] {
    std::vector<float> x(1024);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    DeviceArray<float> in(x), out(1024);
    GPU_LAUNCH(transpose, 1, dim3(32, 32), 0, cudaStream_t{}, in.data(), out.data());
    auto y = out.values();
    for (size_t i = 0; i < 1024; ++i) CHECK(y[i] == x[i % 32 * 32 + i / 32]);

    std::vector<int> numbers(20000);
    std::iota(numbers.begin(), numbers.end(), 0);
    DeviceArray<int> from(numbers), to(numbers.size());
    GPU_LAUNCH(reverse_dynamic, 1, 96, 80000, cudaStream_t{}, from.data(), to.data(), 20000);
    auto reversed = to.values();
    for (size_t i = 0; i < reversed.size(); ++i) REQUIRE(reversed[i] == 19999 - static_cast<int>(i));
  });
}

TEST_CASE("emulator: shared memory holds NaN when a block begins") {
  if (emulator::checked()) return;  // there the read is a defect
  in_every_order([] {
    DeviceArray<float> seen(size_t{20});
    GPU_LAUNCH(read_before_write, 10, 1, 16, cudaStream_t{}, seen.data());
    for (float value : seen.values()) CHECK(std::isnan(value));
  });
}

TEST_CASE("emulator: shuffles") {
  in_every_order([] {
    DeviceArray<Shuffled> out(32);
    GPU_LAUNCH(shuffle, 1, 32, 0, cudaStream_t{}, out.data());
    auto values = out.values();
    for (int lane = 0; lane < 32; ++lane) {
      const Shuffled& v = values[static_cast<size_t>(lane)];
      CHECK(v.xor_ == (lane ^ 5) * 3);
      CHECK(v.up == (lane < 4 ? lane : lane - 4) * 3);
      CHECK(v.down == (lane > 27 ? lane : lane + 4) * 3);
      CHECK(v.direct == 8 * 3);
      CHECK(v.narrow == (lane % 8 > 5 ? lane : lane + 2) * 3);
    }
  });
}

TEST_CASE("emulator: votes, matches and integer reductions") {
  in_every_order([] {
    DeviceArray<Voted> out(96);
    GPU_LAUNCH(vote, 1, 96, 0, cudaStream_t{}, out.data());
    auto values = out.values();
    for (unsigned i = 0; i < 96; ++i) {
      const Voted& v = values[i];
      CHECK(v.ballot == 0x49249249u);
      CHECK(v.count == 32);
      CHECK(v.match == 0xffu << (i % 32 / 8 * 8));
      CHECK(v.reduced == 31);
      CHECK(v.any == 1);
      CHECK(v.all == 0);
      CHECK(v.block_count == 40);
      CHECK(v.block_any == 1);
      CHECK(v.block_all == 0);
    }
  });
}

TEST_CASE("emulator: parts of a warp meet by their masks") {
  in_every_order([] {
    DeviceArray<int> out(32);
    GPU_LAUNCH(half_warps, 1, 32, 0, cudaStream_t{}, out.data());
    auto values = out.values();
    for (int lane = 0; lane < 32; ++lane) {
      int pair = lane / 2 * 4 + 1;  // the sum of both lanes
      CHECK(values[static_cast<size_t>(lane)] == (lane < 16 ? pair * 4 : lane - (lane ^ 2)));
    }
  });
}

TEST_CASE_TEMPLATE("emulator: block reductions", T, float, double, int) {
  in_every_order([] {
    for (int columns : {1, 31, 300}) {
      std::vector<T> x(static_cast<size_t>(columns) * 5);
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(sample(i));
      DeviceArray<T> in(x), sums(5), most(5), least(5);
      GPU_LAUNCH(reduce_rows<T>, 5, 96, 0, cudaStream_t{}, in.data(), sums.data(), most.data(), least.data(), columns);
      for (size_t row = 0; row < 5; ++row) {
        auto first = x.begin() + static_cast<long>(row) * columns, last = first + columns;
        CHECK(sums.values()[row] == std::accumulate(first, last, T(0)));
        CHECK(most.values()[row] == *std::max_element(first, last));
        CHECK(least.values()[row] == *std::min_element(first, last));
      }
    }
  });
}

TEST_CASE("emulator: reductions of structs, and NaN in maxima") {
  in_every_order([] {
    std::vector<float> x(200);
    for (size_t i = 0; i < x.size(); ++i) x[i] = sample(i);
    DeviceArray<float> in(x);
    DeviceArray<Best> out(1);
    GPU_LAUNCH(arg_max, 1, 224, 0, cudaStream_t{}, in.data(), out.data(), 200);
    auto expected = std::max_element(x.begin(), x.end()) - x.begin();
    CHECK(out.values()[0].index == expected);
    CHECK(out.values()[0].tag == expected);

    x[17] = __builtin_nanf("");
    DeviceArray<float> with_nan(x), sums(1), most(1), least(1);
    GPU_LAUNCH(reduce_rows<float>, 1, 64, 0, cudaStream_t{}, with_nan.data(), sums.data(), most.data(), least.data(),
               200);
    CHECK(std::isnan(most.values()[0]));
    CHECK(std::isnan(least.values()[0]));
  });
}

TEST_CASE("emulator: atomics across blocks") {
  in_every_order([] {
    std::vector<int> x(5000), expected(7, 0);
    for (size_t i = 0; i < x.size(); ++i) ++expected[static_cast<size_t>(x[i] = static_cast<int>(i * i % 7))];
    DeviceArray<int> in(x), bins(std::vector<int>(7, 0));
    DeviceArray<float> total(std::vector<float>(1, 0.0f));
    DeviceArray<unsigned long long> most(std::vector<unsigned long long>(1, 0));
    GPU_LAUNCH(count_in_bins, gpu::blocks_for(5000, 128), 128, 0, cudaStream_t{}, in.data(), bins.data(), total.data(),
               most.data(), 5000);
    CHECK(bins.values() == expected);
    CHECK(total.values()[0] == 2500.0f);
    CHECK(most.values()[0] == 4999);
  });
}

TEST_CASE_TEMPLATE("emulator: wide loads and stores", T, float, Half, BFloat16, int8_t, double) {
  size_t n = 1024;
  std::vector<T> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<T>(sample(i));
  DeviceArray<T> in(x), out(n);
  CHECK(gpu::aligned_for<gpu::vec_width<T>>(in.data(), 1024));
  CHECK_FALSE(gpu::aligned_for<gpu::vec_width<T>>(in.data() + 1));
  CHECK_FALSE(gpu::aligned_for<gpu::vec_width<T>>(in.data(), 1023));
  GPU_LAUNCH(add_vectors<T>, 2, 32, 0, cudaStream_t{}, in.data(), out.data(), static_cast<int64_t>(n));
  auto y = out.values();
  for (size_t i = 0; i < n; ++i) CHECK(static_cast<float>(y[i]) == static_cast<float>(x[i]) + 1.0f);
}

TEST_CASE("emulator: intrinsics") {
  DeviceArray<float> f(6);
  DeviceArray<unsigned> u(8);
  GPU_LAUNCH(intrinsics, 1, 1, 0, cudaStream_t{}, f.data(), u.data());
  CHECK(u.values() == std::vector<unsigned>{0x1e6a2c48u, 0xb092ab7bu, 15, 0x77221100u, 0x00000018u, 2, 0x7fffffffu, 0});
  CHECK(f.values() == std::vector<float>{2.0f, 0.0f, 0.5f, 1.0f, 0.5f, -4.0f});
}

TEST_SUITE_END();

}  // namespace
