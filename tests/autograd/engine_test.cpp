#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>

#include <thread>

using namespace fulmen;

namespace {

Tensor leaf(std::initializer_list<double> values) {
  return tensor(std::vector<double>(values), dtype(kDouble).requires_grad(true));
}
std::vector<double> values(const Tensor& t) {
  Tensor flat = t.detach().to(kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}
using List = std::vector<double>;

}  // namespace

TEST_SUITE_BEGIN("autograd");

TEST_CASE("a shared value collects the gradients of all its uses") {
  Tensor x = leaf({2, 3});
  Tensor y = x * x + x * 4;
  y.backward(ones({2}, kDouble));
  CHECK(values(x.grad()) == List{8, 10});
}

TEST_CASE("gradients accumulate over passes and a second pass needs retain_graph") {
  Tensor x = leaf({3});
  Tensor y = x * x;
  y.backward({}, true);
  y.backward();
  CHECK(values(x.grad()) == List{12});
  CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("second time"), Error);
}

TEST_CASE("broadcast gradients are summed to the input's shape") {
  Tensor a = ones({2, 3}, dtype(kDouble).requires_grad(true)), b = ones({3}, dtype(kDouble).requires_grad(true));
  Tensor c = ones({2, 1}, dtype(kDouble).requires_grad(true));
  (a * b * c).backward(ones({2, 3}, kDouble));
  CHECK(b.grad().sizes() == IntArrayRef({3}));
  CHECK(values(b.grad()) == List{2, 2, 2});
  CHECK(c.grad().sizes() == IntArrayRef({2, 1}));
  CHECK(values(c.grad()) == List{3, 3});
}

TEST_CASE("second and third derivatives") {
  Tensor x = leaf({2});
  Tensor y = x * x * x;
  Tensor first = autograd::grad({y}, {x}, {}, {}, true)[0];
  Tensor second = autograd::grad({first}, {x}, {}, {}, true)[0];
  Tensor third = autograd::grad({second}, {x})[0];
  CHECK(values(first) == List{12});
  CHECK(values(second) == List{12});
  CHECK(values(third) == List{6});
  CHECK(!x.grad().defined());
}

TEST_CASE("grad() with unused inputs, non-leaf inputs and wrong arguments") {
  Tensor x = leaf({2}), z = leaf({1});
  Tensor mid = x * 3, y = mid * mid;
  CHECK(values(autograd::grad({y}, {mid}, {}, true)[0]) == List{12});
  CHECK_THROWS_WITH_AS(autograd::grad({y}, {z}, {}, true), doctest::Contains("not have been used"), Error);
  auto both = autograd::grad({y}, {x, z}, {}, true, false, true);
  CHECK(values(both[0]) == List{36});
  CHECK(!both[1].defined());
  CHECK_THROWS_WITH_AS(autograd::grad({y}, {}), doctest::Contains("grad requires non-empty inputs."), Error);
  CHECK_THROWS_AS(x.detach().backward(), Error);
  CHECK_THROWS_WITH_AS((x * leaf({1, 2})).backward(),
                       doctest::Contains("grad can be implicitly created only for scalar outputs"), Error);
}

TEST_CASE("backward(inputs) leaves other leaves alone") {
  Tensor x = leaf({2}), w = leaf({5});
  Tensor mid = x * w, y = mid * mid;
  y.backward({}, true, false, TensorList(w));
  CHECK(!x.grad().defined());
  CHECK(values(w.grad()) == List{40});
  y.backward({}, {}, false, TensorList(mid));
  CHECK(values(mid.grad()) == List{20});
}

TEST_CASE("hooks see and replace gradients; retain_grad keeps them") {
  Tensor x = leaf({2});
  Tensor mid = x * 3;
  int calls = 0;
  unsigned first = mid.register_hook([&](Tensor) { ++calls; });
  mid.register_hook([](Tensor g) { return g * 10; });
  mid.retain_grad();
  (mid * 2).backward({}, true);
  CHECK(calls == 1);
  CHECK(values(mid.grad()) == List{20});
  CHECK(values(x.grad()) == List{60});
  mid.remove_hook(first);
  (mid * 2).backward();
  CHECK(calls == 1);
  CHECK_THROWS_WITH_AS(mid.remove_hook(7), doctest::Contains("Invalid index"), Error);
  x.register_hook([](Tensor g) { return g * 0; });
  x.mutable_grad() = Tensor();
  (x * 1).backward();
  CHECK(values(x.grad()) == List{0});
}

TEST_CASE("a graph of a million nodes runs and is freed without recursion") {
  Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 1000000; ++i) y = y + 1;
  SUBCASE("backward") {
    y.backward();
    CHECK(values(x.grad()) == List{1});
  }
  SUBCASE("freed without backward") { y.reset(); }
}

TEST_CASE("saved tensors that were changed are refused") {
  Tensor x = leaf({2}), w = leaf({3});
  Tensor mid = x * 2;
  Tensor y = mid * w;
  mid.add_(1);
  CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("modified by an inplace operation"), Error);
  Tensor e = (x * 1).exp();
  e.mul_(2);
  CHECK_THROWS_WITH_AS(e.backward(), doctest::Contains("modified by an inplace operation"), Error);
}

