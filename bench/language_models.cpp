// Training steps and generation of small language models; PyTorch's turn is in language_models.py.
#include <benchmark/benchmark.h>
#include <fulmen/fulmen.h>

namespace {

using namespace fulmen;
using Texts = std::vector<std::vector<int64_t>>;

nn::GPT small_gpt(int64_t context) {
  manual_seed(0);
  return nn::GPT(nn::GPTOptions(65, context, 4, 4, 128).dropout(0));
}

/// One step of nanoGPT's configuration for a CPU: 4 layers of 128, 12 texts of 64 characters.
void gpt_step(benchmark::State& state) {
  nn::GPT model = small_gpt(64);
  optim::AdamW optimizer(model->parameters(), optim::AdamWOptions(1e-3));
  const Tensor tokens = randint(65, {12, 65}, TensorOptions(kLong));
  for (auto _ : state) {
    optimizer.zero_grad();
    const Tensor logits = model->forward(tokens.narrow(1, 0, 64));
    cross_entropy(logits.reshape({-1, 65}), tokens.narrow(1, 1, 64).reshape({-1})).backward();
    nn::utils::clip_grad_norm_(optimizer.parameters(), 1);
    optimizer.step();
  }
}
BENCHMARK(gpt_step)->Name("language_model/gpt_step")->UseRealTime()->Unit(benchmark::kMillisecond);

/// One step of two LSTM layers of 256 on 32 sequences of 64.
void lstm_step(benchmark::State& state) {
  manual_seed(0);
  nn::LSTM model(nn::LSTMOptions(256, 256).num_layers(2));
  optim::Adam optimizer(model->parameters(), optim::AdamOptions(1e-3));
  const Tensor x = randn({64, 32, 256});
  for (auto _ : state) {
    optimizer.zero_grad();
    std::get<0>(model->forward(x)).square().mean().backward();
    optimizer.step();
  }
}
BENCHMARK(lstm_step)->Name("language_model/lstm_step")->UseRealTime()->Unit(benchmark::kMillisecond);

/// 256 characters, greedily.
void generate(benchmark::State& state, bool use_cache) {
  nn::GPT model = small_gpt(320);
  model->eval();
  for (auto _ : state) {
    benchmark::DoNotOptimize(nn::generate(*model, {{1}}, {.max_new_tokens = 256, .use_cache = use_cache}));
  }
}
BENCHMARK_CAPTURE(generate, cached, true)
    ->Name("language_model/generate")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(generate, plain, false)
    ->Name("language_model/generate_without_cache")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
