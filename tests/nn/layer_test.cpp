#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <tests/message_of.h>

#include <cmath>

using namespace fulmen;
using fulmen::testing::mentions;
using fulmen::testing::message_of;
namespace F = fulmen::nn::functional;

namespace {

Tensor numbers(std::vector<double> values) { return tensor(values, kDouble); }

}  // namespace

TEST_SUITE_BEGIN("nn");

TEST_CASE("activations at a few points") {
  const Tensor x = numbers({-2, -0.3, 0, 0.4, 7});
  const auto same = [](const Tensor& got, std::vector<double> expected) {
    return got.allclose(numbers(std::move(expected)), 1e-9, 1e-12);
  };
  const auto each = [&](double (*f)(double)) {
    std::vector<double> out;
    for (double v : {-2.0, -0.3, 0.0, 0.4, 7.0}) out.push_back(f(v));
    return out;
  };
  CHECK(same(F::relu(x), {0, 0, 0, 0.4, 7}));
  CHECK(same(F::relu6(x), {0, 0, 0, 0.4, 6}));
  CHECK(same(F::leaky_relu(x), {-0.02, -0.003, 0, 0.4, 7}));
  CHECK(same(F::elu(x), each([](double v) { return v > 0 ? v : std::expm1(v); })));
  CHECK(same(F::celu(x, F::CELUFuncOptions().alpha(2)),
             each([](double v) { return v > 0 ? v : 2 * std::expm1(v / 2); })));
  CHECK(same(F::gelu(x), each([](double v) { return v * 0.5 * (1 + std::erf(v / std::sqrt(2.0))); })));
  CHECK(same(F::silu(x), each([](double v) { return v / (1 + std::exp(-v)); })));
  CHECK(same(F::mish(x), each([](double v) { return v * std::tanh(std::log1p(std::exp(v))); })));
  CHECK(same(F::softplus(x), each([](double v) { return std::log1p(std::exp(v)); })));
  CHECK(same(F::logsigmoid(x), each([](double v) { return -std::log1p(std::exp(-v)); })));
  CHECK(same(F::hardshrink(x), {-2, 0, 0, 0, 7}));
  CHECK(same(F::softshrink(x), {-1.5, 0, 0, 0, 6.5}));
  CHECK(same(F::hardtanh(x), {-1, -0.3, 0, 0.4, 1}));
  CHECK(same(F::threshold(x, {0.1, -5}), {-5, -5, -5, 0.4, 7}));
  CHECK(same(F::softsign(x), each([](double v) { return v / (1 + std::abs(v)); })));
  CHECK(same(F::tanhshrink(x), each([](double v) { return v - std::tanh(v); })));
  CHECK(same(F::prelu(x, numbers({0.1})), {-0.2, -0.03, 0, 0.4, 7}));
}

TEST_CASE("inplace(true) writes into the input and differentiates as usual") {
  const Tensor x = numbers({-2, 0.5}).set_requires_grad(true);
  const Tensor y = x * 1;
  const Tensor z = F::elu(y, F::ELUFuncOptions().inplace(true));
  CHECK(z.is_same(y));
  z.sum().backward();
  CHECK(x.grad().allclose(numbers({std::exp(-2.0), 1})));
}

TEST_CASE("Hardtanh: the bounds must be in order") {
  CHECK(mentions(message_of([] { nn::Hardtanh(nn::HardtanhOptions().min_val(1).max_val(1)); }),
                 "max_val must be greater than min_val"));
}

TEST_CASE("LayerNorm and BatchNorm1d normalize, and BatchNorm1d remembers") {
  const Tensor x = randn({64, 5}) * 3 + 2;
  const Tensor y = nn::LayerNorm(std::vector<int64_t>{5})(x);
  CHECK(y.mean({1}).abs().max().item<float>() < 1e-5);
  nn::BatchNorm1d norm(5);
  const Tensor z = norm(x);
  CHECK(z.mean({0}).abs().max().item<float>() < 1e-5);
  CHECK(z.var({0}, false).allclose(ones({5}), 1e-3, 1e-3));
  CHECK(norm->num_batches_tracked.item<int64_t>() == 1);
  CHECK(norm->running_mean.allclose(x.mean({0}) * 0.1, 1e-4, 1e-5));
  norm->eval();
  CHECK(!norm(x).allclose(z));
  CHECK(norm->num_batches_tracked.item<int64_t>() == 1);
  CHECK(mentions(message_of([&] { norm(ones({2, 5, 1, 1})); }), "expected 2D or 3D input (got 4D input)"));

  // Without momentum the running statistics are the mean over the batches.
  nn::BatchNorm1d mean(nn::BatchNorm1dOptions(5).momentum(std::nullopt));
  mean(x);
  mean(x + 4);
  CHECK(mean->running_mean.allclose(x.mean({0}) + 2, 1e-4, 1e-4));
}

TEST_CASE("Embedding: padding, pretrained, out of range") {
  nn::Embedding table(nn::EmbeddingOptions(5, 3).padding_idx(-1));
  CHECK(table->weight.select(0, 4).abs().sum().item<float>() == 0);
  const Tensor indices = tensor({{0, 4}, {4, 0}});
  const Tensor rows = table(indices);
  CHECK(rows.sizes() == IntArrayRef({2, 2, 3}));
  rows.sum().backward();
  CHECK(table->weight.grad().select(0, 4).abs().sum().item<float>() == 0);
  CHECK(table->weight.grad().select(0, 0).sum().item<float>() == 6);
  const nn::Embedding frozen = nn::Embedding::from_pretrained(ones({2, 2}));
  CHECK(!frozen->weight.requires_grad());
  CHECK(!message_of([&] { table(tensor({5})); }).empty());
  nn::Embedding short_rows(nn::EmbeddingOptions(3, 4).max_norm(1.0));
  CHECK(short_rows(tensor({0, 1, 2, 1})).norm(2, {1}).max().item<float>() <= 1.0001f);
  CHECK(F::one_hot(tensor({2, 0})).equal(tensor({{0, 0, 1}, {1, 0, 0}})));
}

