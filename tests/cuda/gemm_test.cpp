#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>

#include <array>
#include <cmath>

#ifdef FULMEN_EMULATED
#include <emulator/control.h>
#endif

using namespace fulmen;

// Matrix products on the device against the CPU's: layouts, sizes around the edges of tiles, batches, dtypes.
namespace {

/// Numbers of any dtype that differ from their neighbours; eighths from -2 to 2, which even bfloat16 holds exactly.
Tensor numbers(std::vector<int64_t> sizes, DType dtype, uint32_t seed) {
  Tensor t = empty(sizes, TensorOptions().dtype(kDouble));
  auto* p = t.data_ptr<double>();
  for (int64_t i = 0; i < t.numel(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    double n = static_cast<double>(seed >> 27) - 16;
    p[i] = dtype == kByte ? n + 16 : is_floating_point(dtype) ? n / 8 : n;
  }
  return t.to(dtype);
}

enum class Place { dense, transposed, with_gaps, spread };
constexpr Place places[] = {Place::dense, Place::transposed, Place::with_gaps, Place::spread};

/// x on the device: rows or columns contiguous, in the middle of a larger matrix (so nothing is aligned), or with no
/// two elements side by side.
Tensor on_device(const Tensor& x, Place place) {
  int64_t rows = x.size(-2), cols = x.size(-1);
  switch (place) {
    case Place::dense:
      return x.to(kCUDA);
    case Place::transposed:
      return x.transpose(-1, -2).contiguous().to(kCUDA).transpose(-1, -2);
    case Place::with_gaps: {
      std::vector<int64_t> sizes(x.sizes().begin(), x.sizes().end());
      sizes[sizes.size() - 2] += 1, sizes.back() += 3;
      Tensor larger = full(sizes, 99, x.options());
      larger.narrow(-2, 1, rows).narrow(-1, 1, cols).copy_(x);
      return larger.to(kCUDA).narrow(-2, 1, rows).narrow(-1, 1, cols);
    }
    case Place::spread:
      return stack({x, full_like(x, 99)}, -1).to(kCUDA).select(-1, 0);
  }
  return x;
}

/// The inputs are exact; what remains is the rounding of sums and of the result.
void check_equal(const Tensor& on_device, const Tensor& expected) {
  REQUIRE(on_device.is_cuda());
  Tensor got = on_device.cpu();
  REQUIRE(got.sizes() == expected.sizes());
  REQUIRE(got.scalar_type() == expected.scalar_type());
  if (is_floating_point(expected.scalar_type())) {
    double tolerance = expected.dtype() == kHalf ? 1e-3 : expected.dtype() == kBFloat16 ? 8e-3 : 1e-6;
    CHECK(allclose(got.to(kDouble), expected.to(kDouble), tolerance, tolerance));
  } else {
    CHECK(equal(got, expected));
  }
}

void check_product(const Tensor& a, const Tensor& b, std::vector<Place> b_places = {Place::dense, Place::transposed}) {
  Tensor expected = matmul(a, b);
  for (Place a_place : places) {
    for (Place b_place : b_places) {
      INFO("layouts " << static_cast<int>(a_place) << " and " << static_cast<int>(b_place));
      check_equal(matmul(on_device(a, a_place), on_device(b, b_place)), expected);
    }
  }
}

/// Whether every access of a kernel is looked at.
bool slow() {
#ifdef FULMEN_EMULATED
  return emulator::checked();
#else
  return false;
#endif
}

constexpr DType dtypes[] = {kFloat, kDouble, kHalf, kBFloat16, kByte, kChar, kShort, kInt, kLong};

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("products of every dtype and layout, at the edges of tiles") {
    const int64_t shapes[][3] = {{1, 1, 1},   {3, 5, 7},    {64, 64, 32}, {65, 63, 33},
                                 {1, 72, 50}, {130, 8, 96}, {72, 1, 40},  {16, 136, 17}};
    for (DType dtype : dtypes) {
      for (const auto& shape : shapes) {
        const int64_t rows = shape[0], cols = shape[1], depth = shape[2];
        INFO(static_cast<int>(dtype) << ": " << rows << " x " << cols << " x " << depth);
        check_product(numbers({rows, depth}, dtype, 1), numbers({depth, cols}, dtype, 2));
      }
    }
  }

  TEST_CASE("products with few rows or columns read the matrix once") {
    const int64_t sizes[][2] = {{128, 32}, {131, 33}, {259, 75}, {130, 264}};
    for (DType dtype : {kFloat, kHalf, kBFloat16}) {
      for (int64_t few : {1, 2, 4, 5, 8, 9}) {
        for (const auto& size : sizes) {
          const int64_t many = size[0], depth = size[1];
          if (slow() && (depth > 75 || few == 5)) continue;
          INFO(static_cast<int>(dtype) << ": " << few << ", " << many << " x " << depth);
          const Tensor vectors = numbers({few, depth}, dtype, 1), matrix = numbers({many, depth}, dtype, 2);
          check_product(vectors, matrix.t());
          check_product(matrix, vectors.t());
        }
      }
      // With what is added, and an activation; a batch whose rows are not aligned, and one that is broadcast.
      const Tensor x = numbers({3, 72}, dtype, 1), w = numbers({140, 72}, dtype, 2) / 8,
                   bias = numbers({140}, dtype, 3);
      const Tensor xd = x.to(kCUDA), wd = w.to(kCUDA), bd = bias.to(kCUDA);
      check_equal(_addmm_activation(bd, xd, wd.t(), 1, 0.5, true, "tanh"),
                  _addmm_activation(bias, x, w.t(), 1, 0.5, true, "tanh"));
      check_equal(linear(xd, wd, bd), linear(x, w, bias));
      const Tensor a = numbers({2, 3, 150, 41}, dtype, 4), b = numbers({3, 41, 2}, dtype, 5);
      check_product(a, b);
      CHECK(equal(linear(xd, wd, bd).cpu(), linear(xd, wd, bd).cpu()));
      CHECK(matmul(wd, full({72}, std::nan(""), xd.options())).isnan().all().item<bool>());
    }
  }

  TEST_CASE("products without depth are zeros, and without elements are nothing") {
    for (DType dtype : dtypes) {
      check_product(numbers({3, 0}, dtype, 1), numbers({0, 4}, dtype, 2), {Place::dense});
      CHECK(matmul(numbers({0, 3}, dtype, 1).to(kCUDA), numbers({3, 4}, dtype, 2).to(kCUDA)).numel() == 0);
    }
  }

  TEST_CASE("integers wrap around") {
    Tensor big = full({2, 3}, int64_t{1} << 62), a = full({2, 3}, 100, TensorOptions().dtype(kChar));
    check_equal(matmul(big.to(kCUDA), big.t().to(kCUDA)), matmul(big, big.t()));
    check_equal(matmul(a.to(kCUDA), a.t().to(kCUDA)), matmul(a, a.t()));
  }

  TEST_CASE("many products: batch dimensions that merge, that are broadcast, that are permuted") {
    for (DType dtype : {kFloat, kDouble, kHalf, kInt}) {
      Tensor a = numbers({2, 3, 1, 5, 6}, dtype, 1), b = numbers({3, 4, 6, 7}, dtype, 2);
      check_product(a, b);
      Tensor heads = numbers({2, 5, 3, 8}, dtype, 3);  // (batch, time, heads, width)
      Tensor there = heads.to(kCUDA).transpose(1, 2), here = heads.transpose(1, 2);
      check_equal(matmul(there, there.transpose(-1, -2)), matmul(here, here.transpose(-1, -2)));
      check_equal(bmm(a.flatten(0, 2).to(kCUDA), b.narrow(0, 0, 2).flatten(0, 1).narrow(0, 0, 6).to(kCUDA)),
                  bmm(a.flatten(0, 2), b.narrow(0, 0, 2).flatten(0, 1).narrow(0, 0, 6)));
    }
  }

  TEST_CASE("alpha, beta and what is added") {
    for (DType dtype : {kFloat, kDouble, kHalf, kBFloat16, kLong}) {
      Tensor a = numbers({66, 40}, dtype, 1), b = numbers({40, 24}, dtype, 2);
      for (auto sizes : std::vector<std::vector<int64_t>>{{66, 24}, {24}, {66, 1}, {1}}) {
        Tensor add = numbers(sizes, dtype, 3);
        check_equal(addmm(add.to(kCUDA), a.to(kCUDA), b.to(kCUDA), 3, -2), addmm(add, a, b, 3, -2));
      }
      Tensor a3 = numbers({2, 9, 8}, dtype, 4), b3 = numbers({2, 8, 16}, dtype, 5),
             add3 = numbers({2, 9, 16}, dtype, 6);
      check_equal(baddbmm(add3.to(kCUDA), a3.to(kCUDA), b3.to(kCUDA), 2, 3), baddbmm(add3, a3, b3, 2, 3));
      Tensor nan = full({66, 24}, is_floating_point(dtype) ? std::nan("") : 7.0, TensorOptions().dtype(dtype));
      check_equal(addmm(nan.to(kCUDA), a.to(kCUDA), b.to(kCUDA), 0), addmm(nan, a, b, 0));
    }
  }

  TEST_CASE("activations of products, whose sums are stored by tiles of every kind or shared among blocks") {
    for (DType dtype : {kFloat, kDouble, kHalf, kBFloat16}) {
      std::vector<std::array<int64_t, 3>> shapes{{66, 24, 40}, {33, 7, 5}, {9, 10, 1100}};
      if (!slow() && (dtype == kHalf || dtype == kFloat)) shapes.push_back({1280, 1290, 16});
      if (!slow() && dtype == kHalf) shapes.push_back({1280, 1288, 16});
      for (const auto& shape : shapes) {
        Tensor a = numbers({shape[0], shape[2]}, dtype, 1), b = numbers({shape[2], shape[1]}, dtype, 2) / 8;
        for (auto sizes : std::vector<std::vector<int64_t>>{{shape[0], shape[1]}, {shape[1]}}) {
          Tensor add = numbers(sizes, dtype, 3);
          for (int which : {0, 1, 2}) {
            auto fused = [&](const Tensor& x, const Tensor& y, const Tensor& z) {
              return _addmm_activation(x, y, z, 1, 0.5, which > 0, which == 2 ? "tanh" : "none");
            };
            check_equal(fused(add.to(kCUDA), a.to(kCUDA), b.to(kCUDA)), fused(add, a, b));
          }
        }
      }
    }
  }

  TEST_CASE("the gradient of a bias comes with that of its weight") {
    for (DType dtype : {kFloat, kDouble, kHalf, kBFloat16}) {
      for (const auto& shape : std::vector<std::array<int64_t, 3>>{{40, 70, 65}, {7, 5, 3}, {1100, 17, 9}, {0, 4, 8}}) {
        const int64_t rows = shape[0], out = shape[1], in = shape[2];
        Tensor x = numbers({rows, in}, dtype, 1), w = numbers({out, in}, dtype, 2), b = numbers({out}, dtype, 3);
        Tensor gy = numbers({rows, out}, dtype, 4) / 4;
        std::vector<Tensor> here = {w.clone().requires_grad_(), b.clone().requires_grad_()};
        std::vector<Tensor> there = {w.to(kCUDA).requires_grad_(), b.to(kCUDA).requires_grad_()};
        std::vector<Tensor> expected = autograd::grad({linear(x, here[0], here[1])}, here, {gy});
        for (Place place : places) {
          std::vector<Tensor> got = autograd::grad({linear(x.to(kCUDA), there[0], there[1])}, there,
                                                   {rows ? on_device(gy, place) : gy.to(kCUDA)});
          check_equal(got[0], expected[0]);
          check_equal(got[1], expected[1]);
        }
      }
    }
  }

  TEST_CASE("long sums are shared among blocks, with the same result every time") {
    for (DType dtype : {kFloat, kDouble, kBFloat16, kInt}) {
      Tensor a = numbers({9, 3000}, dtype, 1), b = numbers({3000, 10}, dtype, 2), add = numbers({10}, dtype, 3);
      check_product(a, b);
      Tensor ad = a.to(kCUDA), bd = b.to(kCUDA), first = matmul(ad, bd).cpu();
      check_equal(addmm(add.to(kCUDA), ad, bd, 2, 3), addmm(add, a, b, 2, 3));
      CHECK(equal(matmul(ad, bd).cpu(), first));
    }
  }

#ifdef FULMEN_EMULATED
  TEST_CASE("matrix units read shared memory without bank conflicts, in every layout") {
    const GemmBackend before = cuda::gemm_backend();
    cuda::set_gemm_backend(GemmBackend::own);
    for (int64_t batch : {1, 12}) {  // small tiles, large tiles
      // Batch dimensions that do not merge: these take ldmatrix on every device.
      Tensor a = numbers({8, batch, 128, 32}, kHalf, 1).transpose(0, 1), b = numbers({batch, 8, 32, 128}, kHalf, 2);
      Tensor expected = matmul(a, b);
      emulator::reset_counters();
      for (Place a_place : {Place::dense, Place::transposed}) {
        for (Place b_place : {Place::dense, Place::transposed}) {
          Tensor there = on_device(a.transpose(0, 1), a_place).transpose(0, 1);
          check_equal(matmul(there, on_device(b, b_place)), expected);
        }
      }
      CHECK(emulator::counters().matrix_phases > 0);
      CHECK(emulator::counters().matrix_conflicts == 0);
    }
    cuda::set_gemm_backend(before);
  }
#endif

  TEST_CASE("large products with ragged tiles, one operand for the whole batch, and something added") {
    Tensor a = numbers({96, 128, 40}, kBFloat16, 1), b = numbers({40, 264}, kBFloat16, 2), expected = matmul(a, b);
    for (Place a_place : {Place::dense, Place::transposed}) {
      for (Place b_place : {Place::dense, Place::transposed}) {
        check_equal(matmul(on_device(a, a_place), on_device(b, b_place)), expected);
      }
    }
    Tensor c = numbers({96, 136, 136}, kHalf, 3), d = numbers({96, 136, 40}, kHalf, 4),
           e = numbers({96, 40, 136}, kHalf, 5);
    check_equal(baddbmm(c.to(kCUDA), d.to(kCUDA), e.to(kCUDA), 2, 3), baddbmm(c, d, e, 2, 3));
  }

  TEST_CASE("large products of float and of float16") {
    for (DType dtype : {kFloat, kHalf}) {
      for (int64_t rows : {128, 129}) {  // aligned and deep, and not
        const int64_t depth = rows == 128 ? 328 : 12;
        Tensor a = numbers({96, rows, depth}, dtype, 1), b = numbers({96, depth, rows}, dtype, 2);
        Tensor expected = matmul(a, b);
        check_equal(matmul(on_device(a, Place::dense), on_device(b, Place::transposed)), expected);
        check_equal(matmul(on_device(a, Place::transposed), on_device(b, Place::dense)), expected);
      }
    }
  }
}
