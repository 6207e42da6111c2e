#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/softmax.h>

#include <algorithm>
#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

/// softmax or its logarithm along `dim` (counted from the front).
Reference along(size_t dim, bool log) {
  return [=](const std::vector<Array>& in) {
    const Array& x = in[0];
    Array most_shape = x;
    if (dim < x.sizes.size()) most_shape.sizes[dim] = 1;
    Array most = array(most_shape.sizes), sum = array(most_shape.sizes), y = array(x.sizes);
    for (double& m : most.data) m = -INFINITY;
    auto each = [&](auto&& f) {
      int64_t at = 0;
      for_each_index(x.sizes, [&](const std::vector<int64_t>& index) {
        f(at, broadcast_position(most, index));
        ++at;
      });
    };
    each([&](int64_t i, int64_t row) { most[row] = std::max(most[row], x[i]); });
    each([&](int64_t i, int64_t row) { sum[row] += std::exp(x[i] - most[row]); });
    each([&](int64_t i, int64_t row) {
      y[i] = log ? x[i] - most[row] - std::log(sum[row]) : std::exp(x[i] - most[row]) / sum[row];
    });
    return std::vector<Array>{y};
  };
}

}  // namespace

OP_TABLE_ROWS(softmax) {
  for (bool log : {false, true}) {
    std::string name = log ? "log_softmax" : "softmax";
    auto call = [log](int64_t dim) {
      return [=](In in) {
        int64_t d = in[0].dim() == 0 ? 0 : dim;
        return log ? log_softmax(in[0], d) : softmax(in[0], d);
      };
    };
    table.row(name)
        .inputs({{3, 5}})
        .inputs({{2, 130}})
        .domain(-5, 5)
        .call(call(1))
        .reference(along(1, log))
        .covers({name + "_backward"})
        .error(
            "integers",
            [=] {
              softmax(ones({2, 3}, here(kLong)), 0);
            },
            "not implemented for 'Long'")
        .error(
            "dim",
            [=] {
              softmax(ones({2, 3}, here()), 2);
            },
            "Dimension out of range")
        .large({{2048, 512}});
    table.row(name + "/dim0")
        .inputs({{4, 3}})
        .inputs({{5, 2, 70}})
        .call(call(0))
        .reference(along(0, log))
        .large({{512, 2048}});
    table.row(name + "/middle").inputs({{2, 4, 3}}).call(call(1)).reference(along(1, log));
  }
}

}  // namespace op_table
