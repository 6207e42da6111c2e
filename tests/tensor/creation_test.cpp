#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>
#include <tests/tensor/support.h>

#include <cmath>
#include <limits>
#include <sstream>

using namespace fulmen;
using namespace fulmen::testing;

TEST_SUITE_BEGIN("tensor");

namespace {

bool holds(const Tensor& x, const std::vector<double>& values, ScalarType dtype) {
  return x.scalar_type() == dtype && x.flatten().equal(tensor(values, kDouble).to(dtype));
}

}  // namespace

TEST_CASE("tensor(): nested braces, dtypes as LibTorch's") {
  CHECK(tensor(1).scalar_type() == kLong);
  CHECK(tensor({1, 2}).scalar_type() == kLong);
  CHECK(tensor(1.5).scalar_type() == kFloat);
  CHECK(tensor({1.5f}).scalar_type() == kFloat);
  CHECK(tensor({true, false}).scalar_type() == kBool);
  CHECK(tensor({int8_t{1}}).scalar_type() == kChar);
  CHECK(tensor({BFloat16(1.0f)}).scalar_type() == kBFloat16);
  CHECK(tensor(std::vector<int>{1, 2}).scalar_type() == kLong);
  CHECK(tensor(std::vector<bool>{true}).scalar_type() == kBool);
  CHECK(tensor(ArrayRef<double>({1.5, 2.5})).scalar_type() == kFloat);
  CHECK(tensor({1, 2}, kFloat).scalar_type() == kFloat);
  CHECK(detail::tensor_as_written({1, 2}).scalar_type() == kInt);
  CHECK(detail::tensor_as_written(1.5).scalar_type() == kDouble);
  CHECK(tensor({{1, 2, 3}, {4, 5, 6}}).sizes() == IntArrayRef({2, 3}));
  CHECK(holds(tensor({{1, 2, 3}, {4, 5, 6}}), {1, 2, 3, 4, 5, 6}, kLong));
  CHECK(tensor({{{{{{{{{{1, 2}}}}}}}}}}).sizes() == IntArrayRef({1, 1, 1, 1, 1, 1, 1, 1, 1, 2}));
  CHECK(tensor({}).sizes() == IntArrayRef({0}));
  CHECK(tensor({{}, {}}).sizes() == IntArrayRef({2, 0}));
  CHECK(tensor({{{{{{{{{{}}}}}}}}}}).sizes() == IntArrayRef({1, 1, 1, 1, 1, 1, 1, 1, 1, 0}));
  CHECK(tensor({1.5}, requires_grad()).requires_grad());
}

TEST_CASE("tensor(): errors and printing of its argument") {
  CHECK(mentions(message_of([] {
                   tensor({{{2, 3, 4}, {{5, 6}, {7}}}});
                 }),
                 "Expected all sub-lists to have sizes: 2 (e.g. {5, 6}), but got sub-list {7} with sizes: 1"));
  CHECK(mentions(message_of([] {
                   tensor({{{1, 2.0}, {1, 2.0}}});
                 }),
                 "Expected all elements of the tensor to have the same scalar type: Int, but got element of scalar "
                 "type: Double"));
  CHECK(mentions(message_of([] { tensor({300}, kByte); }), "without overflow"));
  std::ostringstream out;
  out << detail::TensorDataContainer({{1, 2}, {3, 4}}) << detail::TensorDataContainer(1.1)
      << detail::TensorDataContainer(std::vector<double>{1.1, 2.2});
  CHECK(out.str() == "{{1, 2}, {3, 4}}1.1{1.1, 2.2}");
  CHECK(mentions(message_of([] { detail::TensorDataContainer(1.1).init_list(); }), "is_init_list() == true"));
}

TEST_CASE("full, zeros, ones, eye and their like") {
  CHECK(holds(full({2}, 3), {3, 3}, kLong));
  CHECK(holds(full({2}, true), {1, 1}, kBool));
  CHECK(holds(full({2}, 2.5), {2.5, 2.5}, kFloat));
  CHECK(holds(full({2}, 3.7, kInt), {3, 3}, kInt));
  CHECK(holds(zeros({2}, kHalf), {0, 0}, kHalf));
  CHECK(holds(ones_like(zeros({2}, kShort)), {1, 1}, kShort));
  CHECK(holds(full_like(zeros({2}, kShort), 7, kFloat), {7, 7}, kFloat));
  CHECK(holds(eye(2, 3), {1, 0, 0, 0, 1, 0}, kFloat));
  CHECK(holds(eye(3, 2, kLong), {1, 0, 0, 1, 0, 0}, kLong));
  CHECK(scalar_tensor(4).dim() == 0);
  CHECK(zeros({2, 0}).numel() == 0);
  CHECK(ones({2}, dtype(kDouble).requires_grad(true)).requires_grad());
  CHECK(mentions(message_of([] { eye(-1); }), "n must be greater or equal to 0, got -1"));
  CHECK(mentions(message_of([] { full({2}, 300, kByte); }), "cannot be converted to type uint8_t without overflow"));
  CHECK(mentions(message_of([] { full({2}, 1e300, kFloat); }), "cannot be converted to type float without overflow"));
  CHECK(mentions(message_of([] { full({2}, NAN, kInt); }), "cannot be converted to type int without overflow"));
}

