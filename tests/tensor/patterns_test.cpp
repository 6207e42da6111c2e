#include <doctest/doctest.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/patterns.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>
#include <tests/tensor/support.h>

using namespace fulmen;
using namespace fulmen::testing;

TEST_SUITE_BEGIN("tensor");

TEST_CASE("one_hot") {
  CHECK(same(one_hot(tensor({0, 2, 1})), tensor({{1, 0, 0}, {0, 0, 1}, {0, 1, 0}})));
  CHECK(same(one_hot(tensor({{1}, {0}}), 3), tensor({{{0, 1, 0}}, {{1, 0, 0}}})));
  CHECK(one_hot(zeros({2, 0}, kLong), 3).sizes() == IntArrayRef({2, 0, 3}));
  CHECK_THROWS_WITH_AS(one_hot(tensor({-1})), "Class values must be non-negative.; got -1", Error);
  CHECK_THROWS_WITH_AS(one_hot(tensor({3}), 3), "Class values must be smaller than num_classes.; got 3 of 3", Error);
  CHECK_THROWS_AS(one_hot(tensor({1.})), Error);
  CHECK_THROWS_AS(one_hot(zeros({0}, kLong)), Error);
}

TEST_CASE("tril, triu, meshgrid") {
  const Tensor x = arange(1, 10).view({3, 3});
  CHECK(same(tril(x), tensor({{1, 0, 0}, {4, 5, 0}, {7, 8, 9}})));
  CHECK(same(triu(x, 1), tensor({{0, 2, 3}, {0, 0, 6}, {0, 0, 0}})));
  CHECK(same(tril(x.expand({2, 3, 3}), -1).select(0, 1), tensor({{0, 0, 0}, {4, 0, 0}, {7, 8, 0}})));
  const std::vector<Tensor> v = {tensor({1, 2}), tensor({3, 4, 5})};
  CHECK(same(meshgrid(v)[0], tensor({{1, 1, 1}, {2, 2, 2}})));
  CHECK(same(meshgrid(v)[1], tensor({{3, 4, 5}, {3, 4, 5}})));
  CHECK(same(meshgrid(v, "xy")[1], tensor({{3, 3}, {4, 4}, {5, 5}})));
  CHECK_THROWS_AS(meshgrid(v, "xyz"), Error);
}

TEST_SUITE_END();
