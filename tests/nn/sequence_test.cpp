#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/tensor/threads.h>
#include <tests/message_of.h>

#include <sstream>

using namespace fulmen;
using fulmen::testing::mentions;
using fulmen::testing::message_of;
namespace F = fulmen::nn::functional;
namespace rnn = fulmen::nn::utils::rnn;

namespace {

double sum_of(const Tensor& t) { return t.sum().item<double>(); }

}  // namespace

// Values in PyTorch's name come from PyTorch 2.15.
TEST_SUITE_BEGIN("nn");

TEST_CASE("recurrent layers, attention and transformers start from PyTorch's numbers") {
  manual_seed(3);
  nn::LSTM lstm(nn::LSTMOptions(2, 3).num_layers(2).bidirectional(true));
  const Tensor x = randn({4, 2, 2});
  auto [y, last] = lstm->forward(x);
  CHECK(lstm->named_parameters()["weight_ih_l0"][0][0].item<double>() == doctest::Approx(-0.5724271535873413));
  CHECK(sum_of(y) == doctest::Approx(-2.1793408393859863));
  CHECK(sum_of(std::get<0>(last)) == doctest::Approx(0.026084721088409424).epsilon(1e-4));
  CHECK(sum_of(std::get<1>(last)) == doctest::Approx(0.012133121490478516).epsilon(1e-3));

  manual_seed(3);
  nn::Transformer transformer(nn::TransformerOptions(8, 2, 1, 1).dim_feedforward(16).dropout(0));
  const Tensor source = randn({3, 2, 8}), target = randn({4, 2, 8});
  CHECK(sum_of(transformer->forward(source, target).abs()) == doctest::Approx(54.258544921875));
  CHECK(transformer->named_parameters().keys()[0] == "encoder.layers.0.self_attn.in_proj_weight");

  manual_seed(3);
  nn::MultiheadAttention attention(nn::MultiheadAttentionOptions(8, 2).add_bias_kv(true));
  CHECK(sum_of(attention->in_proj_weight.abs()) == doctest::Approx(43.46000289916992));
  CHECK(sum_of(attention->out_proj->weight.abs()) == doctest::Approx(12.121086120605469));
  CHECK(sum_of(attention->bias_k.abs()) == doctest::Approx(1.1436463594436646));
}

TEST_CASE("attention drops what PyTorch drops on the CPU") {
  manual_seed(5);
  const Tensor q = randn({1, 2, 6, 4});
  const Tensor y = F::scaled_dot_product_attention(q, q, q, {}, 0.5);
  CHECK(sum_of(y) == doctest::Approx(-3.5767030715942383));
  CHECK(y[0][0][0].allclose(
      tensor({0.5418715476989746, -0.08920407295227051, -0.17883309721946716, -0.42794957756996155}), 1e-5, 1e-6));
}

TEST_CASE("attention: a query that sees no key gives zeros, and no NaN in any gradient") {
  Tensor q = randn({2, 5, 4}), mask = ones({5, 5}, kBool);
  q.requires_grad_();
  mask[3].fill_(false);
  const Tensor y = F::scaled_dot_product_attention(q, q, q, mask);
  CHECK(y.select(1, 3).eq(0).all().item<bool>());
  y.sum().backward();
  CHECK(q.grad().isfinite().all().item<bool>());
}

TEST_CASE("attention with and without its weights in memory is the same") {
  manual_seed(1);
  nn::MultiheadAttention attention(nn::MultiheadAttentionOptions(12, 3).kdim(5).vdim(7));
  const Tensor q = randn({6, 2, 12}), k = randn({4, 2, 5}), v = randn({4, 2, 7});
  Tensor padding = zeros({2, 4}, kBool);
  padding[1][3] = true;
  auto [y, weights] = attention->forward(q, k, v, padding);
  CHECK(weights.sizes() == IntArrayRef({2, 6, 4}));
  CHECK(weights.sum(2).allclose(ones({2, 6})));
  auto [without, none] = attention->forward(q, k, v, padding, /*need_weights=*/false);
  CHECK_FALSE(none.defined());
  CHECK(without.allclose(y, 1e-5, 1e-6));
  const Tensor of_heads = std::get<1>(attention->forward(q, k, v, padding, true, {}, /*average_attn_weights=*/false));
  CHECK(of_heads.sizes() == IntArrayRef({2, 3, 6, 4}));
  CHECK(of_heads.mean(IntArrayRef({1})).allclose(weights));
}