TEST_CASE("Flatten, Unflatten, Bilinear, Identity") {
  const Tensor x = randn({2, 3, 4});
  CHECK(nn::Flatten()(x).sizes() == IntArrayRef({2, 12}));
  CHECK(nn::Unflatten(2, std::vector<int64_t>{2, 2})(x).sizes() == IntArrayRef({2, 3, 2, 2}));
  CHECK(nn::Identity()(x).is_same(x));
  nn::Bilinear bilinear(3, 4, 2);
  const Tensor a = randn({5, 3}), b = randn({5, 4});
  const Tensor y = bilinear(a, b);
  for (int64_t k = 0; k < 2; ++k) {
    const Tensor expected = (a.matmul(bilinear->weight.select(0, k)) * b).sum({1}) + bilinear->bias.select(0, k);
    CHECK(y.select(1, k).allclose(expected, 1e-4, 1e-5));
  }
}

TEST_CASE("losses refuse targets that would broadcast") {
  const std::string text = message_of([] { nn::MSELoss()(ones({64, 1}), ones({64})); });
  CHECK(mentions(text, "E007"));
  CHECK(mentions(text, "[64, 1]"));
  CHECK(mentions(message_of([] { F::soft_margin_loss(ones({64, 1}), ones({64})); }), "E007"));
  CHECK(mentions(message_of([] { nn::CrossEntropyLoss()(ones({2, 3}), tensor({0, 3})); }), "E008"));
}

TEST_CASE("losses: reductions and values") {
  const Tensor x = numbers({1, 2, 4}), y = numbers({1, 4, 1});
  CHECK(F::mse_loss(x, y).item<double>() == doctest::Approx(13.0 / 3));
  CHECK(F::mse_loss(x, y, kSum).item<double>() == doctest::Approx(13));
  CHECK(F::l1_loss(x, y, kNone).allclose(numbers({0, 2, 3})));
  CHECK(F::huber_loss(x, y).item<double>() == doctest::Approx((0 + 1.5 + 2.5) / 3));
  CHECK(F::smooth_l1_loss(x, y, kSum, 2.0).item<double>() == doctest::Approx(0 + 1 + 2));
  CHECK(nn::HuberLoss(nn::HuberLossOptions().delta(2).reduction(kSum))(x, y).item<double>() == doctest::Approx(2 + 4));
  CHECK(F::hinge_embedding_loss(numbers({0.5, 0.5}), numbers({1, -1}), F::HingeEmbeddingLossFuncOptions().margin(2))
            .item<double>() == doctest::Approx(1.0));
  CHECK(F::margin_ranking_loss(numbers({1, 2}), numbers({2, 1}), numbers({1, 1})).item<double>() ==
        doctest::Approx(0.5));
  CHECK(F::soft_margin_loss(numbers({1}), numbers({-1})).item<double>() == doctest::Approx(std::log1p(std::exp(1.0))));
  CHECK(F::poisson_nll_loss(numbers({0.5}), numbers({2})).item<double>() == doctest::Approx(std::exp(0.5) - 1));
  const Tensor logits = numbers({0.2, -1, 3}).reshape({1, 3});
  const double log_sum = std::log(std::exp(0.2) + std::exp(-1.0) + std::exp(3.0));
  CHECK(nn::CrossEntropyLoss()(logits, tensor({1})).item<double>() == doctest::Approx(log_sum + 1));
  CHECK(F::nll_loss(logits.log_softmax(1), tensor({2})).item<double>() == doctest::Approx(log_sum - 3));
  CHECK(nn::BCEWithLogitsLoss()(numbers({0.7}), numbers({1})).item<double>() ==
        doctest::Approx(std::log1p(std::exp(-0.7))));
}

TEST_CASE("clip_grad_norm_ and clip_grad_value_") {
  nn::Linear linear(2, 1);
  linear->weight.mutable_grad() = tensor({{3.0f, 4.0f}});
  linear->bias.mutable_grad() = tensor({12.0f});
  CHECK(nn::utils::clip_grad_norm_(linear->parameters(), 6.5) == doctest::Approx(13));
  CHECK(linear->bias.grad().item<float>() == doctest::Approx(6));
  nn::utils::clip_grad_value_(linear->parameters(), 1.75);
  CHECK(linear->weight.grad().allclose(tensor({{1.5f, 1.75f}}), 1e-4));
  linear->bias.mutable_grad() = tensor({INFINITY});
  CHECK(mentions(message_of([&] { nn::utils::clip_grad_norm_(linear->parameters(), 1, 2, true); }), "non-finite"));
}

TEST_CASE("parameters to a vector and back") {
  nn::Linear linear(3, 2);
  const Tensor vec = nn::utils::parameters_to_vector(linear->parameters()).detach().clone();
  CHECK(vec.numel() == 8);
  nn::utils::vector_to_parameters(vec * 2, linear->parameters());
  CHECK(nn::utils::parameters_to_vector(linear->parameters()).allclose(vec * 2));
}

TEST_SUITE_END();
