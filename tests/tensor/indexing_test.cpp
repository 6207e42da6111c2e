#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/tensor/warning.h>
#include <tests/tensor/support.h>

#include <sstream>

using namespace fulmen;
using namespace fulmen::testing;
using namespace fulmen::indexing;

TEST_SUITE_BEGIN("tensor");

namespace {

struct Warnings final : WarningHandler {
  Warnings() : before(get_warning_handler()) { set_warning_handler(this); }
  ~Warnings() override { set_warning_handler(before); }
  void process(const Warning& w) override { text += w.msg() + "\n"; }
  WarningHandler* before;
  std::string text;
};

}  // namespace

TEST_CASE("index: what an index can be, and how it prints") {
  const std::vector<TensorIndex> all = {None, "...", Ellipsis, 0, true, Slice(1, None, 2)};
  CHECK(printed(all) == "(None, ..., ..., 0, true, 1:9223372036854775807:2)");
  CHECK(printed(Slice(None, None, -1)) == "9223372036854775807:-9223372036854775808:-1");
  CHECK(printed(Slice(1, 3)) == "1:3:1");
  CHECK(all[5].slice().stop() == INDEX_MAX);
  CHECK(mentions(message_of([] { TensorIndex(".."); }),
                 "Expected \"...\" to represent an ellipsis index, but got \"..\""));
  CHECK(mentions(message_of([] { Slice(None, None, 0); }), "slice step cannot be zero"));
}

TEST_CASE("index: integers, slices, None and ellipsis give views") {
  const Tensor x = arange(24).view({2, 3, 4});
  CHECK(same(x.index({1}), x.select(0, 1)));
  CHECK(same(x.index({-1, 2, 0}), tensor(20)));
  CHECK(x.index({Slice(), Slice(1, None), Slice(None, None, 2)}).sizes() == IntArrayRef({2, 2, 2}));
  CHECK(same(x.index({"...", 0}), x.select(2, 0)));
  CHECK(same(x.index({0, "...", Slice(-2, None)}), x.select(0, 0).slice(1, 2)));
  CHECK(x.index({None, "...", None}).sizes() == IntArrayRef({1, 2, 3, 4, 1}));
  CHECK(x.index({0, Slice()}).data_ptr() == x.data_ptr());
  CHECK(!x.index({"..."}).is_same(x));
  CHECK(x.index({"..."}).data_ptr() == x.data_ptr());
  CHECK(x.index({Slice(5, 1)}).sizes() == IntArrayRef({0, 3, 4}));
}

TEST_CASE("index: tensors of positions") {
  const Tensor x = arange(24).view({2, 3, 4});
  CHECK(same(x.index({tensor({1, 0, -1})}).select(2, 0), tensor({{12, 16, 20}, {0, 4, 8}, {12, 16, 20}})));
  CHECK(same(x.index({Slice(), tensor({{0, 1}, {2, 2}}), 3}).select(0, 1), tensor({{15, 19}, {23, 23}})));
  CHECK(same(x.index({tensor({0, 1}), tensor({2, 0}), tensor({3, 1})}), tensor({11, 13})));
  // Not neighbours: the common dimension comes first.
  CHECK(same(x.index({tensor({0, 1}), Slice(), tensor({1, 2})}), tensor({{1, 5, 9}, {14, 18, 22}})));
  CHECK(x.index({0, Slice(), tensor({1, 2})}).sizes() == IntArrayRef({3, 2}));
  // They broadcast.
  CHECK(same(x.select(0, 0).index({tensor({{0}, {2}}), tensor({0, 3})}), tensor({{0, 3}, {8, 11}})));
  // 0-dimensional ones count as numbers, and other integer types are allowed.
  CHECK(x.index({tensor(1)}).data_ptr() == x.select(0, 1).data_ptr());
  CHECK(same(x.index({tensor({1}, kInt)}), x.slice(0, 1)));
  // Strided tensors, and nothing to read.
  CHECK(same(x.transpose(0, 2).index({tensor({3, 0})}).select(0, 0), x.transpose(0, 2).select(0, 3)));
  CHECK(x.index({tensor({}, kLong)}).sizes() == IntArrayRef({0, 3, 4}));
  CHECK(empty({10, 0}).index({tensor({1, 2})}).sizes() == IntArrayRef({2, 0}));
}

