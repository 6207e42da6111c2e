#include <fulmen/autograd/ops/attention.h>
#include <fulmen/autograd/ops/creation.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

/// q [B, H, L, E], k [B, G, S, E], v [B, G, S, D], and a mask that is broadcast to [B, H, L, S]: truth values, or
/// numbers to add.
Reference attended(bool causal, bool truth) {
  return [=](const std::vector<Array>& in) {
    const Array &q = in[0], &k = in[1], &v = in[2];
    const int64_t group = q.size(1) / k.size(1), keys = k.size(2), features = q.size(3);
    Array y = array({q.size(0), q.size(1), q.size(2), v.size(3)});
    for_each_index({q.size(0), q.size(1), q.size(2)}, [&](const std::vector<int64_t>& at) {
      const int64_t b = at[0], h = at[1], i = at[2], g = h / group;
      std::vector<double> p(static_cast<size_t>(keys));
      double sum = 0;
      for (int64_t j = 0; j < keys; ++j) {
        double score = 0;
        for (int64_t e = 0; e < features; ++e)
          score += q[broadcast_position(q, {b, h, i, e})] * k[broadcast_position(k, {b, g, j, e})];
        score /= std::sqrt(static_cast<double>(features));
        bool seen = !causal || j <= i;
        if (in.size() > 3) {
          const double m = in[3][broadcast_position(in[3], {b, h, i, j})];
          if (truth) seen = m != 0;
          if (!truth) score += m;
        }
        p[static_cast<size_t>(j)] = seen ? std::exp(score) : 0;
        sum += p[static_cast<size_t>(j)];
      }
      for (int64_t d = 0; d < v.size(3); ++d) {
        double value = 0;
        for (int64_t j = 0; j < keys; ++j) value += p[static_cast<size_t>(j)] * v[broadcast_position(v, {b, g, j, d})];
        y[broadcast_position(y, {b, h, i, d})] = sum == 0 ? 0 : value / sum;
      }
    });
    return std::vector<Array>{y};
  };
}

}  // namespace

OP_TABLE_ROWS(attention) {
  table.row("scaled_dot_product_attention")
      .inputs({{2, 3, 5, 4}, {2, 3, 7, 4}, {2, 3, 7, 6}})
      .inputs({{1, 2, 1, 8}, {1, 2, 9, 8}, {1, 2, 9, 8}})
      .inputs({{1, 1, 100, 8}, {1, 1, 140, 8}, {1, 1, 140, 8}})
      .inputs({{1, 1, 3, 40}, {1, 1, 5, 40}, {1, 1, 5, 70}})
      .inputs({{1, 1, 3, 130}, {1, 1, 5, 130}, {1, 1, 5, 10}})
      .fixed_shapes()
      .tolerance(4)
      .covers({"scaled_dot_product_attention_backward"})
      .call([](In in) { return scaled_dot_product_attention(in[0], in[1], in[2]); })
      .reference(attended(false, false))
      .error(
          "features",
          [] {
            scaled_dot_product_attention(ones({2, 3}, here()), ones({2, 4}, here()), ones({2, 4}, here()));
          },
          "query and key must have as many features")
      .error(
          "mask and causal",
          [] {
            Tensor x = ones({2, 3}, here());
            scaled_dot_product_attention(x, x, x, ones({2, 2}, here()), 0, true);
          },
          "Explicit attn_mask should not be set when is_causal=True")
      .large({{4, 8, 256, 64}, {4, 8, 256, 64}, {4, 8, 256, 64}});
  table.row("scaled_dot_product_attention/causal")
      .inputs({{2, 2, 6, 4}, {2, 2, 6, 4}, {2, 2, 6, 4}})
      .inputs({{1, 1, 7, 4}, {1, 1, 4, 4}, {1, 1, 4, 5}})
      .inputs({{1, 1, 200, 4}, {1, 1, 200, 4}, {1, 1, 200, 4}})
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) { return scaled_dot_product_attention(in[0], in[1], in[2], {}, 0, true); })
      .reference(attended(true, false))
      .large({{4, 8, 256, 64}, {4, 8, 256, 64}, {4, 8, 256, 64}});
  table.row("scaled_dot_product_attention/grouped")
      .inputs({{2, 4, 5, 4}, {2, 2, 7, 4}, {2, 2, 7, 6}})
      .inputs({{1, 6, 1, 4}, {1, 2, 40, 4}, {1, 2, 40, 4}})
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) { return scaled_dot_product_attention(in[0], in[1], in[2], {}, 0, false, std::nullopt, true); })
      .reference(attended(false, false))
      .error(
          "heads",
          [] {
            Tensor x = ones({4, 3, 2}, here()), k = ones({3, 3, 2}, here());
            scaled_dot_product_attention(x, k, k, {}, 0, false, std::nullopt, true);
          },
          "the heads of the query must be a multiple");
  table.row("scaled_dot_product_attention/bool_mask")
      .inputs({{2, 3, 5, 4}, {2, 3, 7, 4}, {2, 3, 7, 4}, {2, 1, 1, 7}})
      .inputs({{1, 2, 5, 4}, {1, 2, 7, 4}, {1, 2, 7, 4}, {5, 7}})
      .bool_input(3)
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) { return scaled_dot_product_attention(in[0], in[1], in[2], in[3]); })
      .reference(attended(false, true));
  // So few that none is dropped: the same values, by the code that draws.
  table.row("scaled_dot_product_attention/dropout")
      .inputs({{2, 3, 5, 4}, {2, 3, 7, 4}, {2, 3, 7, 6}})
      .fixed_shapes()
      .tolerance(4)
      .covers({"attention_noise"})
      .call([](In in) { return scaled_dot_product_attention(in[0], in[1], in[2], {}, 1e-12); })
      .reference(attended(false, false));
  table.row("scaled_dot_product_attention/added_mask")
      .inputs({{2, 3, 5, 4}, {2, 3, 7, 4}, {2, 3, 7, 4}, {3, 1, 7}})
      .inputs({{1, 2, 5, 4}, {1, 2, 7, 4}, {1, 2, 7, 4}, {2, 5, 7}})
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) { return scaled_dot_product_attention(in[0], in[1], in[2], in[3]); })
      .reference(attended(false, false));
}

}  // namespace op_table
