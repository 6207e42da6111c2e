#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/unary.h>

#include "tests/op_table/op_table.h"

// The numbers themselves are compared with PyTorch's in tests/tensor/random_test.cpp; the rows here run each op in
// every dtype and layout with parameters that leave only one outcome.
namespace op_table {

namespace {

constexpr const char* random_numbers = "what is overwritten with random numbers has no influence";
Reference constant(double value) {
  return elementwise([value](double) { return value; });
}

}  // namespace

OP_TABLE_ROWS(random) {
  table.row("uniform")
      .inputs({{5, 7}})
      .call([](In in) { return floor(in[0].clone().uniform_(2, 2.75)); })
      .reference(constant(2))
      .order(0, random_numbers)
      .large({{1 << 18}})
      .error(
          "bounds", [] { zeros(2, here()).uniform_(2, 1); }, "found from=2 > to=1");
  table.row("normal")
      .inputs({{3, 4}})
      .inputs({{5, 7}})
      .call([](In in) { return in[0].clone().normal_(1.5, 0); })
      .reference(constant(1.5))
      .order(0, random_numbers)
      .large({{1 << 18}})
      .error(
          "negative", [] { zeros(2, here()).normal_(0, -1); }, "normal expects std >= 0.0, but found std -1");
  table.row("random")
      .inputs({{5, 7}})
      .integers()
      .call([](In in) { return in[0].clone().random_(1, 2); })
      .reference(constant(1))
      .order(0, random_numbers)
      .error(
          "bounds", [] { zeros(2, here()).random_(5, 5); }, "from=5 >= to=5");
  table.row("bernoulli")
      .inputs({{5, 7}})
      .integers()
      .call([](In in) { return in[0].clone().bernoulli_(1); })
      .reference(constant(1))
      .order(0, random_numbers)
      .error(
          "not a probability", [] { zeros(2, here()).bernoulli_(2); }, "p to be in [0, 1], but got p=2");
  table.row("bernoulli/each")
      .inputs({{5, 7}})
      .call([](In in) { return bernoulli(ones_like(in[0])); })
      .reference(constant(1))
      .order(0, random_numbers);
  table.row("exponential")
      .inputs({{5, 7}})
      .call([](In in) { return floor(in[0].clone().exponential_(1e4)); })
      .reference(constant(0))
      .order(0, random_numbers);
  table.row("randperm")
      .inputs({{9}})
      .fixed_shapes()
      .also_dtypes({kByte, kChar, kShort, kInt, kLong})
      .call([](In in) { return sum(randperm(in[0].numel(), in[0].options())); })
      .reference([](const std::vector<Array>&) {
        return std::vector<Array>{{{}, {36}}};
      })
      .order(0, random_numbers);
  table.row("multinomial")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) {
        Tensor weights = zeros_like(in[0]);
        weights.select(1, 2).fill_(0.5);
        return weights.multinomial(6, true);
      })
      .reference([](const std::vector<Array>&) {
        return std::vector<Array>{{{3, 6}, std::vector<double>(18, 2.0)}};
      })
      .order(0, random_numbers)
      .error(
          "no weight", [] { zeros(3, here()).multinomial(1); }, "sum of probabilities <= 0");
}

}  // namespace op_table