TEST_CASE("packed sequences go through a layer as each of them alone") {
  for (const bool reverse : {false, true}) {
    manual_seed(2);
    nn::GRU gru(nn::GRUOptions(3, 4).num_layers(2).bidirectional(reverse));
    const std::vector<Tensor> sequences{randn({2, 3}), randn({5, 3}), randn({3, 3})};
    const Tensor h0 = randn({reverse ? 4 : 2, 3, 4});
    auto [packed, last] = gru->forward_with_packed_input(rnn::pack_sequence(sequences, /*enforce_sorted=*/false), h0);
    auto [padded, lengths] = rnn::pad_packed_sequence(packed);
    CHECK(lengths.equal(tensor({2, 5, 3}, kLong)));
    for (int64_t i = 0; i < 3; ++i) {
      auto [alone, end] = gru->forward(sequences[static_cast<size_t>(i)], h0.select(1, i));
      CHECK(padded.select(1, i).narrow(0, 0, alone.size(0)).allclose(alone, 1e-5, 1e-6));
      CHECK(last.select(1, i).allclose(end, 1e-5, 1e-6));
    }
  }
}

TEST_CASE("recurrent layers give the same bits whether threads share steps or sequences") {
  manual_seed(8);
  const int threads = get_num_threads();
  std::vector<Tensor> sequences;
  for (int64_t i = 0; i < 40; ++i) sequences.push_back(randn({3 + i * 5 % 17, 24}));
  const auto packed = rnn::pack_sequence(sequences, /*enforce_sorted=*/false);
  for (bool reverse : {false, true}) {
    nn::LSTM lstm(nn::LSTMOptions(24, 70).num_layers(2).bidirectional(reverse));
    nn::GRU gru(nn::GRUOptions(24, 37).bidirectional(reverse));
    std::vector<Tensor> first;
    for (int count : {1, 2, 3, 4}) {  // four threads would have too few sequences each
      set_num_threads(count);
      lstm->zero_grad(), gru->zero_grad();
      const auto [y, states] = lstm->forward_with_packed_input(packed);
      const auto [z, last] = gru->forward_with_packed_input(packed);
      (y.data().square().sum() + std::get<1>(states).sum() + z.data().square().sum() + last.sum()).backward();
      std::vector<Tensor> all = {y.data(), std::get<0>(states), std::get<1>(states), z.data(), last};
      for (const Tensor& weight : lstm->parameters()) all.push_back(weight.grad().clone());
      for (const Tensor& weight : gru->parameters()) all.push_back(weight.grad().clone());
      if (first.empty()) first = all;
      for (size_t i = 0; i < all.size(); ++i) CHECK(all[i].equal(first[i]));
    }
  }
  set_num_threads(threads);
}

TEST_CASE("a cell is a layer's step") {
  nn::LSTM lstm(nn::LSTMOptions(3, 4));
  nn::LSTMCell cell(3, 4);
  {
    NoGradGuard no_grad;
    const std::vector<Tensor> weights = lstm->all_weights();
    cell->weight_ih.copy_(weights[0]);
    cell->weight_hh.copy_(weights[1]);
    cell->bias_ih.copy_(weights[2]);
    cell->bias_hh.copy_(weights[3]);
  }
  const Tensor x = randn({5, 2, 3});
  auto [y, last] = lstm->forward(x);
  std::tuple<Tensor, Tensor> state{zeros({2, 4}), zeros({2, 4})};
  for (int64_t t = 0; t < 5; ++t) state = cell->forward(x[t], state);
  CHECK(std::get<0>(state).allclose(y[4], 1e-5, 1e-6));
  CHECK(std::get<1>(state).allclose(std::get<1>(last)[0], 1e-5, 1e-6));
}