TEST_CASE("in-place operations record and refuse leaves") {
  Tensor x = leaf({2}), w = leaf({3});
  Tensor y = x * 1;
  y.mul_(w);
  y.mul_(y.detach().clone());
  y.backward();
  CHECK(values(x.grad()) == List{18});
  CHECK(values(w.grad()) == List{12});
  CHECK_THROWS_WITH_AS(x.add_(1), doctest::Contains("leaf Variable that requires grad"), Error);
  CHECK_THROWS_WITH_AS(x.view({1}).add_(1), doctest::Contains("view of a leaf Variable that requires grad"), Error);
  {
    NoGradGuard no_grad;
    x.add_(1);
  }
  CHECK(values(x) == List{3});
  CHECK_THROWS_AS(ones({2}).add_(ones({3})), Error);
  CHECK_THROWS_AS(ones({1}).add_(ones({3})), Error);
  CHECK_THROWS_AS(ones({3}, kLong).add_(0.5), Error);
  CHECK_THROWS_AS(ones({1}).expand({3}).add_(1), Error);
}

TEST_CASE("writes into views reach the base's history, and the other way round") {
  Tensor x = leaf({1, 2, 3});
  Tensor base = x * 1;
  Tensor part = base.slice(0, 1, 3);
  part.mul_(10);
  base.sum().backward();
  CHECK(values(base) == List{1, 20, 30});
  CHECK(values(x.grad()) == List{1, 10, 10});

  Tensor z = leaf({1, 2, 3, 4});
  Tensor all = z * 1, square = all.view({2, 2}), row = square[1];
  all.mul_(2);
  row.mul_(3);
  CHECK(row.requires_grad());
  (square * square).sum().backward();
  CHECK(values(z.grad()) == List{8, 16, 216, 288});

  Tensor plain = zeros({3}, kDouble), w = leaf({5});
  Tensor first = plain[0];
  plain.slice(0, 0, 2).copy_(w.expand({2}));
  CHECK(plain.requires_grad());
  CHECK(first.requires_grad());
  (plain.sum() + first).backward();
  CHECK(values(w.grad()) == List{3});
}

TEST_CASE("assignment to an indexed temporary writes; to a name rebinds") {
  Tensor t = zeros({2, 2});
  t[0] = 5;
  t[1][1] = ones({}) * 7;
  CHECK(values(t) == List{5, 5, 0, 7});
  Tensor other = t;
  t = ones({1});
  CHECK(values(other) == List{5, 5, 0, 7});
}

TEST_CASE("no_grad, detach and data leave the graph") {
  Tensor x = leaf({2});
  {
    NoGradGuard no_grad;
    CHECK(!(x * 2).requires_grad());
  }
  Tensor d = x.detach();
  CHECK(!d.requires_grad());
  d.add_(1);
  CHECK(x._version() == 1);
  x.data().add_(1);
  CHECK(x._version() == 1);
  CHECK(values(x) == List{4});
  InferenceMode inference;
  CHECK((x * 2).is_inference());
}

TEST_CASE("two threads may run backward through shared leaves") {
  Tensor w = leaf({1});
  auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      Tensor g = autograd::grad({(w * 2).exp()}, {w})[0];
      CHECK(g.defined());
    }
  };
  std::thread other(work);
  work();
  other.join();
}

TEST_CASE("cat, stack, split and repeat pass gradients back in place") {
  Tensor a = leaf({1, 2}), b = leaf({3});
  (cat({a, b}) * tensor({1.0, 10.0, 100.0}, kDouble)).sum().backward();
  CHECK(values(a.grad()) == List{1, 10});
  CHECK(values(b.grad()) == List{100});
  Tensor s = stack({a.detach(), a.detach() * 2}, 1);
  CHECK(s.sizes() == IntArrayRef({2, 2}));
  CHECK(values(s) == List{1, 2, 2, 4});
  auto parts = arange(7, kDouble).split(3);
  CHECK(parts.size() == 3);
  CHECK(values(parts[2]) == List{6});
  CHECK(values(a.detach().repeat({2, 2})) == List{1, 2, 1, 2, 1, 2, 1, 2});
  CHECK(values(arange(6, kDouble).view({2, 3}).flip({0, 1})) == List{5, 4, 3, 2, 1, 0});
  CHECK_THROWS_WITH_AS(cat({ones({2, 2}), ones({2, 3})}), doctest::Contains("Sizes of tensors must match"), Error);
}

TEST_CASE("view and reshape on strided memory") {
  Tensor m = arange(24, kDouble).view({2, 3, 4});
  Tensor turned = m.transpose(0, 2);
  CHECK_THROWS_WITH_AS(turned.view({24}), doctest::Contains("Use .reshape(...) instead"), Error);
  CHECK(turned.reshape({24}).is_contiguous());
  CHECK(values(turned.reshape({4, 6})[1]) == List{1, 13, 5, 17, 9, 21});
  CHECK(m.slice(2, 0, 4, 2).view({6, 2}).stride(0) == 4);
  CHECK(m.view({-1, 12}).size(0) == 2);
  CHECK_THROWS_WITH_AS(m.view({5, -1}), doctest::Contains("shape '[5, -1]' is invalid for input of size 24"), Error);
  CHECK(zeros({0, 3}).view({3, 0}).numel() == 0);
  CHECK(values(m.as_strided({2, 2}, {1, 4})) == List{0, 4, 1, 5});
  CHECK_THROWS_AS(m.as_strided({100}, {1}), Error);
  CHECK(values(m[0].diagonal(1)) == List{1, 6, 11});
}

TEST_SUITE_END();
