#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/matmul.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

/// The product of the last two dimensions of a and b (after a transpose of b), the dimensions before them broadcast.
Array product(const Array& a, const Array& b, bool transpose_b = false) {
  size_t da = a.sizes.size(), db = b.sizes.size(), batch = std::max(da, db) - 2;
  std::vector<int64_t> sizes;
  for (size_t d = 0; d < batch; ++d) {
    auto size = [&](const Array& x) {
      size_t own = x.sizes.size() - 2;
      return d + own < batch ? int64_t{1} : x.sizes[d + own - batch];
    };
    sizes.push_back(size(a) == 1 ? size(b) : size(a));
  }
  int64_t depth = a.sizes[da - 1];
  sizes.push_back(a.sizes[da - 2]);
  sizes.push_back(transpose_b ? b.sizes[db - 2] : b.sizes[db - 1]);
  Array y = array(sizes);
  int64_t at = 0;
  for_each_index(sizes, [&](const std::vector<int64_t>& index) {
    std::vector<int64_t> ia = index, ib = index;
    double sum = 0;
    for (int64_t k = 0; k < depth; ++k) {
      ia[batch + 1] = k;
      ib[batch] = transpose_b ? index[batch + 1] : k;
      ib[batch + 1] = transpose_b ? k : index[batch + 1];
      sum += a[broadcast_position(a, ia)] * b[broadcast_position(b, ib)];
    }
    y[at++] = sum;
  });
  return y;
}
Array plus(Array y, const Array& add, double beta, double alpha) {
  int64_t at = 0;
  for_each_index(y.sizes, [&](const std::vector<int64_t>& index) {
    y[at] = alpha * y[at] + beta * add[broadcast_position(add, index)];
    ++at;
  });
  return y;
}
Reference products() {
  return [](const std::vector<Array>& in) { return std::vector<Array>{product(in[0], in[1])}; };
}
const std::vector<ScalarType> integer_types{kByte, kChar, kShort, kInt, kLong};

}  // namespace

OP_TABLE_ROWS(matmul) {
  table.row("mm")
      .inputs({{3, 4}, {4, 5}})
      .inputs({{1, 70}, {70, 1}})
      .inputs({{33, 9}, {9, 40}})
      .inputs({{3, 0}, {0, 2}})
      .fixed_shapes()
      .also_dtypes(integer_types)
      .call([](In in) { return mm(in[0], in[1]); })
      .reference(products())
      .covers({"sum_of_products"})
      .error(
          "inner sizes",
          [] {
            mm(ones({2, 3}, here()), ones({4, 5}, here()));
          },
          "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)")
      .error(
          "not a matrix",
          [] {
            mm(ones({3}, here()), ones({3, 5}, here()));
          },
          "self must be a matrix")
      .error(
          "dtypes",
          [] {
            mm(ones({2, 3}, here()), ones({3, 5}, here(kDouble)));
          },
          "same dtype, but got: Float != Double")
      .large({{512, 512}, {512, 512}});
  table.row("bmm")
      .inputs({{2, 3, 4}, {2, 4, 5}})
      .inputs({{2, 1, 3, 4}, {3, 4, 2}})
      .inputs({{2, 3, 4}, {4, 5}})
      .inputs({{3, 4}, {2, 4, 5}})
      .fixed_shapes()
      .also_dtypes(integer_types)
      .call([](In in) { return matmul(in[0], in[1]); })
      .reference(products())
      .error(
          "batch sizes",
          [] {
            bmm(ones({2, 3, 4}, here()), ones({3, 4, 5}, here()));
          },
          "Expected size for first two dimensions")
      .error(
          "broadcast",
          [] {
            matmul(ones({2, 3, 4}, here()), ones({3, 4, 5}, here()));
          },
          "must match the size of tensor b")
      .large({{64, 64, 64}, {64, 64, 64}});
  table.row("addmm")
      .inputs({{3, 5}, {3, 4}, {4, 5}})
      .inputs({{5}, {3, 4}, {4, 5}})
      .inputs({{}, {3, 4}, {4, 5}})
      .fixed_shapes()
      .call([](In in) { return addmm(in[0], in[1], in[2], 0.5, -2); })
      .reference(
          [](const std::vector<Array>& in) { return std::vector<Array>{plus(product(in[1], in[2]), in[0], 0.5, -2)}; })
      .error(
          "input size",
          [] {
            addmm(ones({4}, here()), ones({3, 4}, here()), ones({4, 5}, here()));
          },
          "must match");
  table.row("addmm_relu")
      .inputs({{3, 5}, {3, 4}, {4, 5}})
      .inputs({{5}, {70, 9}, {9, 5}})
      .fixed_shapes()
      .call([](In in) { return _addmm_activation(in[0], in[1], in[2], 0.5, -2); })
      .reference([](const std::vector<Array>& in) {
        Array y = plus(product(in[1], in[2]), in[0], 0.5, -2);
        for (double& x : y.data) x = std::max(x, 0.0);
        return std::vector<Array>{y};
      })
      .error(
          "approximate",
          [] {
            _addmm_activation(ones({5}, here()), ones({3, 4}, here()), ones({4, 5}, here()), 1, 1, true, "fast");
          },
          "must be either none or tanh");
  for (bool by_tanh : {false, true}) {
    table.row("addmm_gelu")
        .inputs({{3, 5}, {3, 4}, {4, 5}})
        .inputs({{5}, {70, 9}, {9, 5}})
        .fixed_shapes()
        .call([by_tanh](In in) {
          return _addmm_activation(in[0], in[1], in[2], 1, 0.5, true, by_tanh ? "tanh" : "none");
        })
        .reference([by_tanh](const std::vector<Array>& in) {
          Array y = plus(product(in[1], in[2]), in[0], 1, 0.5);
          for (double& x : y.data) {
            x = by_tanh ? 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
                        : 0.5 * x * (1 + std::erf(x * 0.7071067811865476));
          }
          return std::vector<Array>{y};
        });
  }
  table.row("baddbmm")
      .inputs({{2, 3, 5}, {2, 3, 4}, {2, 4, 5}})
      .inputs({{3, 1}, {2, 3, 4}, {2, 4, 5}})
      .fixed_shapes()
      .call([](In in) { return baddbmm(in[0], in[1], in[2], 3, 0.25); })
      .reference(
          [](const std::vector<Array>& in) { return std::vector<Array>{plus(product(in[1], in[2]), in[0], 3, 0.25)}; });
  table.row("linear")
      .covers({"linear_weight_grad"})
      .inputs({{7, 4}, {5, 4}, {5}})
      .inputs({{2, 3, 4}, {1, 4}, {1}})
      .inputs({{4}, {6, 4}, {6}})
      .fixed_shapes()
      .call([](In in) { return linear(in[0], in[1], in[2]); })
      .reference([](const std::vector<Array>& in) {
        Array x = in[0];
        bool vector = x.sizes.size() == 1;
        if (vector) x.sizes.insert(x.sizes.begin(), 1);
        Array y = plus(product(x, in[1], true), in[2], 1, 1);
        if (vector) y.sizes.erase(y.sizes.begin());
        return std::vector<Array>{y};
      })
      .error(
          "features",
          [] {
            linear(ones({64, 8}, here()), ones({64, 4}, here()));
          },
          "linear(4 -> 64) takes [*, 4]; got float32[64, 8]")
      .error(
          "dtype",
          [] {
            linear(ones({64, 4}, here(kLong)), ones({64, 4}, here()));
          },
          "input is int64, weights are float32")
      .large({{1024, 256}, {256, 256}, {256}});
}

}  // namespace op_table
