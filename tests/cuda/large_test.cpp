#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>

using namespace fulmen;

// What the op table's small samples do not reach: sizes at which kernels cut their work into several blocks, and
// orders of memory that change the way through them. CPU and CUDA see the same numbers.
namespace {

Tensor integers(int64_t below, IntArrayRef sizes, uint64_t seed) {
  Generator generator(seed);
  return randint(0, below, sizes, generator, TensorOptions(kLong));
}
Tensor normal(IntArrayRef sizes, uint64_t seed) {
  Generator generator(seed);
  return randn(sizes, generator);
}
bool close(const Tensor& here, const Tensor& there) { return allclose(here, there.cpu(), 1e-5, 1e-5); }

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("sort: long rows, equal elements, NaN, both directions, every size of key") {
    for (int64_t n : {2, 2048, 5000}) {
      for (ScalarType type : {kByte, kShort, kFloat, kDouble, kBFloat16, kBool, kLong}) {
        Tensor x = (integers(50, {2, n}, 1) - 25).to(type);
        if (is_floating_point(type)) x = where(x.eq(3), full({}, __builtin_nan(""), TensorOptions(type)), x);
        for (bool descending : {false, true}) {
          const auto [values, positions] = sort(x, -1, descending);
          const auto [values_there, positions_there] = sort(x.to(kCUDA), -1, descending);
          CHECK(equal(positions, positions_there.cpu()));
          CHECK(allclose(values.to(kDouble), values_there.cpu().to(kDouble), 0, 0, true));
        }
      }
    }
    const Tensor x = normal({3, 5000}, 2);
    CHECK(equal(std::get<1>(topk(x, 7)), std::get<1>(topk(x.to(kCUDA), 7)).cpu()));
  }

  TEST_CASE("cumsum: lines of several chunks, columns side by side") {
    for (const Shape& sizes : {Shape{3, 9001}, Shape{2, 5000, 3}, Shape{70, 40, 80}, Shape{20000}}) {
      const Tensor x = normal(sizes, 3), whole = integers(100, sizes, 4);
      for (int64_t dim = 0; dim < static_cast<int64_t>(sizes.size()); ++dim) {
        CHECK(close(cumsum(x, dim), cumsum(x.to(kCUDA), dim)));
        CHECK(equal(cumsum(whole, dim), cumsum(whole.to(kCUDA), dim).cpu()));
      }
    }
  }

  TEST_CASE("nonzero and masked_select over several tiles") {
    const Tensor x = integers(3, {7, 1501}, 5);
    CHECK(equal(nonzero(x), nonzero(x.to(kCUDA)).cpu()));
    CHECK(equal(masked_select(x, x.eq(1)), masked_select(x.to(kCUDA), x.to(kCUDA).eq(1)).cpu()));
  }

  TEST_CASE("embedding: gradients of rows that occur often, the same every time") {
    for (int64_t features : {1, 5, 64}) {
      const Tensor weight = normal({40, features}, 6), index = integers(40, {3000}, 7) * integers(2, {3000}, 8);
      const Tensor gy = normal({3000, features}, 9);
      auto gradient = [&](Device device) {
        Tensor w = weight.to(device).detach().requires_grad_();
        Tensor y = embedding(w, index.to(device), 3);
        CHECK(close(embedding(weight, index, 3), y.detach()));
        y.backward(gy.to(device));
        return w.grad();
      };
      const Tensor there = gradient(kCUDA);
      CHECK(allclose(gradient(kCPU), there.cpu(), 1e-4, 1e-4));
      CHECK(equal(there, gradient(kCUDA)));
    }
  }

  TEST_CASE("scatter_add, index_add: few long lines and many short ones") {
    for (const Shape& sizes : {Shape{5000}, Shape{3, 700}, Shape{100, 90}, Shape{6, 5, 300}}) {
      for (int64_t dim = 0; dim < static_cast<int64_t>(sizes.size()); ++dim) {
        const int64_t size = sizes[static_cast<size_t>(dim)];
        const Tensor x = normal(sizes, 10), index = integers(size / 2 + 1, sizes, 11), source = normal(sizes, 12);
        const Tensor y = scatter_add(x.to(kCUDA), dim, index.to(kCUDA), source.to(kCUDA));
        CHECK(allclose(scatter_add(x, dim, index, source), y.cpu(), 1e-4, 1e-4));
        CHECK(equal(y, scatter_add(x.to(kCUDA), dim, index.to(kCUDA), source.to(kCUDA))));
        CHECK(equal(gather(x, dim, index), gather(x.to(kCUDA), dim, index.to(kCUDA)).cpu()));
        const Tensor line = integers(size, {size}, 13);
        CHECK(allclose(index_add(x, dim, line, source, 2),
                       index_add(x.to(kCUDA), dim, line.to(kCUDA), source.to(kCUDA), 2).cpu(), 1e-4, 1e-4));
        CHECK(equal(index_select(x, dim, line), index_select(x.to(kCUDA), dim, line.to(kCUDA)).cpu()));
      }
    }
  }

