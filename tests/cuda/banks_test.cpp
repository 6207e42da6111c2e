#include <doctest/doctest.h>

#ifdef FULMEN_EMULATED
#include <emulator/banks.h>
#include <emulator/control.h>
#include <fulmen/fulmen.h>

// Shared memory of the kernels without bank conflicts, where their layouts promise it. Only the checked build sees
// every access.
using namespace fulmen;

namespace {

/// A line for every place whose accesses conflict while `run` is on the device; of loads alone, if asked.
std::string conflicts(auto run, bool stores = true) {
  emulator::watch_banks(true);
  run();
  cuda::synchronize();
  emulator::watch_banks(false);
  const std::vector<emulator::BankUse> uses = emulator::bank_uses();
  CHECK(!uses.empty());
  std::string lines;
  for (const emulator::BankUse& use : uses) {
    if (use.conflicts > 0 && (stores || !use.write)) lines += emulator::text_of(use) + "\n";
  }
  return lines;
}

Tensor numbers(IntArrayRef sizes, ScalarType dtype = kFloat) { return randn(sizes).to(dtype).to(kCUDA); }

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("no bank conflicts: matrix products of floats, all layouts") {
    if (!emulator::checked()) return;
    const GemmBackend before = cuda::gemm_backend();
    cuda::set_gemm_backend(GemmBackend::own);
    for (const int64_t size : {64, 128}) {
      for (const bool a_turned : {false, true}) {
        for (const bool b_turned : {false, true}) {
          const Tensor a = numbers({size, size}), b = numbers({size, size});
          // Loads: the main loop. The tile's columns, which are stored from rows of memory, meet in pairs.
          CHECK(conflicts([&] { matmul(a_turned ? a.t() : a, b_turned ? b.t() : b); }, false) == "");
        }
      }
    }
    cuda::set_gemm_backend(before);
  }

  TEST_CASE("no bank conflicts: transposed copies") {
    if (!emulator::checked()) return;
    for (const ScalarType dtype : {kByte, kHalf, kFloat, kDouble}) {
      CAPTURE(dtype);
      const Tensor x = numbers({96, 128}, dtype);
      CHECK(conflicts([&] { x.t().contiguous(); }) == "");
    }
  }

  TEST_CASE("no bank conflicts: softmax, layer norm, sums") {
    if (!emulator::checked()) return;
    for (const ScalarType dtype : {kFloat, kBFloat16}) {
      CAPTURE(dtype);
      const Tensor x = numbers({6, 2048}, dtype), gy = numbers({6, 2048}, dtype);
      CHECK(conflicts([&] { softmax(x, 1); }) == "");
      CHECK(conflicts([&] { softmax(x, 0); }) == "");
      const Tensor weight = numbers({2048}, dtype).requires_grad_(), bias = numbers({2048}, dtype).requires_grad_();
      CHECK(conflicts([&] { layer_norm(x, {2048}, weight, bias).backward(gy); }) == "");
      CHECK(conflicts([&] { x.sum(); }) == "");
      CHECK(conflicts([&] { x.sum(IntArrayRef({0})); }) == "");
      CHECK(conflicts([&] { x.sum(IntArrayRef({1})); }) == "");
    }
  }
}
#endif
