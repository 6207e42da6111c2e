#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

constexpr const char* no_inputs = "makes a tensor from nothing";

/// f of the position, for an output with the sizes of the input.
Reference by_position(std::function<double(int64_t)> f) {
  return [f](const std::vector<Array>& in) {
    Array y = array(in[0].sizes);
    for (int64_t i = 0; i < y.numel(); ++i) y[i] = f(i);
    return std::vector<Array>{y};
  };
}

/// Squares, of which all rows but the first are replaced by f(position within the row).
Reference squares_then(std::function<double(const std::vector<Array>&, int64_t)> f) {
  return [f](const std::vector<Array>& in) {
    Array y = in[0];
    for (int64_t i = 0; i < y.numel(); ++i) y[i] = i < y.size(1) ? y[i] * y[i] : f(in, i % y.size(1));
    return std::vector<Array>{y};
  };
}

}  // namespace

OP_TABLE_ROWS(creation) {
  table.row("full")
      .inputs({{3, 4}})
      .integers()
      .call([](In in) { return full_like(in[0], 1); })
      .reference(elementwise([](double) { return 1.0; }))
      .order(0, no_inputs)
      .large({{1 << 20}})
      .error(
          "does not fit", [] { full({2}, 300, here(kByte)); },
          "value cannot be converted to type uint8_t without overflow: 300")
      .error(
          "negative size",
          [] {
            ones({2, -3}, here());
          },
          "negative dimension -3");
  table.row("arange")
      .inputs({{12}})
      .fixed_shapes()
      .also_dtypes({kByte, kChar, kShort, kInt, kLong})
      .call([](In in) { return arange(3, 3 + 2 * in[0].numel(), 2, in[0].options()); })
      .reference(by_position([](int64_t i) { return 3.0 + 2.0 * static_cast<double>(i); }))
      .order(0, no_inputs)
      .error(
          "step 0", [] { arange(0, 1, 0, here()); }, "step must be nonzero");
  table.row("linspace")
      .inputs({{11}})
      .fixed_shapes()
      .call([](In in) { return linspace(-1, 4, in[0].numel(), in[0].options()); })
      .reference(by_position([](int64_t i) { return -1 + 0.5 * static_cast<double>(i); }))
      .order(0, no_inputs);
  table.row("linspace/logspace")
      .inputs({{5}})
      .fixed_shapes()
      .call([](In in) { return logspace(0, 4, in[0].numel(), 2, in[0].options()); })
      .reference(by_position([](int64_t i) { return std::exp2(static_cast<double>(i)); }))
      .order(0, no_inputs);
  table.row("eye")
      .inputs({{3, 4}})
      .inputs({{4, 2}})
      .fixed_shapes()
      .integers()
      .call([](In in) { return eye(in[0].size(0), in[0].size(1), in[0].options()); })
      .reference([](const std::vector<Array>& in) {
        Array y = array(in[0].sizes);
        for (int64_t i = 0; i < std::min(y.size(0), y.size(1)); ++i) y[i * y.size(1) + i] = 1;
        return std::vector<Array>{y};
      })
      .order(0, no_inputs);
  table.row("fill")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) {
        Tensor y = in[0] * in[0];
        slice(y, 0, 1).fill_(0.5);
        return y;
      })
      .reference(squares_then([](const auto&, int64_t) { return 0.5; }));
  table.row("fill/tensor")
      .inputs({{3, 4}, {}})
      .fixed_shapes()
      .call([](In in) {
        Tensor y = in[0] * in[0];
        slice(y, 0, 1).fill_(in[1]);
        return y * in[1];
      })
      .reference([](const std::vector<Array>& in) {
        std::vector<Array> y = squares_then([](const auto& x, int64_t) { return x[1][0]; })(in);
        for (double& v : y[0].data) v *= in[1][0];
        return y;
      })
      .finite_only("infinity times zero in the squares");
  table.row("zero")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) {
        Tensor y = in[0] * in[0];
        slice(y, 0, 1).zero_();
        return y;
      })
      .reference(squares_then([](const auto&, int64_t) { return 0.0; }));
}

}  // namespace op_table