TEST_CASE("recurrent layers say what does not fit") {
  nn::LSTM lstm(nn::LSTMOptions(3, 4));
  CHECK(mentions(message_of([&] {
                   lstm->forward(ones({5, 2, 7}));
                 }),
                 "input.size(-1) must be equal to input_size. Expected 3, got 7"));
  CHECK(mentions(message_of([&] {
                   lstm->forward(ones({5, 2, 3}), std::tuple(ones({1, 3, 4}), ones({1, 2, 4})));
                 }),
                 "Expected hidden[0] size [1, 2, 4], got [1, 3, 4]"));
  CHECK(mentions(message_of([&] {
                   rnn::pack_padded_sequence(ones({3, 2, 1}), tensor({1, 2}, kLong));
                 }),
                 "`lengths` array must be sorted in decreasing order"));
  std::ostringstream printed;
  printed << nn::LSTM(nn::LSTMOptions(8, 4).num_layers(3).dropout(0.2));
  CHECK(mentions(printed.str(), "LSTM(input_size=8, hidden_size=4, num_layers=3, dropout=0.2)"));
}

TEST_CASE("a mask hides what follows") {
  const Tensor mask = nn::TransformerImpl::generate_square_subsequent_mask(3);
  CHECK(mask.isinf().to(kLong).equal(tensor({{0, 1, 1}, {0, 0, 1}, {0, 0, 0}}, kLong)));
  CHECK(tril(mask).eq(0).all().item<bool>());
}

TEST_CASE("bags of embeddings") {
  const Tensor table = arange(15, TensorOptions(kFloat)).view({5, 3});
  const Tensor items = tensor({1, 2, 4, 4, 0}, kLong), offsets = tensor({0, 2, 2}, kLong);
  auto bag = [&](F::EmbeddingBagFuncOptions o) { return F::embedding_bag(items, table, o.offsets(offsets)); };
  using Options = F::EmbeddingBagFuncOptions;
  CHECK(bag(Options().mode(kSum)).equal(tensor({{9., 11., 13.}, {0., 0., 0.}, {24., 27., 30.}}, kFloat)));
  CHECK(bag(Options()).equal(tensor({{4.5, 5.5, 6.5}, {0., 0., 0.}, {8., 9., 10.}}, kFloat)));
  CHECK(bag(Options().mode(kMax)).equal(tensor({{6., 7., 8.}, {0., 0., 0.}, {12., 13., 14.}}, kFloat)));
  CHECK(bag(Options().mode(kSum).per_sample_weights(tensor({1., 2., 3., 4., 5.}, kFloat)))
            .equal(tensor({{15., 18., 21.}, {0., 0., 0.}, {84., 96., 108.}}, kFloat)));
  CHECK(bag(Options().padding_idx(4)).equal(tensor({{4.5, 5.5, 6.5}, {0., 0., 0.}, {0., 1., 2.}}, kFloat)));
  CHECK(bag(Options().mode(kMax).padding_idx(4)).equal(tensor({{6., 7., 8.}, {0., 0., 0.}, {0., 1., 2.}}, kFloat)));
  CHECK(F::embedding_bag(items, table, Options().offsets(tensor({0, 2, 5}, kLong)).mode(kSum).include_last_offset(true))
            .equal(tensor({{9., 11., 13.}, {24., 27., 30.}}, kFloat)));
  nn::EmbeddingBag module = nn::EmbeddingBag::from_pretrained(table);
  CHECK(module->forward(tensor({{1, 2}, {4, 4}}, kLong)).equal(tensor({{4.5, 5.5, 6.5}, {12., 13., 14.}}, kFloat)));
  CHECK(mentions(message_of([&] { bag(Options().per_sample_weights(ones({5}))); }),
                 "per_sample_weights is only supported for mode='kSum' (got mode='kMean')"));
}

TEST_CASE("rows that are looked up are shortened to max_norm") {
  Tensor table = ones({4, 4});
  const Tensor rows = F::embedding(tensor({1, 1, 3}, kLong), table, F::EmbeddingFuncOptions().max_norm(1.0));
  CHECK(rows.norm(2, {1}).allclose(ones({3}), 1e-5));
  CHECK(table.norm(2, {1}).allclose(tensor({2., 1., 2., 1.}, kFloat), 1e-5));
}

TEST_SUITE_END();
