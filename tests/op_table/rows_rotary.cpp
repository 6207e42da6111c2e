#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/rotary.h>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

Reference rotated(bool interleaved) {
  return [=](const std::vector<Array>& in) {
    Array y = in[0];
    const int64_t pairs = in[1].size(-1);
    for_each_index(in[0].sizes, [&](const std::vector<int64_t>& index) {
      const int64_t i = index.back();
      if (i >= 2 * pairs) return;
      const int64_t pair = interleaved ? i / 2 : i % pairs;
      const bool second = interleaved ? i % 2 == 1 : i >= pairs;
      auto other = index, angle = index;
      other.back() = interleaved ? i ^ 1 : (i + pairs) % (2 * pairs);
      angle.back() = pair;
      const double c = in[1][broadcast_position(in[1], angle)], s = in[2][broadcast_position(in[2], angle)];
      const double own = in[0][broadcast_position(in[0], index)], partner = in[0][broadcast_position(in[0], other)];
      y[broadcast_position(y, index)] = second ? partner * s + own * c : own * c - partner * s;
    });
    return std::vector<Array>{y};
  };
}

}  // namespace

OP_TABLE_ROWS(rotary) {
  for (bool interleaved : {false, true}) {
    table.row(interleaved ? "rotary_embedding/interleaved" : "rotary_embedding")
        .inputs({{2, 3, 5, 8}, {5, 4}, {5, 4}})
        .inputs({{2, 5, 3, 8}, {5, 1, 4}, {5, 1, 4}})
        .inputs({{3, 70}, {3, 35}, {3, 35}})
        .inputs({{2, 3, 10}, {3, 4}, {3, 4}})
        .fixed_shapes()
        .call([=](In in) { return rotary_embedding(in[0], in[1], in[2], interleaved); })
        .reference(rotated(interleaved))
        .error(
            "too many pairs",
            [=] {
              rotary_embedding(ones({2, 3}, here()), ones({2}, here()), ones({2}, here()));
            },
            "2 pairs need 4 features, but x has 3")
        .error(
            "layout",
            [=] {
              rotary_embedding(ones({2, 5, 3, 4}, here()), ones({5, 2}, here()), ones({5, 2}, here()));
            },
            "does not broadcast to")
        .large({{8, 12, 256, 64}, {256, 32}, {256, 32}});
  }
}

}  // namespace op_table
