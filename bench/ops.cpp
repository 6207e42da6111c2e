// Single operations: what one costs when there is nothing to compute, and how fast the heavy ones are.
// Run one: fulmen_bench --benchmark_filter='^gemm/512$'
#include <benchmark/benchmark.h>
#include <fulmen/bench/peer.h>

namespace {

using fulmen::Tensor;

void add_one_no_grad(benchmark::State& state) {
  const fulmen::NoGradGuard no_grad;
  const Tensor a = fulmen::rand({1}), b = fulmen::rand({1});
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add_one_no_grad)->Name("add_one/no_grad");

void add_one_recording(benchmark::State& state) {
  Tensor a = fulmen::rand({1}), b = fulmen::rand({1});
  a.requires_grad_(true);
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add_one_recording)->Name("add_one/recording");

void mul_add_sum_backward(benchmark::State& state) {
  Tensor a = fulmen::rand({1}), b = fulmen::rand({1}), c = fulmen::rand({1});
  a.requires_grad_(true);
  b.requires_grad_(true);
  for (auto _ : state) {
    (a * b + c).sum().backward();
    a.mutable_grad().reset();
    b.mutable_grad().reset();
  }
}
BENCHMARK(mul_add_sum_backward);

// c[m, n] = a[m, k] b[k, n]; the rate counts a multiplication and an addition as two.
void gemm(benchmark::State& state, int64_t m, int64_t n, int64_t k) {
  const fulmen::NoGradGuard no_grad;
  fulmen::manual_seed(0);
  const Tensor a = fulmen::rand({m, k}), b = fulmen::rand({k, n});
  for (auto _ : state) benchmark::DoNotOptimize(fulmen::mm(a, b));
  state.counters["flops"] =
      benchmark::Counter(2.0 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK_CAPTURE(gemm, 256, 256, 256, 256)->UseRealTime();
BENCHMARK_CAPTURE(gemm, 512, 512, 512, 512)->UseRealTime();
BENCHMARK_CAPTURE(gemm, 1024, 1024, 1024, 1024)->UseRealTime();
BENCHMARK_CAPTURE(gemm, 2048, 2048, 2048, 2048)->UseRealTime();
// Hidden layer of a small network: 32 rows of 8 features to 64 units.
BENCHMARK_CAPTURE(gemm, 64x8x32, 32, 64, 8)->UseRealTime();

constexpr int64_t kRows = 4096, kCols = 1024;

// Bytes that must be read and written at least once.
void count_bytes(benchmark::State& state, int64_t tensors) {
  state.SetBytesProcessed(state.iterations() * tensors * kRows * kCols * static_cast<int64_t>(sizeof(float)));
}

void copy(benchmark::State& state) {
  const fulmen::NoGradGuard no_grad;
  const Tensor x = fulmen::rand({kRows, kCols});
  Tensor y = fulmen::empty({kRows, kCols});
  for (auto _ : state) benchmark::DoNotOptimize(y.copy_(x));
  count_bytes(state, 2);
}
BENCHMARK(copy)->Name("copy/4096x1024")->UseRealTime();

void softmax(benchmark::State& state) {
  const fulmen::NoGradGuard no_grad;
  const Tensor x = fulmen::rand({kRows, kCols});
  for (auto _ : state) benchmark::DoNotOptimize(fulmen::softmax(x, 1));
  count_bytes(state, 2);
}
BENCHMARK(softmax)->Name("softmax/4096x1024")->UseRealTime();

void layer_norm(benchmark::State& state) {
  const fulmen::NoGradGuard no_grad;
  const Tensor x = fulmen::rand({kRows, kCols}), weight = fulmen::rand({kCols}), bias = fulmen::rand({kCols});
  for (auto _ : state) benchmark::DoNotOptimize(fulmen::layer_norm(x, {kCols}, weight, bias));
  count_bytes(state, 2);
}
BENCHMARK(layer_norm)->Name("layer_norm/4096x1024")->UseRealTime();

}  // namespace
