#include <doctest/doctest.h>
#include <fulmen/fulmen.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "tests/message_of.h"
#include "tests/trainer/small_model.h"

// A fit on several devices. With FULMEN_EMU_DEVICES=3, or on a machine with several GPUs.
namespace fulmen::trainer::testing {

using fulmen::testing::mentions;
using fulmen::testing::message_of;

namespace {

/// Losses of every step, rows of every epoch.
class Losses : public Logger {
 public:
  void log_metrics(const Metrics& row, int64_t) override {
    if (row.contains("train_loss_step")) steps.push_back(row["train_loss_step"]);
    if (row.contains("train_loss_epoch")) epochs.push_back(row["train_loss_epoch"]);
  }
  std::vector<double> steps, epochs;
};

TrainerOptions on(Devices devices, int64_t epochs) {
  TrainerOptions options = quiet(epochs);
  options.accelerator = "cuda";
  options.devices = std::move(devices);
  options.log_every_n_steps = 1;
  return options;
}

struct Fit {
  std::vector<double> steps, epochs;
  std::vector<Tensor> weights;
  int64_t global_step = 0;
};

/// Two epochs of SmallModel; `change` adjusts the options.
template <class Change>
Fit fit(const SmallModel::Hparams& hparams, int devices, const data::DataLoader<Batch>& loader, Change change) {
  manual_seed(3);
  SmallModel model(hparams);
  fit_target(model);
  const auto losses = std::make_shared<Losses>();
  TrainerOptions options = on(devices, 2);
  options.loggers = {losses};
  change(options);
  Trainer trainer(options);
  trainer.fit(model, loader);
  Fit result{losses->steps, losses->epochs, {}, trainer.global_step()};
  for (const auto& item : model.state_dict()) result.weights.push_back(item.value().cpu());
  for (const Tensor& parameter : model.parameters()) CHECK(parameter.device() == Device("cuda:0"));
  return result;
}

bool close(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= 1e-5 * (1 + std::fabs(b[i])))) return false;
  }
  return true;
}
bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return equal(x, y); });
}

/// Batch norm, a metric over batches, and a value per step.
class Normed : public LightningModule<Batch, Tensor> {
 public:
  StepOutput training_step(const Batch& batch, int64_t) override {
    ++steps;
    devices.push_back(net->parameters()[0].device().index());
    const Tensor y = net->forward(batch.data);
    error.update(y.detach(), batch.target);
    log("error", error, {.on_step = false, .on_epoch = true});
    log("samples", static_cast<double>(batch.data.size(0)), {.on_step = true, .on_epoch = true, .reduce = Reduce::Sum});
    return nn::functional::mse_loss(y, batch.target);
  }
  Optimizers configure_optimizers() override { return optim::SGD(parameters(), optim::SGDOptions(0.01)); }
  void on_after_backward() override { ++backwards; }

