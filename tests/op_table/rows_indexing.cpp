#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/tensor_data.h>

#include "tests/op_table/op_table.h"

namespace op_table {

using namespace fulmen::indexing;

namespace {

/// y = x[rows] for x [n, cols] and a list of rows.
Reference rows_of(int64_t x_at, int64_t rows_at) {
  return [=](const std::vector<Array>& in) {
    const Array &x = in[static_cast<size_t>(x_at)], &rows = in[static_cast<size_t>(rows_at)];
    const int64_t cols = x.size(1);
    Array y = array({rows.numel(), cols});
    for (int64_t i = 0; i < y.numel(); ++i) y[i] = x[static_cast<int64_t>(rows[i / cols]) * cols + i % cols];
    return std::vector<Array>{y};
  };
}

/// x with values written (or added) at x[rows[i], cols[i]].
Reference written(bool accumulate) {
  return [=](const std::vector<Array>& in) {
    Array y = in[0];
    for (int64_t i = 0; i < in[1].numel(); ++i) {
      double& to = y[static_cast<int64_t>(in[1][i]) * y.size(1) + static_cast<int64_t>(in[2][i])];
      to = (accumulate ? to : 0) + in[3][i];
    }
    return std::vector<Array>{y};
  };
}

}  // namespace

OP_TABLE_ROWS(indexing) {
  table.row("index")
      .inputs({{5, 3}, {4}})
      .fixed_shapes()
      .integers()
      .integer_input(1, 0, 4)
      .call([](In in) { return index(in[0], {in[1]}); })
      .reference(rows_of(0, 1))
      .covers({"index_places"})
      .large({{1000, 64}, {4096}})
      .error(
          "out of range",
          [] {
            index(zeros({3, 2}, here()), {tensor({0, 3}, here())});
          },
          "index 3 is out of bounds for dimension")
      .error(
          "too many",
          [] {
            index(zeros(3, here()), {0, 0});
          },
          "too many indices for tensor of dimension 1");
  table.row("index/apart")
      .inputs({{4, 2, 3}, {5}, {5}})
      .fixed_shapes()
      .integer_input(1, 0, 3)
      .integer_input(2, -3, 2)
      .call([](In in) {
        return index(in[0], {in[1], Slice(), in[2]});
      })
      .reference([](const std::vector<Array>& in) {
        Array y = array({5, 2});
        for (int64_t i = 0; i < 10; ++i) {
          const auto row = static_cast<int64_t>(in[1][i / 2]), col = static_cast<int64_t>(in[2][i / 2]);
          y[i] = in[0][(row * 2 + i % 2) * 3 + (col + 3) % 3];
        }
        return std::vector<Array>{y};
      });
  table.row("index_put")
      .inputs({{5, 3}, {4}, {4}, {4}})
      .fixed_shapes()
      .integer_input(1, 0, 4)
      .integer_input(2, 0, 2)
      .call([](In in) {
        return index_put(in[0], {in[1], in[2]}, in[3]);
      })
      .reference(written(false))
      .order(0, "a place that comes up twice keeps one value, while the rule gives both a gradient, as in PyTorch");
  table.row("index_put/accumulate")
      .inputs({{5, 3}, {4}, {4}, {4}})
      .fixed_shapes()
      .integer_input(1, 0, 4)
      .integer_input(2, 0, 2)
      .call([](In in) {
        Tensor squares = in[0] * in[0];
        return index_put(squares, {in[1], in[2]}, in[3] * in[3], true);
      })
      .reference([](const std::vector<Array>& in) {
        std::vector<Array> squares = in;
        for (size_t k : {0, 3}) {
          for (double& v : squares[k].data) v *= v;
        }
        return written(true)(squares);
      })
      .error(
          "value shape",
          [] {
            zeros({3, 2}, here()).index_put_({tensor({0, 1}, here())}, zeros(3, here()));
          },
          "value tensor of shape [3] cannot be broadcast to indexing result of shape [2, 2]");
  table.row("index_put/distinct")
      .inputs({{5, 3}, {2, 3}})
      .fixed_shapes()
      .call([](In in) {
        Tensor squares = in[0] * in[0];
        return index_put(squares, {tensor({3, 1}, here())}, in[1] * in[1]);
      })
      .reference([](const std::vector<Array>& in) {
        Array y = in[0];
        for (int64_t i = 0; i < 15; ++i) {
          const int64_t row = i / 3;
          const double v = row == 3 ? in[1][i % 3] : row == 1 ? in[1][3 + i % 3] : y[i];
          y[i] = v * v;
        }
        return std::vector<Array>{y};
      });
}

}  // namespace op_table