TEST_CASE("arange, linspace, logspace") {
  CHECK(holds(arange(5), {0, 1, 2, 3, 4}, kLong));
  CHECK(holds(arange(1, 2, 0.5), {1, 1.5}, kFloat));
  CHECK(holds(arange(5, 0, -2), {5, 3, 1}, kLong));
  CHECK(holds(arange(0.5, 5, 2, kLong), {0, 2, 4}, kLong));
  CHECK(holds(arange(3, kHalf), {0, 1, 2}, kHalf));
  CHECK(arange(0, 1, 0.1).numel() == 10);
  CHECK(arange(300, kByte)[299].item<int>() == 43);
  CHECK(holds(linspace(0, 1, 5), {0, 0.25, 0.5, 0.75, 1}, kFloat));
  CHECK(holds(linspace(0, 10, 4, kLong), {0, 3, 6, 10}, kLong));
  CHECK(holds(linspace(3, 10, 1), {3}, kFloat));
  CHECK(linspace(0, 1, 0).numel() == 0);
  CHECK(holds(logspace(0, 3, 4, 2, kLong), {1, 2, 4, 8}, kLong));
  CHECK(holds(logspace(0, 3, 4), {1, 10, 100, 1000}, kFloat));
  CHECK(mentions(message_of([] { arange(1, 0); }), "upper bound and lower bound inconsistent with step sign"));
  CHECK(mentions(message_of([] { arange(0, 1, 0); }), "step must be nonzero"));
  CHECK(mentions(message_of([] { arange(0, INFINITY); }), "unsupported range: 0 -> inf"));
  CHECK(mentions(message_of([] { arange(0, 1e20); }), "invalid size, possible overflow?"));
  CHECK(mentions(message_of([] { linspace(0, 1, -1); }), "number of steps must be non-negative"));
}

TEST_CASE("from_blob borrows, and tells when it is done") {
  double numbers[] = {1, 2, 3, 4, 5, 6};
  int calls = 0;
  {
    const Tensor x = from_blob(
        numbers, {2, 2}, {3, 1}, [&](void* p) { calls += p == numbers; }, kDouble);
    CHECK(holds(x, {1, 2, 4, 5}, kDouble));
    const Tensor view = x.t();
    view.fill_(7);
    CHECK(calls == 0);
  }
  CHECK(calls == 1);
  CHECK(numbers[4] == 7);
  CHECK(numbers[2] == 3);
  CHECK(from_blob(numbers, 6, kDouble).sum().item<double>() == 37);
  CHECK_THROWS_AS(from_blob(numbers, {2}, {-1}, kDouble), Error);
}

TEST_CASE("fill_ and zero_ reach through views and cut the derivative") {
  Tensor x = ones({3, 4}, kInt);
  x.t().slice(0, 1, 3).fill_(5);
  CHECK(holds(x, {1, 5, 5, 1, 1, 5, 5, 1, 1, 5, 5, 1}, kInt));
  x.fill_(tensor(2));
  CHECK(x.sum().item<int>() == 24);
  Tensor w = ones(3, requires_grad()), v = ones({}, requires_grad());
  Tensor y = w * 2;
  y.slice(0, 1, 2).fill_(v);
  y.slice(0, 2, 3).zero_();
  autograd::backward({y.sum()});
  CHECK(holds(w.grad(), {2, 0, 0}, kFloat));
  CHECK(v.grad().item<float>() == 1);
  CHECK(mentions(message_of([&] { x.fill_(ones(2)); }), "fill_ only supports 0-dimension value tensor"));
}

TEST_CASE("random: arguments out of range") {
  CHECK(mentions(message_of([] { randint(5, 5, {2}); }), "from=5 >= to=5"));
  CHECK(mentions(message_of([] { zeros(2, kByte).random_(0, 300); }), "to - 1 is out of bounds for unsigned char"));
  CHECK(mentions(message_of([] { zeros(2).uniform_(2, 1); }), "found from=2 > to=1"));
  CHECK(mentions(message_of([] { zeros(2).normal_(0, -1); }), "normal expects std >= 0.0, but found std -1"));
  CHECK(mentions(message_of([] { zeros(2).bernoulli_(2); }), "bernoulli_ expects p to be in [0, 1], but got p=2"));
  CHECK(mentions(message_of([] { zeros(2).exponential_(0); }), "exponential_ expects lambda > 0.0"));
  CHECK(mentions(message_of([] { rand(2, kLong); }), "not implemented for 'Long'"));
  CHECK(mentions(message_of([] { randperm(3000, kHalf); }), "n cannot be greater than 2049 for Half type."));
  CHECK(mentions(message_of([] { tensor({1., -1.}).multinomial(1); }), "element < 0"));
  CHECK(mentions(message_of([] { tensor({0., 0.}).multinomial(1); }), "sum of probabilities <= 0"));
  CHECK(mentions(message_of([] { tensor({1., 0.}).multinomial(3); }), "without replacement"));
}

TEST_CASE("random: strided tensors are filled in memory order") {
  manual_seed(3);
  const Tensor x = rand({3, 4});
  manual_seed(3);
  Tensor y = empty({3, 4});
  y.t().uniform_();
  CHECK(y.equal(x));
  Tensor z = zeros({4, 6});
  manual_seed(3);
  z.slice(1, 0, 6, 2).uniform_();
  manual_seed(3);
  CHECK(z.slice(1, 0, 6, 2).equal(rand({4, 3})));
  CHECK(z.slice(1, 1, 6, 2).sum().item<float>() == 0);
}

TEST_SUITE_END();
