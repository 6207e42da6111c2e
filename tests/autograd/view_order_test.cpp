#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>

using namespace fulmen;

TEST_SUITE_BEGIN("autograd");

// The history of a view is made when somebody asks for it, so it can be newer than the node that asks; the second
// contribution to it must still arrive before it runs.
TEST_CASE("a view whose base was written to, used twice") {
  Tensor x = tensor({1., 2.}, dtype(kDouble).requires_grad(true));
  Tensor base = x * 1;
  Tensor view = base.slice(0, 0, 2);
  base.mul_(3);
  Tensor y = view * view;
  autograd::backward({y.sum()});
  CHECK(x.grad().equal(tensor({18., 36.}, kDouble)));
}

TEST_CASE("second derivative through a write into a view") {
  const TensorOptions with_grad = dtype(kDouble).requires_grad(true);
  Tensor x = tensor({{1., 2.}, {3., 4.}}, with_grad), w = tensor({{5., 6.}, {7., 8.}}, with_grad);
  Tensor y = x * x;
  y.slice(0, 1).zero_();
  Tensor g = autograd::grad({(y * w).sum()}, {x}, {}, true, true)[0];
  CHECK(g.equal(tensor({{10., 24.}, {0., 0.}}, kDouble)));
  const std::vector<Tensor> second = autograd::grad({g.sum()}, {x, w});
  CHECK(second[0].equal(tensor({{10., 12.}, {0., 0.}}, kDouble)));
  CHECK(second[1].equal(tensor({{2., 4.}, {0., 0.}}, kDouble)));
}

TEST_SUITE_END();