TEST_CASE("index: masks and truth values") {
  const Tensor x = arange(24).view({2, 3, 4});
  CHECK(same(x.index({x > 20}), tensor({21, 22, 23})));
  CHECK(same(x.index({tensor({false, true}), 0}), tensor({{12, 13, 14, 15}})));
  const Tensor rows = tensor({{true, false, false}, {false, false, true}});
  CHECK(same(x.index({rows}), tensor({{0, 1, 2, 3}, {20, 21, 22, 23}})));
  CHECK(same(x.index({rows, Slice(1, 3)}), tensor({{1, 2}, {21, 22}})));
  CHECK(same(x.index({rows, tensor({0, 3})}), tensor({0, 23})));
  CHECK(x.index({Slice(), ones({3, 4}, kBool)}).sizes() == IntArrayRef({2, 12}));
  CHECK(x.index({true}).sizes() == IntArrayRef({1, 2, 3, 4}));
  CHECK(x.index({false, true}).sizes() == IntArrayRef({0, 2, 3, 4}));
  CHECK(x.index({tensor(false)}).sizes() == IntArrayRef({0, 2, 3, 4}));
  CHECK(tensor(3).index({true}).sizes() == IntArrayRef({1}));
  Warnings warnings;
  CHECK(same(x.index({tensor({0, 1}, kByte)}), x.slice(0, 1)));
  CHECK(mentions(warnings.text, "indexing with dtype torch.uint8 is now deprecated"));
}

TEST_CASE("index_put_: writes reach the tensor, through views as well") {
  Tensor x = zeros({3, 4});
  x.index_put_({1}, 5);
  x.index_put_({Slice(), 0}, tensor({1., 2., 3.}));
  x.index_put_({tensor({0, 2}), tensor({3, 3})}, tensor({7., 8.}));
  CHECK(same(x, tensor({{1., 0., 0., 7.}, {2., 5., 5., 5.}, {3., 0., 0., 8.}})));
  x.index_put_({x > 4}, -1);
  CHECK(x.min().item<float>() == -1);
  CHECK((x > 4).any().item<bool>() == false);
  x.t().index_put_({tensor({1, 2})}, zeros({2, 3}));
  x.slice(1, 0, 4, 2).index_put_({tensor({0})}, 9);
  CHECK(same(x, tensor({{9., 0., 9., -1.}, {2., 0., 0., -1.}, {3., 0., 0., -1.}})));
  x.index_put_({true}, ones({1, 1, 3, 4}));
  CHECK(same(x, ones({3, 4})));
  x.index_put_({false}, 3);
  CHECK(same(x, ones({3, 4})));
  x.index_put_({Ellipsis}, 2);
  CHECK(same(x, full({3, 4}, 2.)));
  Tensor number = tensor(1);
  number.index_put_({"..."}, 4);
  CHECK(number.item<int>() == 4);
}

TEST_CASE("index_put_: the last value counts, or their sum with accumulate") {
  Tensor x = zeros(3);
  x.index_put_({tensor({0, 0, 1})}, tensor({1., 2., 3.}));
  CHECK(same(x, tensor({2., 3., 0.})));
  x.index_put_({tensor({0, 0, 1})}, tensor({1., 2., 3.}), true);
  CHECK(same(x, tensor({5., 6., 0.})));
  Tensor counts = zeros({2, 1000}, kInt);
  counts.index_put_({tensor({1, 0, 1})}, ones({3, 1000}, kInt), true);
  CHECK(counts.sum().item<int>() == 3000);
  CHECK(counts.index({1, 999}).item<int>() == 2);
}

