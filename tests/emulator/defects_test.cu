#include <fulmen/kernels/cuda/wgmma.h>
#include <fulmen/tests/emulator/device.h>

#include <functional>

// Every kernel here has one planted defect, which the emulator must name, whichever thread runs first.
using namespace fulmen;
using namespace emulator_test;

namespace {

// --- found in every build

__global__ void divergent_barrier(float* y) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    y[threadIdx.x] = 1;
    __syncthreads();
  }
}
__global__ void early_exit(float* y, unsigned n) {
  if (threadIdx.x >= n) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}
__global__ void shuffle_without_half(float* y) {
  float v = 1;
  if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);
  y[threadIdx.x] = v;
}
__global__ void shuffle_beyond_mask(float* y) {
  float v = 1;
  if (threadIdx.x < 16) v = __shfl_xor_sync(0x0000ffffu, v, 16);
  y[threadIdx.x] = v;
}
__global__ void caller_not_in_mask(float* y) { y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1.0f, 1); }
__global__ void different_collectives(float* y) {
  if (threadIdx.x % 2 == 0) {
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  } else {
    y[threadIdx.x] = static_cast<float>(__ballot_sync(0xffffffffu, 1));
  }
}
__global__ void partial_warp_mma(float* y) {
  float d[4] = {};
  uint32_t a[4] = {}, b[2] = {};
  ptx::mma_m16n8k16<Half>(d, a, b);
  y[threadIdx.x] = d[0];
}
__global__ void never_waited_copy(const float* x, float* y) {
  __shared__ __align__(16) float tile[4];
  ptx::cp_async<16>(tile, x);
  ptx::cp_async_commit();
  y[0] = 1;
}
__global__ void misaligned_copy(const float* x, float* y) {
  __shared__ __align__(16) float tile[8];
  ptx::cp_async<16>(tile + 1, x);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  y[0] = tile[1];
}
__global__ void copy_to_global(const float* x, float* y) {
  ptx::cp_async<16>(y, x);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
}
__global__ void ldmatrix_of_global(const float* x, float* y) {
  uint32_t r[4];
  ptx::ldmatrix<4>(r, x + threadIdx.x * 4);
  y[threadIdx.x] = static_cast<float>(r[0]);
}
__global__ void mbarrier_too_few(float* y) {
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) ptx::mbarrier_init(&barrier, 2);
  __syncthreads();
  if (threadIdx.x == 0) ptx::mbarrier_arrive(&barrier);
  ptx::mbarrier_wait(&barrier, 0);
  y[threadIdx.x] = 1;
}
__global__ void mbarrier_uninitialised(float* y) {
  __shared__ uint64_t barrier;
  ptx::mbarrier_arrive(&barrier);
  y[0] = 1;
}
__global__ void named_barrier_counts(float* y) {
  ptx::barrier_sync(1, threadIdx.x < 32 ? 64 : 96);
  y[threadIdx.x] = 1;
}
__global__ void wgmma_without_fence(float* y) {
  float d[8] = {};
  ptx::wgmma<Half, 16>(d, 0, 0, true);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  y[threadIdx.x] = d[0];
}
__global__ void wgmma_beyond_shared(float* y) {
  GPU_DYNAMIC_SHARED(unsigned char, shared);
  float d[8] = {};
  uint64_t operand = ptx::wgmma_descriptor(shared, ptx::Swizzle::bytes128, 0, 1024);
  ptx::wgmma_fence();
  ptx::wgmma<Half, 16>(d, operand, operand, true);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  y[threadIdx.x] = d[0];
}
__global__ void unmapped_address(float* y) { y[(int64_t{1} << 40) + threadIdx.x] = 1; }
__global__ void misaligned_atomic(float* y) { atomicAdd(reinterpret_cast<int*>(reinterpret_cast<char*>(y) + 2), 1); }
__global__ void trap(float* y) {
  if (y[0] != 12345.0f) __trap();
}
__global__ void never_waited_load(const __grid_constant__ CUtensorMap map, float* y) {
  GPU_DYNAMIC_SHARED(float, tile);
  __shared__ uint64_t barrier;
  ptx::mbarrier_init(&barrier, 1);
  ptx::mbarrier_expect(&barrier, 1024);
  ptx::tma_load(tile, &map, &barrier, 0);
  y[0] = 1;
}
__global__ void wrong_byte_count(const __grid_constant__ CUtensorMap map, float* y) {
  GPU_DYNAMIC_SHARED(float, tile);
  __shared__ uint64_t barrier;
  ptx::mbarrier_init(&barrier, 1);
  ptx::mbarrier_expect(&barrier, 2048);
  ptx::tma_load(tile, &map, &barrier, 0);
  ptx::mbarrier_wait(&barrier, 0);
  y[0] = tile[0];
}
__global__ void never_waited_store(const __grid_constant__ CUtensorMap map) {
  GPU_DYNAMIC_SHARED(float, tile);
  for (int i = 0; i < 256; ++i) tile[i] = 1;
  ptx::fence_async();
  ptx::tma_store(&map, tile, 0);
  ptx::tma_store_commit();
}

