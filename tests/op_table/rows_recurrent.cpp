#include <fulmen/autograd/ops/recurrent.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Inputs x, h0, [c0,] w [, b]; outputs h [, c].
Reference stepped(const RecurrentLayer& layer) {
  return [layer](const std::vector<Array>& in) {
    const bool lstm = layer.cell == CellKind::lstm, gru = layer.cell == CellKind::gru;
    const Array &x = in[0], &h0 = in[1], &w = in[lstm ? 3 : 2];
    const int64_t hidden = h0.size(1), gates = w.size(0) / hidden, steps = static_cast<int64_t>(layer.sizes.size());
    std::vector<int64_t> first(layer.sizes.size());
    for (size_t t = 1; t < first.size(); ++t) first[t] = first[t - 1] + layer.sizes[t - 1];
    Array h = array({x.size(0), hidden}), c = h;
    for (int64_t k = 0; k < steps; ++k) {
      const int64_t t = layer.reverse ? steps - 1 - k : k, before = layer.reverse ? t + 1 : t - 1;
      for (int64_t r = 0; r < layer.sizes[static_cast<size_t>(t)]; ++r) {
        const bool linked = before >= 0 && before < steps && r < layer.sizes[static_cast<size_t>(before)];
        const int64_t from = linked ? first[static_cast<size_t>(before)] + r : r;
        const int64_t row = first[static_cast<size_t>(t)] + r;
        auto state = [&](const Array& all, const Array& start, int64_t u) {
          return linked ? all[from * hidden + u] : start[r * hidden + u];
        };
        for (int64_t u = 0; u < hidden; ++u) {
          double a[4], y[4];
          for (int64_t g = 0; g < gates; ++g) {
            a[g] = x[row * gates * hidden + g * hidden + u];
            y[g] = in.size() > 3 && gru ? in[3][g * hidden + u] : 0;
            for (int64_t v = 0; v < hidden; ++v) y[g] += w[(g * hidden + u) * hidden + v] * state(h, h0, v);
          }
          const int64_t at = row * hidden + u;
          if (lstm) {
            c[at] = sigmoid(a[1] + y[1]) * state(c, in[2], u) + sigmoid(a[0] + y[0]) * std::tanh(a[2] + y[2]);
            h[at] = sigmoid(a[3] + y[3]) * std::tanh(c[at]);
          } else if (gru) {
            const double reset = sigmoid(a[0] + y[0]), z = sigmoid(a[1] + y[1]), n = std::tanh(a[2] + reset * y[2]);
            h[at] = (1 - z) * n + z * state(h, h0, u);
          } else {
            h[at] = layer.cell == CellKind::rnn_tanh ? std::tanh(a[0] + y[0]) : std::max(a[0] + y[0], 0.0);
          }
        }
      }
    }
    return lstm ? std::vector<Array>{h, c} : std::vector<Array>{h};
  };
}

}  // namespace

OP_TABLE_ROWS(recurrent) {
  for (const bool reverse : {false, true}) {
    const std::string direction = reverse ? "_reverse" : "";
    const RecurrentLayer lstm{CellKind::lstm, reverse, {3, 3, 2, 1}};
    table.row("recurrent_layer/lstm" + direction)
        .inputs({{9, 20}, {3, 5}, {3, 5}, {20, 5}})
        .inputs({{9, 140}, {3, 35}, {3, 35}, {140, 35}})
        .domain(-1, 1)
        .fixed_shapes()
        .tolerance(4)
        .covers({"recurrent_layer_backward"})
        .call([=](In in) {
          auto [h, c] = recurrent_layer(lstm, in[0], in[1], in[2], in[3]);
          return std::vector<Tensor>{h, c};
        })
        .reference(stepped(lstm));
    const RecurrentLayer gru{CellKind::gru, reverse, {3, 3, 2, 1}};
    table.row("recurrent_layer/gru" + direction)
        .inputs({{9, 15}, {3, 5}, {15, 5}, {15}})
        .inputs({{9, 105}, {3, 35}, {105, 35}, {105}})
        .domain(-1, 1)
        .fixed_shapes()
        .tolerance(4)
        .call([=](In in) { return std::get<0>(recurrent_layer(gru, in[0], in[1], {}, in[2], in[3])); })
        .reference(stepped(gru));
    const RecurrentLayer tanh{CellKind::rnn_tanh, reverse, {2, 2, 2}};
    table.row("recurrent_layer/rnn_tanh" + direction)
        .inputs({{6, 5}, {2, 5}, {5, 5}})
        .domain(-1, 1)
        .fixed_shapes()
        .tolerance(4)
        .call([=](In in) { return std::get<0>(recurrent_layer(tanh, in[0], in[1], {}, in[2])); })
        .reference(stepped(tanh));
  }
  const RecurrentLayer relu{CellKind::rnn_relu, false, {2, 2}};
  table.row("recurrent_layer/rnn_relu")
      .inputs({{4, 5}, {2, 5}, {5, 5}})
      .domain(0.1, 1)
      .fixed_shapes()
      .tolerance(4)
      .call([=](In in) { return std::get<0>(recurrent_layer(relu, in[0], in[1], {}, in[2])); })
      .reference(stepped(relu));
}

}  // namespace op_table