TEST_CASE("index: errors say what does not fit") {
  const Tensor x = arange(100).view({2, 5, 10});
  auto text = [&](auto... i) { return message_of([&] { x.index({i...}); }); };
  CHECK(mentions(text(0, 5), "index 5 is out of bounds for dimension 1 with size 5"));
  CHECK(mentions(text(Slice(), Slice(), 12), "index 12 is out of bounds for dimension 2 with size 10"));
  CHECK(mentions(text(tensor({0, 7})), "index 7 is out of bounds for dimension 0 with size 2"));
  CHECK(mentions(text(1, 2, 3, 4), "too many indices for tensor of dimension 3"));
  CHECK(mentions(text(tensor({0., 1.})), "tensors used as indices must be long, int, byte or bool tensors"));
  CHECK(mentions(text(tensor({0, 1}), tensor({0, 1, 2})), "could not be broadcast together with shapes [2], [3]"));
  CHECK(mentions(text(tensor({true})),
                 "The shape of the mask [1] at index 0 does not match the shape of the indexed tensor [2, 5, 10] at "
                 "index 0"));
  CHECK(mentions(text(Slice(None, None, -1)), "step must be greater than zero"));
  CHECK(mentions(message_of([] { tensor(10).index({0}); }), "invalid index of a 0-dim tensor"));
  CHECK(mentions(message_of([] { empty({3, 0}).index({Slice(), tensor({0})}); }), "for dimension with size 0"));
  CHECK(mentions(message_of([&] { x.index({}); }), "Passing an empty index list to Tensor::index()"));
  CHECK(mentions(message_of([&] { x.index_put_({}, 1); }), "Passing an empty index list to Tensor::index_put_()"));
  CHECK(mentions(message_of([&] {
                   x.index_put_({x > -1}, tensor({1, 2, 3}));
                 }),
                 "shape mismatch: value tensor of shape [3] cannot be broadcast to indexing result of shape [100]"));
  CHECK(mentions(message_of([&] { x.index_put_({x > -1}, tensor(1.)); }), "source and destination dtypes match"));
}

TEST_CASE("index: derivatives, also of second order") {
  const TensorOptions with_grad = TensorOptions(kDouble).requires_grad(true);
  Tensor x = tensor({1., 2., 3., 4.}, with_grad);
  const Tensor at = tensor({3, 1, 1});
  Tensor y = x.index({at});
  Tensor g = autograd::grad({(y * y * y).sum()}, {x}, {}, true, true)[0];
  CHECK(same(g, tensor({0., 24., 0., 48.}, kDouble)));
  CHECK(same(autograd::grad({g.sum()}, {x})[0], tensor({0., 24., 0., 24.}, kDouble)));
}

TEST_CASE("index_put_: derivatives of what was there and of the values") {
  const TensorOptions with_grad = TensorOptions(kDouble).requires_grad(true);
  for (bool accumulate : {false, true}) {
    Tensor x = tensor({1., 2., 3., 4.}, with_grad), v = tensor({5., 6.}, with_grad);
    Tensor y = x * 1;
    y.index_put_({tensor({2, 0})}, v, accumulate);
    const std::vector<Tensor> first = autograd::grad({(y * y * y).sum()}, {x, v}, {}, true, true);
    const Tensor second = autograd::grad({first[0].sum() + first[1].sum()}, {v})[0];
    if (accumulate) {
      CHECK(same(first[0], tensor({147., 12., 192., 48.}, kDouble)));
      CHECK(same(second, tensor({96., 84.}, kDouble)));
    } else {
      CHECK(same(first[0], tensor({0., 12., 0., 48.}, kDouble)));
      CHECK(same(first[1], tensor({75., 108.}, kDouble)));
      CHECK(same(second, tensor({30., 36.}, kDouble)));
    }
  }
  // One value for many places collects all their gradients.
  Tensor x = zeros({2, 3}, kDouble), v = tensor(2., with_grad);
  Tensor y = x.clone();
  y.index_put_({tensor({{true, false, true}, {false, true, false}})}, v);
  autograd::backward({y.sum()});
  CHECK(v.grad().item<double>() == 3);
}

TEST_CASE("assignment to an element or a row writes into the tensor") {
  Tensor x = zeros({2, 2});
  x[0][1] = 3;
  x[1] = tensor({4., 5.});
  x.index({0, 0}) = tensor(9.);
  CHECK(same(x, tensor({{9., 3.}, {4., 5.}})));
  CHECK(x[tensor(1)][tensor(0)].item<float>() == 4);
  CHECK_THROWS_AS(x[tensor({1})], Error);
  CHECK_THROWS_AS(x[Scalar(0.5)], Error);
}

TEST_SUITE_END();
