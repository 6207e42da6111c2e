#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/embedding.h>
#include <fulmen/autograd/ops/tensor_data.h>

#include "tests/op_table/op_table.h"

namespace op_table {

OP_TABLE_ROWS(embedding) {
  Reference rows = [](const std::vector<Array>& in) {
    std::vector<int64_t> sizes = in[1].sizes;
    int64_t features = in[0].size(1);
    sizes.push_back(features);
    Array y = array(sizes);
    for (int64_t i = 0; i < y.numel(); ++i) {
      y[i] = in[0][static_cast<int64_t>(in[1][i / features]) * features + i % features];
    }
    return std::vector<Array>{y};
  };
  table.row("embedding")
      .inputs({{5, 3}, {2, 4}})
      .fixed_shapes()
      .integers()
      .integer_input(1, 0, 4)
      .call([](In in) { return embedding(in[0], in[1]); })
      .reference(rows)
      .covers({"embedding_backward"})
      .large({{1000, 64}, {4096}})
      .error(
          "index too large",
          [] {
            embedding(zeros({3, 2}, here()), tensor({0, 1, 3}, here()));
          },
          "index 3 at position 2 of the flattened indices")
      .error(
          "negative index",
          [] {
            embedding(zeros({3, 2}, here()), tensor({-1}, here()));
          },
          "index -1 at position 0")
      .error(
          "float indices",
          [] {
            embedding(zeros({3, 2}, here()), zeros({1}, here()));
          },
          "scalar types: Long, Int")
      .error(
          "not a table", [] { embedding(zeros({3}, here()), tensor({0}, here())); }, "'weight' must be 2-D");
  table.row("embedding/padding")
      .inputs({{5, 3}, {7}})
      .fixed_shapes()
      .integer_input(1, 0, 4)
      // The padded row is a constant for the derivative, so the row keeps it constant for the differences as well.
      .call([](In in) {
        Tensor mask = tensor({0, 0, 1, 0, 0}, here()).to(kBool).unsqueeze(1);
        return embedding(in[0].masked_fill(mask, 0.5), in[1], 2);
      })
      .reference([rows](const std::vector<Array>& in) {
        std::vector<Array> fixed = in;
        for (int64_t j = 0; j < 3; ++j) fixed[0][2 * 3 + j] = 0.5;
        return rows(fixed);
      })
      .finite_only("the row overwrites one row of the table");
  // Values only: by definition its gradient is not the derivative.
  table.row("scale_by_frequency")
      .inputs({{5, 3}, {7}})
      .fixed_shapes()
      .integer_input(1, 0, 4)
      .call([](In in) { return embedding(in[0], in[1], -1, true); })
      .reference(rows)
      .order(0, "the option asks for another gradient than the derivative");
}

}  // namespace op_table
