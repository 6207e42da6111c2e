#include <emulator/banks.h>
#include <fulmen/kernels/cuda/gpu.h>
#include <fulmen/tests/emulator/device.h>

// Bank conflicts of ordinary accesses, in the checked build: kernels whose conflicts can be counted by hand.
using namespace fulmen;
using namespace emulator_test;

namespace {

template <int Pitch>
__global__ void transpose(float* y, const float* x) {
  __shared__ float tile[32][Pitch];
  tile[threadIdx.y][threadIdx.x] = x[32 * threadIdx.y + threadIdx.x];
  __syncthreads();
  y[1024 * blockIdx.x + 32 * threadIdx.y + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
__global__ void every_other(float* y) {
  __shared__ float words[64];
  words[2 * threadIdx.x] = 1;
  words[2 * threadIdx.x + 1] = 2;
  __syncthreads();
  y[threadIdx.x] = words[threadIdx.x] + words[63];
}
__global__ void vectors(float* y, const float* x) {
  __shared__ __align__(16) float words[128];
  gpu::store_vec(words + 4 * threadIdx.x, gpu::load_vec<4>(x + 4 * threadIdx.x));
  __syncthreads();
  gpu::Vec<float, 4> value = gpu::load_vec<4>(words + 4 * (threadIdx.x ^ 1));
#pragma unroll
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = 2 * value[i];
}
/// Fewer lanes from step to step: the accesses of one step belong together.
__global__ void halves(float* y) {
  __shared__ float words[64];
  words[threadIdx.x] = 1;
  for (unsigned half = 32; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) words[threadIdx.x] += words[threadIdx.x + half];
  }
  __syncthreads();
  if (threadIdx.x == 0) y[0] = words[0];
}

template <class F>
uint64_t conflicts(const F& launch) {
  emulator::watch_banks(true);
  launch();
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK_MESSAGE(emulator::report().empty(), emulator::report());
  emulator::watch_banks(false);
  return emulator::bank_conflicts();
}

}  // namespace

TEST_SUITE_BEGIN("emulator");

TEST_CASE("emulator: bank conflicts of loads and stores") {
  if (!emulator::checked()) return;
  const std::vector<float> numbers(1024, 1);
  DeviceArray<float> x(numbers), y(2048);
  const dim3 square(32, 32);
  CHECK(conflicts([&] { GPU_LAUNCH(transpose<32>, 1, square, 0, cudaStream_t{}, y.data(), x.data()); }) == 32 * 31);
  CHECK(conflicts([&] { GPU_LAUNCH(transpose<33>, 1, square, 0, cudaStream_t{}, y.data(), x.data()); }) == 0);
  CHECK(conflicts([&] { GPU_LAUNCH(every_other, 1, 32, 0, cudaStream_t{}, y.data()); }) == 2);
  CHECK(conflicts([&] { GPU_LAUNCH(vectors, 1, 32, 0, cudaStream_t{}, y.data(), x.data()); }) == 0);
  CHECK(conflicts([&] { GPU_LAUNCH(halves, 1, 64, 0, cudaStream_t{}, y.data()); }) == 0);

  conflicts([&] { GPU_LAUNCH(transpose<32>, 2, square, 0, cudaStream_t{}, y.data(), x.data()); });
  std::string lines;
  CHECK(emulator::bank_conflicts(&lines) == 2 * 32 * 31);
  CHECK_MESSAGE(lines.find("banks_test.cu:") != std::string::npos, lines);
  CHECK_MESSAGE(lines.find("load of 4 bytes, 1984 conflicts in 64 accesses") != std::string::npos, lines);
}

TEST_SUITE_END();
