#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/callbacks/lambda.h>
#include <fulmen/trainer/callbacks/stochastic_weight_averaging.h>
#include <fulmen/trainer/callbacks/weight_averaging.h>
#include <tests/message_of.h>

#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;
using Weights = OrderedDict<std::string, Tensor>;

SmallModel model() {
  manual_seed(1);
  SmallModel made(SmallModel::Hparams{});
  fit_target(made);
  return made;
}

Weights copy_of(const nn::Module& module) {
  Weights out;
  for (const auto& item : module.state_dict()) out.insert(item.key(), item.value().detach().clone());
  return out;
}

bool equal(const Weights& a, const Weights& b) {
  for (const auto& item : a) {
    if (!item.value().equal(b[item.key()])) return false;
  }
  return a.size() == b.size();
}

bool close(const Weights& a, const Weights& b) {
  for (const auto& item : a) {
    if (!item.value().allclose(b[item.key()], 1e-5, 1e-6)) return false;
  }
  return a.size() == b.size();
}

/// The optimizer's weights after every step, and those that validation sees.
std::shared_ptr<Callback> watch(std::vector<Weights>& steps, std::vector<Weights>& validations) {
  LambdaCallback::Functions functions;
  functions.on_train_batch_end = [&](Trainer&, AnyLightningModule& m, const StepOutput&, const AnyRef&, int64_t) {
    steps.push_back(copy_of(m));
  };
  functions.on_validation_epoch_start = [&](Trainer&, AnyLightningModule& m) { validations.push_back(copy_of(m)); };
  return std::make_shared<LambdaCallback>(functions);
}

/// Batch norm behind a layer, without anything random.
struct Normed : LightningModule<> {
  nn::Linear first = register_module("first", nn::Linear(3, 4));
  nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(4));
  nn::Linear last = register_module("last", nn::Linear(4, 1));
  int64_t steps = 0;

  Tensor forward(const Tensor& x) { return last->forward(norm->forward(first->forward(x))); }
  StepOutput training_step(const Batch& batch, int64_t) override {
    ++steps;
    return (forward(batch.data) - batch.target).square().mean();
  }
  Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.01); }
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("EMA: the average by hand; validation, the checkpoint and the model hold it") {
    TemporaryFolder folder;
    std::vector<Weights> steps, validations;
    const auto ema =
        std::make_shared<EMAWeightAveraging>(EMAWeightAveragingOptions{.decay = 0.8, .update_every_n_steps = 2});
    TrainerOptions options = quiet(2);
    options.callbacks = {ema, watch(steps, validations),
                         std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = folder.path("c")})};
    SmallModel net = model();
    Trainer(options).fit(net, plane(true), plane(false));
    REQUIRE(steps.size() == 16);
    REQUIRE(validations.size() == 3);  // the first is the sanity check
    Weights average;
    for (size_t i = 0; i < 16; i += 2) {  // steps 0, 2, ...
      for (const auto& item : steps[i]) {
        if (i == 0) {
          average.insert(item.key(), item.value().clone());
        } else {
          average[item.key()] = average[item.key()] * Scalar(0.8) + item.value() * Scalar(0.2);
        }
      }
      if (i == 6) CHECK(close(validations[1], average));
    }
    CHECK(close(copy_of(net), average));
    CHECK(close(validations[2], average));
    CHECK(!close(steps[15], average));
    CHECK(ema->updates() == 8);
    const std::string file = folder.path("c/epoch=1-step=16.ckpt");
    CHECK(close(copy_of(*load_from_checkpoint<SmallModel>(file)), average));
    CHECK(read_checkpoint(file).others["own.net.0.weight"].equal(steps[15]["net.0.weight"]));
  }

  TEST_CASE("EMA and SWA: resumed from the middle, the same bits") {
    for (const bool swa : {false, true}) {
      CAPTURE(swa);
      TemporaryFolder folder;
      const auto averaging = [&]() -> std::shared_ptr<Callback> {
        if (!swa) return std::make_shared<EMAWeightAveraging>(EMAWeightAveragingOptions{.decay = 0.9});
        return std::make_shared<StochasticWeightAveraging>(
            StochasticWeightAveragingOptions{.swa_lrs = {0.005}, .swa_epoch_start = 0.25, .annealing_epochs = 2});
      };
      LambdaCallback::Functions saves;
      saves.on_train_epoch_end = [&](Trainer& t, AnyLightningModule&) {
        if (t.current_epoch() == 2) t.save_checkpoint(folder.path("b.ckpt"));
      };
      SmallModel whole = model(), resumed = model();
      TrainerOptions options = quiet(4);
      options.callbacks = {averaging(), std::make_shared<LambdaCallback>(saves)};
      manual_seed(3);
      Trainer(options).fit(whole, plane(true), plane(false));
      options.callbacks = {averaging()};
      manual_seed(99);
      Trainer(options).fit(resumed, plane(true), plane(false), {.ckpt_path = folder.path("b.ckpt")});
      CHECK(equal(copy_of(whole), copy_of(resumed)));
    }
  }

  TEST_CASE("SWA: the mean of the weights with which the last epochs begin") {
    std::vector<Weights> steps, validations;
    TrainerOptions options = quiet(5);
    options.callbacks = {std::make_shared<StochasticWeightAveraging>(StochasticWeightAveragingOptions{
                             .swa_lrs = {0.5e-3}, .swa_epoch_start = 3, .annealing_epochs = 1}),
                         watch(steps, validations)};
    SmallModel net = model();
    Trainer(options).fit(net, plane(true));
    REQUIRE(steps.size() == 40);
    Weights mean;
    for (const auto& item : steps[15]) {
      mean.insert(item.key(), (item.value() + steps[23][item.key()] + steps[31][item.key()]) / Scalar(3.0));
    }
    CHECK(close(copy_of(net), mean));
  }

  TEST_CASE("SWA: statistics of batch norm are those of the averaged weights") {
    manual_seed(4);
    Normed net;
    TrainerOptions options = quiet(4);
    options.callbacks = {std::make_shared<StochasticWeightAveraging>(
        StochasticWeightAveragingOptions{.swa_lrs = {0.01}, .swa_epoch_start = 2})};
    const auto data = plane(false, 6, 36);
    Trainer trainer(options);
    trainer.fit(net, data);
    CHECK(trainer.current_epoch() == 5);  // the last one learns nothing
    CHECK(trainer.global_step() == 4 * 6);
    CHECK(net.steps == 5 * 6);
    // The mean over equal batches is the mean over all samples.
    Generator stream(7);
    const Tensor x = randn({36, 3}, stream);
    const Tensor expected = net.first->forward(x).detach().mean(IntArrayRef({0}));
    CHECK(net.norm->running_mean.allclose(expected, 1e-5, 1e-6));
    CHECK(net.norm->num_batches_tracked.item<int64_t>() == 6);
    CHECK(net.norm->options.momentum().has_value());  // as it was

    Trainer second(options);  // the same callback again
    second.fit(net, data);
    CHECK(second.current_epoch() == 5);
  }

  TEST_CASE("weight averaging says what is wrong") {
    CHECK(mentions(message_of([] { EMAWeightAveraging({.decay = 1.5}); }), "E016: EMAWeightAveraging: decay is 1.5"));
    CHECK(mentions(message_of([] { StochasticWeightAveraging({.swa_lrs = {0.0}}); }), "swa_lrs must be positive"));
    CHECK(mentions(message_of([] { StochasticWeightAveraging({.swa_lrs = {0.1}, .swa_epoch_start = 2.0}); }),
                   "swa_epoch_start is out of range"));
  }
}

}  // namespace fulmen::trainer::testing
