#include <benchmark/benchmark.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/reduction.h>

// What one operation costs besides its arithmetic.
namespace fulmen {
namespace {

void add_one_no_grad(benchmark::State& state) {
  NoGradGuard no_grad;
  Tensor a = ones({1}), b = ones({1});
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add_one_no_grad)->Name("add_one/no_grad");

void add_one_recording(benchmark::State& state) {
  Tensor a = ones({1}, requires_grad()), b = ones({1}, requires_grad());
  for (auto _ : state) benchmark::DoNotOptimize(a + b);
}
BENCHMARK(add_one_recording)->Name("add_one/recording");

void mul_add_sum_backward(benchmark::State& state) {
  Tensor a = ones({1}, requires_grad()), b = ones({1}, requires_grad());
  for (auto _ : state) {
    (a * b + b).sum().backward();
    a.mutable_grad().reset();
    b.mutable_grad().reset();
  }
}
BENCHMARK(mul_add_sum_backward);

}  // namespace
}  // namespace fulmen