// --- found by the checked build

__global__ void store_without_fence(const __grid_constant__ CUtensorMap map) {
  GPU_DYNAMIC_SHARED(float, tile);
  for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) tile[i] = 1;
  __syncthreads();
  if (threadIdx.x > 0) return;
  ptx::fence_async();  // by a thread that did not write most of it
  ptx::tma_store(&map, tile, 0);
  ptx::tma_store_commit();
  ptx::tma_store_wait<0>();
}
__global__ void wgmma_of_unfenced_writes(float* y) {
  GPU_DYNAMIC_SHARED(Half, tile);
  for (int i = static_cast<int>(threadIdx.x); i < 8192; i += 128) tile[i] = Half(1.0f);
  __syncthreads();
  float d[8] = {};
  uint64_t operand = ptx::wgmma_descriptor(tile, ptx::Swizzle::bytes128, 0, 1024);
  ptx::wgmma_fence();
  ptx::wgmma<Half, 16>(d, operand, operand, true);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  y[threadIdx.x] = d[0];
}

__global__ void missing_barrier(const float* x, float* y) {
  __shared__ float tile[256];
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[threadIdx.x ^ 64];
}
__global__ void missing_second_barrier(const float* x, float* y) {
  __shared__ float tile[256];
  float sum = 0;
  for (int i = 0; i < 2; ++i) {
    tile[threadIdx.x] = x[threadIdx.x] + static_cast<float>(i);
    __syncthreads();
    sum += tile[255 - threadIdx.x];
  }
  y[threadIdx.x] = sum;
}
__global__ void missing_syncwarp(const float* x, float* y) {
  __shared__ float tile[32];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  if (threadIdx.x < 16) tile[threadIdx.x] += tile[threadIdx.x + 16];
  if (threadIdx.x < 8) tile[threadIdx.x] += tile[threadIdx.x + 8];
  __syncwarp();
  y[threadIdx.x] = tile[0];
}
__global__ void uninitialised_shared(float* y) {
  __shared__ float tile[64];
  if (threadIdx.x < 63) tile[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void copy_one_more(const float* x, float* y, int n) {
  int i = static_cast<int>(gpu::thread_index());
  if (i <= n) y[i] = x[i];
}
__global__ void blocks_race(float* y) { y[0] = y[0] + 1; }
__global__ void dynamic_overflow(float* y) {
  GPU_DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x + 1] = 1;
  y[threadIdx.x] = 1;
}
__global__ void copy_not_waited(const float* x, float* y) {
  __shared__ __align__(16) float tile[128];
  ptx::cp_async<16>(tile + threadIdx.x * 4, x + threadIdx.x * 4);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();  // one's own copies; those of others need a barrier
  y[threadIdx.x] = tile[(threadIdx.x * 4 + 4) % 128];
}
__global__ void other_threads_local(float* y) {
  __shared__ float* local;
  float mine = static_cast<float>(threadIdx.x);
  if (threadIdx.x == 0) local = &mine;
  __syncthreads();
  y[threadIdx.x] = *const_cast<volatile float*>(local);
  __syncthreads();
}
/// The consumer reads a stage of the ring without waiting for it to be full.
__global__ void consumer_does_not_wait(const __grid_constant__ CUtensorMap map, float* y) {
  GPU_DYNAMIC_SHARED(float, tile);
  __shared__ uint64_t full;
  if (threadIdx.x == 0) ptx::mbarrier_init(&full, 1);
  __syncthreads();
  if (threadIdx.x == 32) {
    ptx::mbarrier_expect(&full, 1024);
    ptx::tma_load(tile, &map, &full, 0);
    ptx::mbarrier_wait(&full, 0);
  }
  if (threadIdx.x < 32) y[threadIdx.x] = tile[threadIdx.x];
}
/// The producer fills the same stage again without waiting for it to be empty.
__global__ void producer_does_not_wait(const __grid_constant__ CUtensorMap map, float* y) {
  GPU_DYNAMIC_SHARED(float, tile);
  __shared__ uint64_t full;
  if (threadIdx.x == 0) ptx::mbarrier_init(&full, 1);
  __syncthreads();
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x == 32) {
      ptx::mbarrier_expect(&full, 1024);
      ptx::tma_load(tile, &map, &full, 0);
    }
    ptx::mbarrier_wait(&full, round);
    if (threadIdx.x < 32) y[threadIdx.x] = tile[threadIdx.x];
  }
}

