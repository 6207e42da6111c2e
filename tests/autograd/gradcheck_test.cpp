#include <doctest/doctest.h>
#include <fulmen/autograd/gradcheck.h>
#include <fulmen/autograd/op.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/unary.h>

using namespace fulmen;
using autograd::gradcheck;
using autograd::gradgradcheck;
using autograd::variable_list;

namespace {

Tensor leaf(std::initializer_list<int64_t> sizes) {
  Tensor x = arange(
      1,
      1 +
          [&] {
            int64_t n = 1;
            for (int64_t s : sizes) n *= s;
            return n;
          }(),
      kDouble);
  return (x.view(std::vector<int64_t>(sizes)) * 0.3).detach().requires_grad_();
}

/// x^2 with a wrong rule.
struct Wrong {
  static constexpr auto name = "wrong";
  autograd::Output forward(autograd::Forward& f, const autograd::Input& x) const {
    autograd::Output y = f.empty_like(x);
    y.copy_(x * x);
    f.save(x);
    return y;
  }
  autograd::Grads<1> backward(const autograd::Saved& s, const Tensor& gy) const { return {gy * s[0]}; }
};

}  // namespace

TEST_SUITE_BEGIN("autograd");

TEST_CASE("gradcheck accepts right derivatives of first and second order") {
  auto f = [](const variable_list& x) { return variable_list{x[0].matmul(x[1]).sin(), x[0].exp()}; };
  variable_list inputs = {leaf({2, 3}), leaf({3, 2})};
  CHECK(gradcheck(f, inputs));
  CHECK(gradgradcheck(f, inputs));
  CHECK(gradcheck(f, inputs, {.fast_mode = true}));
  CHECK(gradgradcheck(f, inputs, {}, {.fast_mode = true}));
}

TEST_CASE("gradcheck refuses a wrong rule, by exception or by its result") {
  auto f = [](const variable_list& x) { return variable_list{autograd::apply(Wrong{}, x[0])}; };
  CHECK_THROWS_WITH_AS(gradcheck(f, {leaf({3})}),
                       doctest::Contains("Jacobian mismatch for output 0 with respect to input 0"), Error);
  CHECK_FALSE(gradcheck(f, {leaf({3})}, {.raise_exception = false}));
  CHECK_FALSE(gradcheck(f, {leaf({3})}, {.fast_mode = true, .raise_exception = false}));
}

TEST_CASE("gradcheck needs an input that requires grad") {
  auto f = [](const variable_list& x) { return variable_list{x[0] * 2}; };
  CHECK_THROWS_WITH_AS(gradcheck(f, {ones({2}, kDouble)}), doctest::Contains("at least one input tensor to require"),
                       Error);
}

TEST_SUITE_END();
