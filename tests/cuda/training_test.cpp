#include <doctest/doctest.h>
#include <fulmen/data/transforms.h>
#include <fulmen/fulmen.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "tests/trainer/small_model.h"

namespace fulmen::trainer::testing {

namespace {

/// An MLP with layer norm, and the batches it learns from: tanh of a sum. (Braces: they are evaluated in order, and so
/// the weights are the same with every compiler.)
struct Mlp : nn::Module {
  Mlp()
      : net(register_module("net", nn::Sequential{nn::Linear(8, 16), nn::LayerNorm(nn::LayerNormOptions({16})),
                                                  nn::GELU(), nn::Linear(16, 1)})) {}
  nn::Sequential net;
};

std::vector<double> train(Device device, int steps) {
  manual_seed(5);
  Mlp model;
  model.to(device);
  optim::AdamW optimizer(model.parameters(), optim::AdamWOptions(1e-2));
  Generator stream(9);
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    const Tensor x = randn({32, 8}, stream);
    const Tensor y = x.sum(IntArrayRef({1}), true).tanh();
    optimizer.zero_grad();
    const Tensor loss = nn::functional::mse_loss(model.net->forward(x.to(device)), y.to(device));
    loss.backward();
    nn::utils::clip_grad_norm_(model.parameters(), 1.0);
    optimizer.step();
    losses.push_back(loss.item<double>());
  }
  return losses;
}

TrainerOptions on_cuda(int64_t epochs) {
  TrainerOptions options = quiet(epochs);
  options.accelerator = "cuda";
  return options;
}

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("100 steps of an MLP with layer norm follow the CPU's losses, twice with the same bits") {
    const std::vector<double> here = train(kCPU, 100), there = train(kCUDA, 100), again = train(kCUDA, 100);
    CHECK(there == again);
    for (size_t i = 0; i < here.size(); ++i) {
      CHECK_MESSAGE(std::fabs(there[i] - here[i]) <= 1e-4 * (1 + std::fabs(here[i])), i);
    }
    CHECK(there.back() < there.front());
  }

  TEST_CASE("cuda_graph: a recorded step gives the bits, the logs and the steps of ordinary ones") {
    auto fit = [](bool graph) {
      manual_seed(1);
      SmallModel model(SmallModel::Hparams{});
      fit_target(model);
      TrainerOptions options = on_cuda(3);
      options.cuda_graph = graph;
      options.gradient_clip_val = 0.5;
      Trainer trainer(options);
      trainer.fit(model, plane(true));  // 37 samples: the last batch of an epoch has another form
      CHECK(trainer.global_step() == 24);
      return std::pair(model.parameters()[0].cpu(), trainer.callback_metrics());
    };
    const auto [ordinary, metrics] = fit(false);
    const auto [recorded, recorded_metrics] = fit(true);
    CHECK(equal(recorded, ordinary));
    CHECK(recorded_metrics.size() == metrics.size());
    for (const auto& metric : metrics) CHECK_MESSAGE(recorded_metrics[metric.first] == metric.second, metric.first);
  }

  TEST_CASE("a trainer on cuda: fit, predict, and a resumed run goes on bit for bit") {
    const std::string file =
        (std::filesystem::temp_directory_path() / ("fulmen_cuda_" + std::to_string(::getpid()) + ".ckpt")).string();
    auto finish = [&](int64_t epochs, const std::string& from) {
      manual_seed(1);
      SmallModel model(SmallModel::Hparams{});
      fit_target(model);
      Trainer trainer(on_cuda(epochs));
      trainer.fit(model, plane(true), {.ckpt_path = from});
      CHECK(model.parameters()[0].is_cuda());
      trainer.save_checkpoint(file);
      const std::vector<Tensor> predictions = trainer.predict(model, plane(false));
      CHECK(predictions[0].is_cpu());
      return model.parameters()[0].cpu();
    };
    const Tensor straight = finish(4, "");
    finish(2, "");
    const std::string half = file;
    CHECK(equal(finish(4, half), straight));
    std::remove(file.c_str());
  }
}

}  // namespace fulmen::trainer::testing