struct Fixture {
  DeviceArray<float> x{std::vector<float>(1024, 1.0f)}, y{std::vector<float>(1024, 1.0f)}, small{size_t{1000}},
      unwritten{size_t{1024}};
  CUtensorMap map;
  Fixture() {
    ptx::TensorBox box{x.data(), ScalarType::Float, 1, {1024}, {}, {256}, ptx::Swizzle::none};
    REQUIRE(ptx::encode_tensor_map(&map, box));
  }
};

/// `launch` fails in every order of threads with a report that contains `text`; afterwards the device works again.
void expect_report(const std::string& text, const std::function<void(Fixture&)>& launch) {
  CAPTURE(text);
  in_every_order([&] {
    Fixture fixture;
    emulator::reset();
    launch(fixture);
    CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    CHECK(std::string(cudaGetErrorString(cudaErrorLaunchFailure)) ==
          "unspecified launch failure: " + emulator::report());
    CHECK_MESSAGE(emulator::report().find(text) != std::string::npos, emulator::report());
    emulator::reset();
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(fixture.x.values()[0] == 1.0f);
  });
}

#define RUN(kernel, threads, shared, ...) \
  [](Fixture& f) { GPU_LAUNCH(kernel, 1, threads, shared, cudaStream_t{}, __VA_ARGS__); }

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: barriers that threads do not reach together") {
  expect_report("divergent __syncthreads", RUN(divergent_barrier, 64, 0, f.y.data()));
  expect_report("__syncthreads at", RUN(early_exit, 64, 0, f.y.data(), 40u));
  expect_report("barrier 1 for", RUN(named_barrier_counts, 96, 0, f.y.data()));
}

TEST_CASE("emulator: collectives of a warp with wrong lanes") {
  expect_report("exit", RUN(shuffle_without_half, 32, 0, f.y.data()));
  expect_report("which is not in the active mask", RUN(shuffle_beyond_mask, 32, 0, f.y.data()));
  expect_report("is not in the mask 0x0000ffff", RUN(caller_not_in_mask, 32, 0, f.y.data()));
  expect_report("meet in different collectives", RUN(different_collectives, 32, 0, f.y.data()));
  expect_report("needs all 32 lanes", RUN(partial_warp_mma, 16, 0, f.y.data()));
}

TEST_CASE("emulator: asynchronous copies gone wrong") {
  expect_report("never waited for", RUN(never_waited_copy, 1, 0, f.x.data(), f.y.data()));
  expect_report("is not aligned to 16 bytes", RUN(misaligned_copy, 1, 0, f.x.data(), f.y.data()));
  expect_report("is not in this block's shared memory", RUN(copy_to_global, 1, 0, f.x.data(), f.y.data()));
  expect_report("is not in shared memory", RUN(ldmatrix_of_global, 32, 0, f.x.data(), f.y.data()));
  expect_report("TMA loads that nothing waited for", RUN(never_waited_load, 1, 1024, f.map, f.y.data()));
  expect_report("TMA stores that it never waited for", RUN(never_waited_store, 1, 1024, f.map));
}

TEST_CASE("emulator: mbarriers that never end") {
  expect_report("deadlock: 64 of 64 threads wait", RUN(mbarrier_too_few, 64, 0, f.y.data()));
  expect_report("deadlock: 1 of 1 threads wait", RUN(wrong_byte_count, 1, 1024, f.map, f.y.data()));
  expect_report("mbarrier was not initialised", RUN(mbarrier_uninitialised, 1, 0, f.y.data()));
}

