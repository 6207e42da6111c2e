// What Eigen takes for the products of ops.cpp.
#include <benchmark/benchmark.h>
#include <fulmen/bench/eigen_product.h>
#include <fulmen/kernels/threads.h>

#include <vector>

namespace {

void gemm_eigen(benchmark::State& state) {
  if (!__builtin_cpu_supports("avx2")) {
    state.SkipWithError("needs AVX2");
    return;
  }
  const auto n = static_cast<int>(state.range(0));
  const std::vector<float> a(static_cast<size_t>(n) * n, 0.5f), b = a;
  std::vector<float> c = a;
  for (auto _ : state) eigen_product(a.data(), b.data(), c.data(), n, fulmen::get_num_threads());
  state.counters["flops"] = benchmark::Counter(2.0 * n * n * n, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(gemm_eigen)->Arg(256)->Arg(512)->Arg(1024)->Arg(2048)->UseRealTime();

}  // namespace
