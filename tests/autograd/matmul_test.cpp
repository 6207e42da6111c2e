#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/threads.h>

#include <cmath>
#include <cstring>

using namespace fulmen;

namespace {

/// Numbers in [-1, 1) that differ from element to element.
Tensor filled(IntArrayRef sizes, ScalarType dtype = kFloat, uint32_t seed = 1) {
  Tensor t = empty(sizes, kDouble);
  auto* p = t.data_ptr<double>();
  for (int64_t i = 0; i < t.numel(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = static_cast<double>(seed >> 8) / (1 << 23) - 1;
  }
  return t.to(dtype);
}

/// The product of matrices in double precision, one multiplication at a time.
Tensor reference(const Tensor& a, const Tensor& b) {
  Tensor x = a.to(kDouble), y = b.to(kDouble), c = zeros({a.size(0), b.size(1)}, kDouble);
  auto xa = x.accessor<double, 2>(), ya = y.accessor<double, 2>(), ca = c.accessor<double, 2>();
  for (int64_t i = 0; i < a.size(0); ++i) {
    for (int64_t j = 0; j < b.size(1); ++j) {
      for (int64_t k = 0; k < a.size(1); ++k) ca[i][j] += xa[i][k] * ya[k][j];
    }
  }
  return c;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  Tensor x = a.to(kDouble).contiguous(), y = b.to(kDouble).contiguous();
  double worst = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    worst = std::max(worst, std::abs(x.data_ptr<double>()[i] - y.data_ptr<double>()[i]));
  }
  return worst;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

struct Threads {
  explicit Threads(int n) : before(get_num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

}  // namespace

TEST_SUITE_BEGIN("autograd");

TEST_CASE("mm: every shape class and layout against a naive product") {
  const int64_t shapes[][3] = {{1, 1, 1},     {1, 5, 1},       {2, 3, 4},   {7, 1, 9},     {1, 64, 33},  {33, 64, 1},
                               {5, 300, 3},   {32, 8, 32},     {64, 32, 8}, {13, 17, 100}, {1, 9000, 2}, {200, 2, 270},
                               {97, 600, 65}, {130, 257, 131}, {3, 0, 4},   {40, 33, 3}};
  for (const auto& shape : shapes) {
    const auto [rows, depth, cols] = shape;
    for (ScalarType dtype : {kFloat, kDouble, kHalf, kBFloat16, kInt, kByte}) {
      for (int layout = 0; layout < 4; ++layout) {
        Tensor a = layout & 1 ? filled({depth, rows}, kDouble, 1).t() : filled({rows, depth}, kDouble, 1);
        Tensor b = layout & 2 ? filled({cols, depth}, kDouble, 2).t() : filled({depth, cols}, kDouble, 2);
        bool integral = !is_floating_point(dtype);
        if (integral) a = a * 3, b = b * 3;
        if (dtype == kByte) a = a * a, b = b * b;
        a = a.to(dtype), b = b.to(dtype);
        INFO("rows ", shape[0], ", depth ", shape[1], ", cols ", shape[2], ", layout ", layout);
        double unit = dtype == kDouble ? 3e-15 : dtype == kFloat ? 1e-6 : dtype == kHalf ? 1e-3 : 8e-3;
        double scale = std::sqrt(static_cast<double>(depth)) + 1;
        Tensor expected = reference(a, b);
        if (dtype == kByte) expected = expected.to(kInt).to(kByte);
        CHECK(largest_difference(mm(a, b), expected) <= (integral ? 0 : unit * scale));
      }
    }
  }
}

TEST_CASE("mm: the same bits with 1, 2 and 4 threads") {
  const int64_t shapes[][3] = {{300, 300, 300}, {5, 700, 2000}, {2000, 700, 3},
                               {3000, 900, 1},  {1, 900, 3000}, {700, 13, 700}};
  for (const auto& shape : shapes) {
    const auto [rows, depth, cols] = shape;
    Tensor a = filled({rows, depth}), b = filled({cols, depth}, kFloat, 2).t(), add = filled({cols}, kFloat, 3);
    Tensor results[3];
    int counts[] = {1, 2, 4};
    for (int i = 0; i < 3; ++i) {
      Threads threads(counts[i]);
      results[i] = addmm(add, a, b, 0.7, 1.3);
    }
    INFO("rows ", shape[0]);
    CHECK(same_bits(results[0], results[1]));
    CHECK(same_bits(results[0], results[2]));
  }
}

TEST_CASE("matmul: ranks, batches and broadcasting") {
  auto sizes = [](IntArrayRef a, IntArrayRef b) { return matmul(filled(a), filled(b)).sizes().vec(); };
  using V = std::vector<int64_t>;
  CHECK(sizes({3}, {3}) == V{});
  CHECK(sizes({3}, {3, 4}) == V{4});
  CHECK(sizes({2, 3}, {3}) == V{2});
  CHECK(sizes({5, 2, 3}, {3}) == V{5, 2});
  CHECK(sizes({3}, {5, 3, 4}) == V{5, 4});
  CHECK(sizes({5, 2, 3}, {3, 4}) == V{5, 2, 4});
  CHECK(sizes({2, 3}, {5, 3, 4}) == V{5, 2, 4});
  CHECK(sizes({5, 1, 2, 3}, {6, 3, 4}) == V{5, 6, 2, 4});
  CHECK(sizes({0, 2, 3}, {3, 4}) == V{0, 2, 4});

  Tensor a = filled({5, 1, 2, 3}, kDouble), b = filled({6, 3, 4}, kDouble, 2), y = matmul(a, b);
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t j = 0; j < 6; ++j) CHECK(largest_difference(y[i][j], reference(a[i][0], b[j])) < 1e-14);
  }
  Tensor x = filled({5, 2, 3}, kDouble).transpose(0, 1), w = filled({3, 4}, kDouble, 2);  // rows cannot be folded
  for (int64_t i = 0; i < 2; ++i) CHECK(largest_difference(matmul(x, w)[i], reference(x[i], w)) < 1e-14);
}

TEST_CASE("matmul: gradients are products with the transposed operand") {
  Tensor a = filled({4, 3}, kDouble).requires_grad_(), b = filled({3, 5}, kDouble, 2).requires_grad_();
  Tensor gy = filled({4, 5}, kDouble, 3);
  auto g = autograd::grad({mm(a, b)}, {a, b}, {gy});
  CHECK(largest_difference(g[0], reference(gy, b.detach().t())) < 1e-14);
  CHECK(largest_difference(g[1], reference(a.detach().t(), gy)) < 1e-14);

  // One matrix for a whole batch: its gradient is the sum over the batch.
  Tensor x = filled({6, 4, 3}, kDouble).requires_grad_(), gz = filled({6, 4, 5}, kDouble, 3);
  g = autograd::grad({matmul(x, b)}, {x, b}, {gz});
  CHECK(largest_difference(g[1], reference(x.detach().view({24, 3}).t(), gz.view({24, 5}))) < 1e-13);
  CHECK(largest_difference(g[0][2], reference(gz[2], b.detach().t())) < 1e-14);
}

TEST_CASE("linear: any number of leading dimensions, with gradients") {
  Tensor x = filled({2, 7, 3}, kDouble).requires_grad_(), w = filled({5, 3}, kDouble, 2).requires_grad_();
  Tensor bias = filled({5}, kDouble, 3).requires_grad_(), gy = filled({2, 7, 5}, kDouble, 4);
  Tensor y = linear(x, w, bias);
  Tensor flat = reference(x.detach().view({14, 3}), w.detach().t()) + bias.detach();
  CHECK(largest_difference(y, flat.view({2, 7, 5})) < 1e-14);
  CHECK(y.grad_fn()->name() == "LinearBackward0");
  auto g = autograd::grad({y}, {x, w, bias}, {gy});
  CHECK(largest_difference(g[0], reference(gy.view({14, 5}), w.detach()).view({2, 7, 3})) < 1e-13);
  CHECK(largest_difference(g[1], reference(gy.view({14, 5}).t(), x.detach().view({14, 3}))) < 1e-13);
  CHECK(g[2].sizes() == IntArrayRef({5}));
  CHECK(linear(filled({3}, kDouble), w).sizes() == IntArrayRef({5}));
}

TEST_CASE("matmul: errors name the shapes") {
  auto message = [](auto&& f) {
    try {
      f();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  auto contains = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  contains(message([] {
             mm(filled({2, 3}), filled({4, 5}));
           }),
           "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)");
  contains(message([] {
             mm(filled({2, 3}), filled({3, 5}, kDouble));
           }),
           "expected m1 and m2 to have the same dtype, but got: Float != Double");
  contains(message([] { mm(filled({2}), filled({4, 5})); }), "self must be a matrix");
  contains(message([] {
             bmm(filled({2, 3, 4}), filled({2, 5, 4}));
           }),
           "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [2, 5].");
  contains(message([] { dot(filled({2}), filled({3})); }), "inconsistent tensor size");
  contains(message([] { mm(filled({2, 2}, kBool), filled({2, 2}, kBool)); }), "not implemented for 'Bool'");
  std::string text = message([] { linear(filled({64, 8}), filled({64, 4})); });
  contains(text, "linear(4 -> 64) takes [*, 4]; got float32[64, 8]");
  contains(text, "mat1 and mat2 shapes cannot be multiplied (64x8 and 4x64)");
  contains(text, "construct Linear(8, 64) or select 4 columns");
  contains(message([] { linear(filled({64, 4}, kInt), filled({64, 4})); }), "convert with .to(kFloat)");
}

TEST_SUITE_END();