  TEST_CASE("index_put: of several rows for one place the last counts, or all") {
    for (const Shape& sizes : {Shape{50}, Shape{50, 8}, Shape{50, 7}}) {
      Shape many = sizes;
      many[0] = 3000;
      const Tensor x = normal(sizes, 14), at = integers(50, {3000}, 15), values = normal(many, 16);
      for (bool accumulate : {false, true}) {
        const Tensor here = index_put(x, {at}, values, accumulate);
        const Tensor there = index_put(x.to(kCUDA), {at.to(kCUDA)}, values.to(kCUDA), accumulate);
        CHECK(allclose(here, there.cpu(), 1e-4, 1e-4));
      }
      CHECK(equal(index(x, {at}), index(x.to(kCUDA), {at.to(kCUDA)}).cpu()));
      if (sizes.size() == 1) continue;
      CHECK(equal(index(x.t(), {Slice(), at}), index(x.to(kCUDA).t(), {Slice(), at.to(kCUDA)}).cpu()));
    }
  }

  TEST_CASE("copies: transposed, permuted, converted, not aligned") {
    for (ScalarType type : {kByte, kBFloat16, kFloat, kDouble}) {
      const Tensor x = integers(200, {3, 70, 130}, 17).to(type), there = x.to(kCUDA);
      CHECK(equal(x.transpose(1, 2).contiguous(), there.transpose(1, 2).contiguous().cpu()));
      CHECK(equal(x.permute({2, 0, 1}).contiguous(), there.permute({2, 0, 1}).contiguous().cpu()));
      CHECK(equal(x.slice(2, 1, 129).contiguous(), there.slice(2, 1, 129).contiguous().cpu()));
      CHECK(equal(x.slice(2, 2, 130, 2).contiguous(), there.slice(2, 2, 130, 2).contiguous().cpu()));
      CHECK(equal(x.select(1, 5).t().to(kHalf), there.select(1, 5).t().to(kHalf).cpu()));
      for (ScalarType to : {kHalf, kFloat, kLong, kBool}) CHECK(equal(x.to(to), there.to(to).cpu()));
      const Tensor line = x.reshape({-1}).slice(0, 1), line_there = there.reshape({-1}).slice(0, 1);
      CHECK(equal(line + line, (line_there + line_there).cpu()));
    }
  }

  TEST_CASE("broadcasting along every dimension, with wide inner ones") {
    const Tensor x = normal({6, 10, 32}, 18);
    for (const Shape& sizes : {Shape{32}, Shape{10, 1}, Shape{6, 1, 1}, Shape{6, 1, 32}, Shape{1}, Shape{1, 10, 32}}) {
      const Tensor b = normal(sizes, 19);
      CHECK(close(x * b, x.to(kCUDA) * b.to(kCUDA)));
      CHECK(close(b - x, b.to(kCUDA) - x.to(kCUDA)));
      CHECK(equal(x.gt(b), x.to(kCUDA).gt(b.to(kCUDA)).cpu()));
      CHECK(equal(where(x.gt(0), x, b), where(x.to(kCUDA).gt(0), x.to(kCUDA), b.to(kCUDA)).cpu()));
    }
  }

  TEST_CASE("as_strided: gradients of places that overlap") {
    const Tensor x = normal({700}, 20), gy = normal({300, 5}, 21);
    auto gradient = [&](Device device, IntArrayRef strides) {
      Tensor leaf = x.to(device).detach().requires_grad_();
      as_strided(leaf, {300, 5}, strides, 1).backward(gy.to(device));
      return leaf.grad().cpu();
    };
    CHECK(close(gradient(kCPU, {2, 1}), gradient(kCUDA, {2, 1})));
    CHECK(close(gradient(kCPU, {0, 1}), gradient(kCUDA, {0, 1})));
    CHECK(close(gradient(kCPU, {1, 30}), gradient(kCUDA, {1, 30})));
  }
}
