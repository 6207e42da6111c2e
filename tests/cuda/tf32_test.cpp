#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/context.h>
#include <fulmen/tensor/cuda.h>
#include <tests/message_of.h>

#include <bit>
#include <cmath>
#include <limits>

#ifdef FULMEN_EMULATED
#include <emulator/control.h>
#endif

using namespace fulmen;
using testing::mentions;
using testing::message_of;

// Products of float whose operands may be rounded to TF32.
namespace {

/// A precision until the end of the scope.
class WithPrecision {
 public:
  explicit WithPrecision(const char* precision) : before_(get_float32_matmul_precision()) {
    set_float32_matmul_precision(precision);
  }
  ~WithPrecision() { set_float32_matmul_precision(before_); }

 private:
  std::string before_;
};

/// 10 bits of mantissa, ties away from zero.
Tensor rounded(const Tensor& x) {
  Tensor y = x.clone();
  auto* p = y.data_ptr<float>();
  for (int64_t i = 0; i < y.numel(); ++i)
    p[i] = std::bit_cast<float>((std::bit_cast<uint32_t>(p[i]) + 0x1000u) & ~0x1fffu);
  return y;
}
Tensor exact_product(const Tensor& a, const Tensor& b) { return matmul(a.to(kDouble), b.to(kDouble)); }
/// |x - y| / |y|, as norms.
double distance(const Tensor& x, const Tensor& y) { return ((x.to(kDouble) - y).norm() / y.norm()).item<double>(); }

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("settings of the precision of float32 products, under PyTorch's names") {
    CHECK_FALSE(globalContext().allowTF32CuBLAS());
    CHECK(get_float32_matmul_precision() == "highest");
    {
      const WithPrecision scope("medium");
      CHECK(globalContext().allowTF32CuBLAS());
      CHECK(globalContext().float32MatmulPrecision() == Float32MatmulPrecision::MEDIUM);
      globalContext().setAllowTF32CuBLAS(false);
      CHECK(get_float32_matmul_precision() == "highest");
      globalContext().setAllowTF32CuBLAS(true);
      CHECK(get_float32_matmul_precision() == "high");
    }
    CHECK_FALSE(globalContext().allowTF32CuBLAS());
    CHECK(mentions(message_of([] { set_float32_matmul_precision("low"); }), "highest, high or medium"));
  }

  TEST_CASE("TF32 products are those of rounded operands, in every layout, at the edges of tiles") {
    manual_seed(5);
    const int64_t shapes[][3] = {{1, 1, 1}, {65, 63, 33}, {64, 64, 16}, {130, 10, 96}, {72, 1, 40}, {9, 10, 3000}};
    for (const auto& shape : shapes) {
      const Tensor a = randn({shape[0], shape[2]}), b = randn({shape[2], shape[1]});
      const Tensor expected = exact_product(rounded(a), rounded(b)), exact = exact_product(a, b);
      for (bool a_transposed : {false, true}) {
        for (bool b_transposed : {false, true}) {
          const Tensor there_a = a_transposed ? a.t().contiguous().to(kCUDA).t() : a.to(kCUDA);
          const Tensor there_b = b_transposed ? b.t().contiguous().to(kCUDA).t() : b.to(kCUDA);
          CHECK(distance(matmul(there_a, there_b).cpu(), exact) < 1e-6);
          const WithPrecision scope("high");
          const Tensor product = matmul(there_a, there_b).cpu();
          CHECK(distance(product, expected) < 1e-5);
          CHECK(distance(product, exact) < 1e-3);
          if (shape[2] > 1) CHECK(distance(product, exact) > 1e-5);
          CHECK(equal(matmul(there_a, there_b).cpu(), product));
        }
      }
    }
  }

  TEST_CASE("large TF32 products, with something added, of any strides") {
    manual_seed(6);
    const WithPrecision scope("high");
    const Tensor a = randn({96, 130, 20}), b = randn({96, 20, 132}), add = randn({132});
    const Tensor expected = exact_product(rounded(a), rounded(b)) + add.to(kDouble);
    const Tensor as[] = {a.to(kCUDA), a.transpose(1, 2).contiguous().to(kCUDA).transpose(1, 2),
                         stack({a, a}, -1).to(kCUDA).select(-1, 1)};
    const Tensor bs[] = {b.to(kCUDA), b.transpose(1, 2).contiguous().to(kCUDA).transpose(1, 2)};
    for (int i = 0; i < 3; ++i) {  // every layout of either operand
      CHECK(distance(baddbmm(add.to(kCUDA), as[i], bs[i % 2]).cpu(), expected) < 1e-5);
    }
    // Infinite and undefined operands stay what they are.
    const double infinity = std::numeric_limits<double>::infinity();
    const Tensor x = tensor({1.0, infinity}).to(kFloat).view({1, 2});
    CHECK(matmul(x.to(kCUDA), ones({2, 1}).to(kCUDA)).item<float>() == static_cast<float>(infinity));
    CHECK(std::isnan(matmul(x.to(kCUDA), zeros({2, 1}).to(kCUDA)).item<float>()));
  }

#ifdef FULMEN_EMULATED
  TEST_CASE("TF32 reads of matrices in shared memory have no bank conflicts") {
    const GemmBackend before = cuda::gemm_backend();
    cuda::set_gemm_backend(GemmBackend::own);
    const WithPrecision scope("high");
    emulator::reset_counters();
    const Tensor a = randn({64, 32}).to(kCUDA), b = randn({64, 32}).to(kCUDA).t();
    matmul(a, b).cpu();
    CHECK(emulator::counters().matrix_phases > 0);
    CHECK(emulator::counters().matrix_conflicts == 0);
    cuda::set_gemm_backend(before);
  }
#endif
}
