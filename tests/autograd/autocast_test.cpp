#include <doctest/doctest.h>
#include <fulmen/fulmen.h>
#include <tests/message_of.h>

#include <functional>

using namespace fulmen;
using fulmen::testing::message_of;
namespace F = fulmen::nn::functional;

namespace {

using Case = std::function<Tensor(const Tensor&, const Tensor&)>;
struct Row {
  const char* name;
  Case run;
};

Tensor labels() { return arange(4, TensorOptions(kLong)); }
Tensor batched(const Tensor& x) { return x.unsqueeze(0).expand({2, 4, 4}); }

/// Of square matrices of float32, of autocast's type, and mixed, PyTorch 2.15 gives autocast's type on the CPU.
const std::vector<Row>& lowered() {
  static const std::vector<Row> rows{
      {"mm", [](auto& x, auto& y) { return mm(x, y); }},
      {"matmul", [](auto& x, auto& y) { return x.matmul(y); }},
      {"matmul with a vector", [](auto& x, auto& y) { return matmul(x, y[0]); }},
      {"bmm", [](auto& x, auto& y) { return bmm(batched(x), batched(y)); }},
      {"addmm", [](auto& x, auto& y) { return addmm(x, x, y); }},
      {"baddbmm", [](auto& x, auto& y) { return baddbmm(batched(x), batched(x), batched(y)); }},
      {"linear", [](auto& x, auto& y) { return linear(x, y, x[0]); }},
  };
  return rows;
}
/// Of the same arguments it gives float32.
const std::vector<Row>& widened() {
  static const std::vector<Row> rows{
      {"mse_loss", [](auto& x, auto& y) { return mse_loss(x, y); }},
      {"l1_loss", [](auto& x, auto& y) { return l1_loss(x, y); }},
      {"smooth_l1_loss", [](auto& x, auto& y) { return smooth_l1_loss(x, y); }},
      {"huber_loss", [](auto& x, auto& y) { return huber_loss(x, y); }},
      {"kl_div", [](auto& x, auto& y) { return kl_div(x, y); }},
      {"binary_cross_entropy_with_logits", [](auto& x, auto& y) { return binary_cross_entropy_with_logits(x, y); }},
      {"nll_loss", [](auto& x, auto&) { return nll_loss(x, labels().to(x.device())); }},
      {"cross_entropy", [](auto& x, auto&) { return cross_entropy(x, labels().to(x.device())); }},
      {"hinge_embedding_loss", [](auto& x, auto& y) { return F::hinge_embedding_loss(x, y); }},
      {"margin_ranking_loss", [](auto& x, auto& y) { return F::margin_ranking_loss(x, x, y); }},
      {"soft_margin_loss", [](auto& x, auto& y) { return F::soft_margin_loss(x, y); }},
      {"poisson_nll_loss", [](auto& x, auto& y) { return F::poisson_nll_loss(x, y); }},
      {"prod", [](auto& x, auto&) { return x.prod(); }},
      {"prod of a dimension", [](auto& x, auto&) { return x.prod(1); }},
  };
  return rows;
}
/// The CPU keeps the type of these; CUDA gives float32.
const std::vector<Row>& wide_on_cuda() {
  static const std::vector<Row> rows{
      {"softmax", [](auto& x, auto&) { return softmax(x, 1); }},
      {"log_softmax", [](auto& x, auto&) { return log_softmax(x, 1); }},
      {"sum", [](auto& x, auto&) { return x.sum(); }},
      {"cumsum", [](auto& x, auto&) { return cumsum(x, 0); }},
      {"norm", [](auto& x, auto&) { return x.norm(); }},
      {"logsumexp", [](auto& x, auto&) { return logsumexp(x, 1); }},
      {"layer_norm", [](auto& x, auto&) { return layer_norm(x, 4); }},
      {"softplus", [](auto& x, auto&) { return softplus(x); }},
      {"exp", [](auto& x, auto&) { return x.exp(); }},
      {"expm1", [](auto& x, auto&) { return x.expm1(); }},
      {"log", [](auto& x, auto&) { return x.log(); }},
      {"log1p", [](auto& x, auto&) { return x.log1p(); }},
      {"tan", [](auto& x, auto&) { return x.tan(); }},
      {"acos", [](auto& x, auto&) { return x.acos(); }},
      {"cosh", [](auto& x, auto&) { return x.cosh(); }},
      {"reciprocal", [](auto& x, auto&) { return x.reciprocal(); }},
      {"rsqrt", [](auto& x, auto&) { return x.rsqrt(); }},
      {"pow", [](auto& x, auto&) { return x.pow(2); }},
      {"pow of a number", [](auto& x, auto&) { return pow(Scalar(2), x); }},
  };
  return rows;
}

void check(const std::vector<Row>& rows, const Tensor& x, const Tensor& y, ScalarType wanted) {
  for (const Row& row : rows) {
    const ScalarType got = row.run(x, y).scalar_type();
    CHECK_MESSAGE(got == wanted, row.name, " of ", to_string(x.scalar_type()), " and ", to_string(y.scalar_type()),
                  ": ", to_string(got));
  }
}

void check_device(DeviceType device, ScalarType lower) {
  const Tensor x = (rand({4, 4}) * 0.5 + 0.1).to(device), h = x.to(lower), d = x.to(kDouble);
  const Autocast mixed(device, lower);
  for (const auto& [a, b] : {std::pair(x, x), std::pair(h, h), std::pair(h, x)}) {
    check(lowered(), a, b, lower);
    check(widened(), a, b, kFloat);
    check(wide_on_cuda(), a, b, device == kCUDA ? kFloat : a.scalar_type());
  }
  for (const auto* rows : {&lowered(), &widened(), &wide_on_cuda()}) check(*rows, d, d, kDouble);
  CHECK(stack({h, x}).scalar_type() == kFloat);
  CHECK(cat({h, x}).scalar_type() == kFloat);
  CHECK(cat({h, h}).scalar_type() == lower);
  CHECK((h + h).scalar_type() == lower);
  CHECK(softmax(h, 1, kDouble).scalar_type() == kDouble);
  CHECK(x.to(kLong).sum().scalar_type() == kLong);
}

}  // namespace