TEST_CASE("emulator: wgmma misused") {
  expect_report("without a wgmma_fence()", RUN(wgmma_without_fence, 128, 1024, f.y.data()));
  if (!emulator::checked()) {  // there it is an uninitialised read first
    expect_report("of dynamic shared memory", RUN(wgmma_beyond_shared, 128, 4096, f.y.data()));
  }
}

TEST_CASE("emulator: addresses that cannot be, and traps") {
  expect_report(emulator::checked() ? "memcheck" : "illegal address", RUN(unmapped_address, 32, 0, f.y.data()));
  expect_report("is not aligned to 4 bytes", RUN(misaligned_atomic, 1, 0, f.y.data()));
  expect_report("__trap()", RUN(trap, 1, 0, f.y.data()));
}

TEST_CASE("emulator: reports name the kernel, the block and the thread") {
  expect_report("trap: block (0,0,0) thread (0,0,0): ", RUN(trap, 1, 0, f.y.data()));
  expect_report("waits in mbarrier.try_wait at ", RUN(mbarrier_too_few, 64, 0, f.y.data()));
}

TEST_CASE("emulator, checked build: races within a block") {
  if (!emulator::checked()) return;
  expect_report("check: ", RUN(missing_barrier, 256, 0, f.x.data(), f.y.data()));
  expect_report("racecheck: ", RUN(missing_second_barrier, 256, 0, f.x.data(), f.y.data()));
  expect_report("racecheck: ", RUN(missing_syncwarp, 32, 0, f.x.data(), f.y.data()));
  expect_report("check: ", RUN(copy_not_waited, 32, 0, f.x.data(), f.y.data()));
  expect_report("check: ", RUN(consumer_does_not_wait, 64, 1024, f.map, f.y.data()));
  expect_report("racecheck: ", RUN(producer_does_not_wait, 64, 1024, f.map, f.y.data()));
}

TEST_CASE("emulator, checked build: races between blocks") {
  if (!emulator::checked()) return;
  expect_report("by another block", [](Fixture& f) { GPU_LAUNCH(blocks_race, 4, 1, 0, cudaStream_t{}, f.y.data()); });
}

TEST_CASE("emulator, checked build: writes that the copy engine and wgmma need not see") {
  if (!emulator::checked()) return;
  expect_report("proxycheck: ", RUN(store_without_fence, 64, 1024, f.map));
  expect_report("has called no fence_async() since it wrote that",
                RUN(wgmma_of_unfenced_writes, 128, 16384, f.y.data()));
}

TEST_CASE("emulator, checked build: memory that is not there or was never written") {
  if (!emulator::checked()) return;
  expect_report("end 4 bytes past a device allocation of 4000 bytes", [](Fixture& f) {
    GPU_LAUNCH(copy_one_more, 4, 256, 0, cudaStream_t{}, f.x.data(), f.small.data(), 1000);
  });
  expect_report("initcheck: reads byte ",
                RUN(copy_one_more, 32, 0, static_cast<const float*>(f.unwritten.data()), f.y.data(), 31));
  expect_report("initcheck: reads byte 252 of a __shared__ variable", RUN(uninitialised_shared, 64, 0, f.y.data()));
  expect_report("bytes at byte 256 of dynamic shared memory", RUN(dynamic_overflow, 64, 256, f.y.data()));
  expect_report("a local variable of another thread", RUN(other_threads_local, 64, 0, f.y.data()));
  static std::vector<float> host(1024, 1.0f);
  expect_report("of host memory", RUN(copy_one_more, 32, 0, static_cast<const float*>(host.data()), f.y.data(), 31));
  expect_report("freed device memory", [](Fixture& f) {
    float* gone = nullptr;
    REQUIRE(cudaMalloc(&gone, size_t{4} << 20) == cudaSuccess);
    (void)cudaFree(gone);
    GPU_LAUNCH(copy_one_more, 1, 32, 0, cudaStream_t{}, gone + (1 << 19), f.y.data(), 31);
  });
}

TEST_CASE("emulator, checked build: reports name file and line of both accesses") {
  if (!emulator::checked()) return;
  expect_report("defects_test.cu:", RUN(missing_second_barrier, 256, 0, f.x.data(), f.y.data()));
}

TEST_SUITE_END();

}  // namespace