  nn::Sequential net = register_module("net", nn::Sequential(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Linear(4, 1)));
  metric::MeanAbsoluteError error;
  std::vector<int> devices;
  int64_t steps = 0, backwards = 0;
};

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("several devices: a fit follows that of one device with batches of all of them") {
    for (int devices = 2; devices <= std::min(cuda::device_count(), 3); ++devices) {
      for (const char* optimizer : {"sgd", "adamw"}) {
        for (int64_t window : {1, 2}) {
          CAPTURE(devices);
          CAPTURE(optimizer);
          CAPTURE(window);
          const SmallModel::Hparams hparams{.dropout = 0, .optimizer = optimizer};
          auto accumulate = [&](TrainerOptions& o) { o.accumulate_grad_batches = window; };
          const Fit one = fit(hparams, 1, plane(true, 4 * devices), accumulate);
          const Fit all = fit(hparams, devices, plane(true, 4), accumulate);
          CHECK(all.steps.size() > 3);
          CHECK(all.global_step == one.global_step);
          CHECK(close(all.steps, one.steps));
          CHECK(close(all.epochs, one.epochs));
          for (size_t i = 0; i < one.weights.size(); ++i) CHECK(allclose(all.weights[i], one.weights[i], 1e-4, 1e-5));
        }
      }
    }
  }

  TEST_CASE("several devices: twice the same bits, each with random numbers of its own") {
    if (cuda::device_count() < 2) return;
    const SmallModel::Hparams hparams{.dropout = 0.3};
    auto clip = [](TrainerOptions& o) { o.gradient_clip_val = 0.5; };
    const Fit first = fit(hparams, 2, plane(true, 4), clip), again = fit(hparams, 2, plane(true, 4), clip);
    CHECK(first.steps == again.steps);
    CHECK(same_bits(first.weights, again.weights));
    // Both see the same samples: with the same masks, their losses would be those of one.
    const Tensor x = ones({8, 3}), y = ones({8, 1});
    const data::DataLoader<Batch> alike(Batch(x, y), {.batch_size = 4});
    auto no_change = [](TrainerOptions&) {};
    CHECK_FALSE(fit(hparams, 2, alike, no_change).steps[0] ==
                doctest::Approx(fit(hparams, 1, alike, no_change).steps[0]).epsilon(1e-6));
  }

  TEST_CASE("several devices: numbers of devices, batch norm, metrics, hooks") {
    if (cuda::device_count() < 2) return;
    Normed model;
    Trainer trainer(on({1, 0}, 1));
    trainer.fit(model, plane(false, 4, 38));  // 10 batches, the last one of 2
    CHECK(trainer.global_step() == 5);
    CHECK(model.steps == 10);
    CHECK(model.backwards == 5);
    CHECK(std::count(model.devices.begin(), model.devices.end(), 0) == 5);
    CHECK(model.device() == Device("cuda:1"));
    CHECK(trainer.callback_metrics()["samples_epoch"] == 38);
    CHECK(trainer.callback_metrics()["error"] > 0);
    const auto buffers = model.named_buffers();
    CHECK(buffers["net.1.num_batches_tracked"].item<int64_t>() == 5);
    CHECK(buffers["net.1.running_mean"].isfinite().all().item<bool>());
  }

  TEST_CASE("several devices: checkpoints are those of one device, and a fit goes on from them exactly") {
    if (cuda::device_count() < 2) return;
    const std::string folder =
        std::filesystem::temp_directory_path() / ("fulmen_devices_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    auto run = [&](int devices, int64_t epochs, const std::string& from, const std::string& to) {
      manual_seed(3);
      SmallModel model(SmallModel::Hparams{});
      fit_target(model);
      Trainer trainer(on(devices, epochs));
      trainer.fit(model, plane(true, 4), {.ckpt_path = from.empty() ? from : folder + "/" + from});
      trainer.save_checkpoint(folder + "/" + to);
    };
    auto names = [&](const std::string& name) {
      const Checkpoint checkpoint = read_checkpoint(folder + "/" + name);
      std::vector<std::string> keys = checkpoint.weights.keys();
      for (const auto& item : checkpoint.others) keys.push_back(item.key());
      return keys;
    };
    run(2, 1, "", "half");
    run(2, 2, "half", "resumed");
    run(2, 2, "", "whole");
    const Checkpoint resumed = read_checkpoint(folder + "/resumed"), whole = read_checkpoint(folder + "/whole");
    for (const auto& item : whole.weights) CHECK(equal(resumed.weights[item.key()], item.value()));
    run(1, 1, "", "of_one");
    CHECK(names("of_one") == names("half"));
    run(1, 2, "half", "by_one");
    CHECK(names("by_one") == names("whole"));
    std::filesystem::remove_all(folder);
  }

  TEST_CASE("several devices: what a fit refuses") {
    if (cuda::device_count() < 2) return;
    auto refused = [](Devices devices, auto change) {
      TrainerOptions options = on(std::move(devices), 1);
      change(options);
      return message_of([&] { Trainer trainer(options); });
    };
    auto as_it_is = [](TrainerOptions&) {};
    const std::string count = str("this machine has ", cuda::device_count(), " CUDA device(s)");
    CHECK(mentions(refused(99, as_it_is), count.c_str()));
    CHECK(mentions(refused(99, as_it_is), "E018: devices asks for cuda:"));
    CHECK(mentions(refused({0, 0}, as_it_is), "E016: devices is 0,0"));
    CHECK(mentions(refused(2, [](TrainerOptions& o) { o.cuda_graph = true; }), "one device with cuda_graph"));
    CHECK(mentions(refused(2, [](TrainerOptions& o) { o.on_nonfinite = OnNonfinite::Skip; }), "E016: on_nonfinite"));
    CHECK(mentions(refused(2, [](TrainerOptions& o) { o.accelerator = "cpu"; }),
                   "E016: devices is 2; allowed: 1 on a CPU"));

    struct Manual : Normed {
      Manual() { automatic_optimization = false; }
    } manual;
    auto fit_error = [](auto& model) {
      Trainer trainer(on(2, 1));
      return message_of([&] { trainer.fit(model, plane(false, 4)); });
    };
    CHECK(mentions(fit_error(manual), "devices is set, and the module optimizes manually"));
    struct Skips : Normed {
      StepOutput training_step(const Batch& batch, int64_t i) override {
        return devices.size() == 3 ? StepOutput(skip) : Normed::training_step(batch, i);
      }
    } skips;
    CHECK(mentions(fit_error(skips), "left out the batch of cuda:0; on several devices every batch counts"));
    struct Keeps : Normed {  // a tensor that is no buffer stays where it was made
      StepOutput training_step(const Batch& batch, int64_t) override {
        if (!kept.defined()) kept = ones_like(batch.data);
        return (net->forward(batch.data * kept.slice(0, 0, batch.data.size(0))) - batch.target).square().mean();
      }
      Tensor kept;
    } keeps;
    const std::string kept = fit_error(keeps);
    CHECK(mentions(kept, "cuda:0"));
    CHECK(mentions(kept, "cuda:1"));
    CHECK(keeps.device() == Device("cuda:0"));
    struct Diverges : Normed {
      StepOutput training_step(const Batch& batch, int64_t i) override {
        const StepOutput output = Normed::training_step(batch, i);
        return devices.back() == 1 ? output.loss() / 0 : output.loss();
      }
    } diverges;
    CHECK(mentions(fit_error(diverges), "E006: the loss is not finite: inf at epoch 0 batch 0"));
  }
}

}  // namespace fulmen::trainer::testing