TEST_SUITE("autograd") {
  TEST_CASE("autocast: dtypes as PyTorch's on the CPU") {
    manual_seed(0);
    check_device(kCPU, kBFloat16);
    check_device(kCPU, kHalf);
  }

#ifdef FULMEN_CUDA
  TEST_CASE("autocast: dtypes as PyTorch's on CUDA") {
    if (!cuda::is_available()) return;
    manual_seed(0);
    check_device(kCUDA, kHalf);
    const Tensor x = rand({4, 4}).to(kCUDA), h = x.to(kHalf);
    const Autocast mixed(kCUDA);
    CHECK(mv(x, x[0]).scalar_type() == kHalf);
    CHECK(dot(h[0], x[0]).scalar_type() == kFloat);
    CHECK(dot(h[0], h[0]).scalar_type() == kHalf);
    CHECK(message_of([&] { binary_cross_entropy(x, x); }).find("unsafe to autocast") != std::string::npos);
    CHECK(mm(x.cpu(), x.cpu()).scalar_type() == kFloat);  // not on for the CPU
  }
#endif

  TEST_CASE("autocast: a scope ends, nests, and is off where it was switched off") {
    const Tensor x = rand({4, 4});
    CHECK(mm(x, x).scalar_type() == kFloat);
    {
      const Autocast mixed(kCPU);
      CHECK(mm(x, x).scalar_type() == kBFloat16);
      {
        const Autocast off(kCPU, false);
        CHECK(mm(x, x).scalar_type() == kFloat);
        const Autocast half(kCPU, kHalf);
        CHECK(mm(x, x).scalar_type() == kHalf);
      }
      CHECK(mm(x, x).scalar_type() == kBFloat16);
    }
    CHECK(mm(x, x).scalar_type() == kFloat);
    CHECK_FALSE(autocast::active);
    CHECK(message_of([] { Autocast wide(kCPU, kDouble); }).find("must be float16 or bfloat16") != std::string::npos);
    CHECK_FALSE(autocast::active);
  }

  TEST_CASE("autocast: gradients have the parameters' types, and parameters are converted once in a forward pass") {
    manual_seed(0);
    nn::Linear layer(8, 8);
    const Tensor x = rand({4, 8});
    Tensor loss;
    {
      const Autocast mixed(kCPU);
      const Tensor h = layer(x), y = layer(h);
      CHECK(h.scalar_type() == kBFloat16);
      loss = mse_loss(y, x);
      loss.backward();  // inside the scope: as outside
    }
    CHECK(loss.scalar_type() == kFloat);
    CHECK(layer->weight.grad().scalar_type() == kFloat);
    const Tensor mixed_gradient = layer->weight.grad().clone();
    layer->zero_grad();
    mse_loss(layer(layer(x)), x).backward();
    CHECK(allclose(mixed_gradient, layer->weight.grad(), 0.05, 0.01));
    CHECK_FALSE(mixed_gradient.equal(layer->weight.grad()));
  }

  TEST_CASE("autocast: a parameter that changed within the scope is converted again") {
    Tensor w = ones({2, 2}).requires_grad_();
    const Tensor x = ones({2, 2});
    const Autocast mixed(kCPU);
    CHECK(mm(x, w)[0][0].item<float>() == 2);
    {
      NoGradGuard constant;
      w.mul_(2);
    }
    CHECK(mm(x, w)[0][0].item<float>() == 4);
    CHECK(mm(x, w).requires_grad());
  }

  TEST_CASE("autocast: PyTorch's functions") {
    CHECK(autocast::get_autocast_dtype(kCPU) == kBFloat16);
    CHECK(autocast::get_autocast_dtype(kCUDA) == kHalf);
    autocast::set_autocast_enabled(kCPU, true);
    CHECK(autocast::is_autocast_enabled(kCPU));
    CHECK_FALSE(autocast::is_autocast_enabled(kCUDA));
    CHECK(mm(ones({1, 1}), ones({1, 1})).scalar_type() == kBFloat16);
    autocast::set_autocast_enabled(kCPU, false);
    CHECK(mm(ones({1, 1}), ones({1, 1})).scalar_type() == kFloat);
  }
}
