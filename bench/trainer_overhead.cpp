// What the trainer costs: a fit of the MLP 8-32-1 with log(), progress bar, checkpoint and CSV logger beside the loop
// that a user would write by hand, on the same batches. The benchmark's time is that of a step under the trainer;
// `bare_us` is a step of the loop, `overhead_us` the difference (budget: 2).
#include <benchmark/benchmark.h>
#include <fulmen/data/loader.h>
#include <fulmen/fulmen.h>
#include <fulmen/trainer/trainer.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>

namespace {

using namespace fulmen;
using fulmen::trainer::LightningModule;
using fulmen::trainer::Optimizers;
using fulmen::trainer::StepOutput;
using Batch = data::Example<>;

constexpr int64_t batch_size = 32, steps = 20000;

nn::Sequential make_net() { return nn::Sequential(nn::Linear(8, 32), nn::ReLU(), nn::Linear(32, 1)); }

class Mlp : public LightningModule<Batch, Tensor> {
 public:
  StepOutput training_step(const Batch& batch, int64_t) override {
    Tensor loss = mse_loss(net->forward(batch.data), batch.target);
    log("train_loss", loss, {.on_step = true, .on_epoch = true, .prog_bar = true});
    return loss;
  }
  Optimizers configure_optimizers() override { return optim::AdamW(parameters(), optim::AdamWOptions(1e-3)); }
  nn::Sequential net = register_module("net", make_net());
};

data::DataLoader<Batch> batches() {
  const Tensor x = randn({steps * batch_size, 8});
  return data::DataLoader<Batch>(Batch(x, x.sum(IntArrayRef({1}), true)), {.batch_size = batch_size, .shuffle = true});
}

double seconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run_by_hand(data::DataLoader<Batch>& loader) {
  nn::Sequential net = make_net();
  optim::AdamW optimizer(net->parameters(), optim::AdamWOptions(1e-3));
  for (Batch& batch : loader) {
    optimizer.zero_grad();
    mse_loss(net->forward(batch.data), batch.target).backward();
    optimizer.step();
  }
}

void trainer_overhead(benchmark::State& state) {
  manual_seed(0);
  data::DataLoader<Batch> loader = batches();
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("trainer_overhead_" + std::to_string(::getpid()))).string();
  double bare = std::numeric_limits<double>::infinity(), trained = bare;
  for (auto _ : state) {
    // The best of each: whatever else the machine does only adds.
    bare = std::min(bare, seconds_of([&] { run_by_hand(loader); }));
    Mlp model;
    trainer::Trainer trainer({.max_epochs = 1, .enable_model_summary = false, .default_root_dir = folder});
    const double now = seconds_of([&] { trainer.fit(model, loader); });
    trained = std::min(trained, now);
    state.SetIterationTime(now / steps);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  state.counters["bare_us"] = 1e6 * bare / steps;
  state.counters["trainer_us"] = 1e6 * trained / steps;
  state.counters["overhead_us"] = 1e6 * (trained - bare) / steps;
}
BENCHMARK(trainer_overhead)->UseManualTime()->Iterations(7)->Unit(benchmark::kMicrosecond);

}  // namespace
