#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/select.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

OP_TABLE_ROWS(choices) {
  table.row("where")
      .inputs({{3, 5}, {3, 5}, {3, 5}})
      .inputs({{3, 1}, {2, 3, 4}, {4}})
      .bool_input(0)
      .call([](In in) { return where(in[0], in[1], in[2]); })
      .reference(elementwise([](double c, double a, double b) { return c != 0 ? a : b; }))
      .integers()
      .large({{1 << 20}, {1 << 20}, {1 << 20}})
      .error(
          "condition", [] { where(ones({2}, here()), ones({2}, here()), ones({2}, here())); },
          str("where: expected the condition to be a bool tensor; got float32[2] on ", device_under_test()));
  table.row("masked_fill")
      .inputs({{3, 5}, {3, 5}})
      .inputs({{2, 3, 4}, {3, 1}})
      .bool_input(1)
      .call([](In in) { return masked_fill(in[0], in[1], 3); })
      .reference(elementwise([](double x, double m) { return m != 0 ? 3 : x; }))
      .also_dtypes({kByte, kChar, kShort, kInt, kLong})
      .inplace([](In in) { in[0].masked_fill_(in[1], 3); })
      .large({{1 << 20}, {1 << 20}})
      .error(
          "mask", [] { masked_fill(ones({2}, here()), ones({2}, here()), 0); },
          "masked_fill only supports boolean masks, but got mask with dtype float32");
  table.row("masked_fill/where with numbers")
      .inputs({{3, 5}, {3, 5}})
      .bool_input(0)
      .call([](In in) {
        return std::vector<Tensor>{where(in[0], in[1], Scalar(2.5)), where(in[0], Scalar(2.5), in[1])};
      })
      .reference([](const std::vector<Array>& in) {
        Reference yes = elementwise([](double c, double a) { return c != 0 ? a : 2.5; });
        Reference no = elementwise([](double c, double a) { return c != 0 ? 2.5 : a; });
        return std::vector<Array>{yes(in)[0], no(in)[0]};
      });
}

OP_TABLE_ROWS(limits) {
  auto clamped = [](double x, double low, double high) {
    return std::isnan(x) ? x : std::fmin(std::fmax(x, low), high);
  };
  table.row("clamp")
      .inputs({{3, 5}})
      .inputs({{70}})
      .domain(-3, 3, {-1, 1})
      .call([](In in) { return clamp(in[0], -1, 1); })
      .reference(elementwise([clamped](double x) { return clamped(x, -1, 1); }))
      .inplace([](In in) { in[0].clamp_(-1, 1); })
      .also_dtypes({kChar, kShort, kInt, kLong})
      .large({{1 << 20}})
      .error(
          "no limit", [] { clamp(ones({2}, here()), std::nullopt, std::nullopt); },
          "torch.clamp: At least one of 'min' or 'max' must not be None");
  table.row("clamp/one side")
      .inputs({{3, 5}})
      .domain(-3, 3, {-1, 1})
      .call([](In in) {
        return std::vector<Tensor>{clamp_min(in[0], -1), clamp_max(in[0], 1)};
      })
      .reference([](const std::vector<Array>& in) {
        Reference low = elementwise([](double x) { return x < -1 ? -1 : x; });
        Reference high = elementwise([](double x) { return x > 1 ? 1 : x; });
        return std::vector<Array>{low(in)[0], high(in)[0]};
      });
  table.row("clamp/tensors")
      .inputs({{3, 5}, {3, 5}, {5}})
      .domain(-3, 3)
      .call([](In in) { return clamp(in[0], in[1], in[2]); })
      .reference(elementwise([](double x, double low, double high) {
        double y = std::isnan(x) || x > low ? x : low;
        return std::isnan(y) || y < high ? y : high;
      }));
  table.row("clamp/one tensor")
      .inputs({{3, 5}, {3, 5}})
      .domain(-3, 3)
      .call([](In in) { return clamp_min(in[0], in[1]); })
      .reference(elementwise([](double x, double low) { return std::isnan(x) || x > low ? x : low; }));
}

}  // namespace op_table
