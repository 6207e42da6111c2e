// A whole training step of a small network, and what the trainer adds to it.
#include <benchmark/benchmark.h>
#include <fulmen/bench/peer.h>

#include <algorithm>
#include <ctime>

namespace {

using fulmen::Tensor;
namespace nn = fulmen::nn;

struct SmallNet {
  nn::Sequential net{nn::Linear(8, 32), nn::ReLU(), nn::Linear(32, 1)};
  fulmen::optim::AdamW optimizer{net->parameters(), fulmen::optim::AdamWOptions(1e-3)};
  Tensor x = fulmen::randn({32, 8}), y = fulmen::randn({32, 1});

  void step() {
    optimizer.zero_grad();
    fulmen::mse_loss(net->forward(x), y).backward();
    optimizer.step();
  }
};

void mlp_8_32_1_adamw(benchmark::State& state) {
  fulmen::manual_seed(0);
  SmallNet small;
  for (auto _ : state) small.step();
}
BENCHMARK(mlp_8_32_1_adamw);

#ifndef FULMEN_BENCH_LIBTORCH  // LibTorch has no trainer; Lightning's turn is in peers.py.

constexpr int64_t kSteps = 2000, kBatch = 32;

struct Small : fulmen::trainer::LightningModule<> {
  Tensor forward(const Tensor& x) { return layer->forward(x); }
  fulmen::trainer::StepOutput training_step(const fulmen::data::Example<>& batch, int64_t) override {
    Tensor loss = fulmen::mse_loss(forward(batch.data), batch.target);
    log("loss", loss, {.prog_bar = true, .logger = false});
    return loss;
  }
  fulmen::trainer::Optimizers configure_optimizers() override {
    return fulmen::optim::SGD(parameters(), fulmen::optim::SGDOptions(1e-3));
  }

  nn::Linear layer = register_module("layer", nn::Linear(8, 1));
};

/// This process's time on the processors, in seconds: other programs do not disturb it.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Seconds of one epoch's steps in a loop written by hand.
double by_hand(Small& model, fulmen::data::DataLoader<>& loader) {
  fulmen::optim::SGD optimizer(model.parameters(), fulmen::optim::SGDOptions(1e-3));
  const double began = processor_seconds();
  for (const auto& batch : loader) {
    Tensor loss = fulmen::mse_loss(model.forward(batch.data), batch.target);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
  return processor_seconds() - began;
}

double in_trainer(Small& model, fulmen::data::DataLoader<>& loader) {
  fulmen::trainer::Trainer trainer(
      {.max_epochs = 1, .enable_checkpointing = false, .enable_model_summary = false, .logger = false});
  const double began = processor_seconds();
  trainer.fit(model, loader);
  return processor_seconds() - began;
}

// What fit() adds to a step: logging, progress bar, hooks, bookkeeping; start and end of the run included.
void trainer_overhead(benchmark::State& state) {
  fulmen::manual_seed(0);
  fulmen::data::DataLoader<> loader(
      fulmen::data::Example<>(fulmen::randn({kSteps * kBatch, 8}), fulmen::randn({kSteps * kBatch, 1})),
      {.batch_size = kBatch});
  for (auto _ : state) {
    Small model;
    by_hand(model, loader);
    const double loop = by_hand(model, loader);
    state.SetIterationTime(std::max(0.0, in_trainer(model, loader) - loop) / kSteps);
  }
}
BENCHMARK(trainer_overhead)->UseManualTime()->Iterations(5);

#endif

}  // namespace
