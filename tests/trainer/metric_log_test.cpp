#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/metric/classification.h>
#include <fulmen/trainer/metric/regression.h>
#include <tests/message_of.h>

#include "small_model.h"

using namespace fulmen;
using namespace fulmen::trainer;
using namespace fulmen::trainer::testing;
using fulmen::testing::message_of;

namespace {

/// Logs a metric that is no mean of batches, in training and in validation.
struct Measured : SmallModel {
  Measured() : SmallModel(Hparams{.dropout = 0.2}) {}
  metric::R2Score train_r2, val_r2;
  bool per_step = false;
  std::vector<Tensor> predictions, targets;  // of the last validation

  StepOutput training_step(const Batch& batch, int64_t i) override {
    train_r2.update(forward(batch.data).detach(), target(batch.target));
    log("train_r2", train_r2, {.on_step = per_step, .on_epoch = true});
    return SmallModel::training_step(batch, i);
  }
  void on_validation_epoch_start() override { predictions.clear(), targets.clear(); }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    predictions.push_back(forward(batch.data).detach());
    targets.push_back(target(batch.target));
    val_r2.update(predictions.back(), targets.back());
    log("val_r2", val_r2);
    return {};
  }
  double r2_of_last_validation() const {
    metric::R2Score whole;
    whole.update(cat(predictions), cat(targets));
    return whole.value();
  }
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("log(metric): the figure of the whole epoch, anew in each") {
    Measured model;
    fit_target(model);
    Trainer trainer(quiet(3));
    trainer.fit(model, plane(true), plane(false));
    const double first = trainer.callback_metrics()["val_r2"];
    CHECK(first == doctest::Approx(model.r2_of_last_validation()).epsilon(1e-12));
    CHECK(trainer.callback_metrics().contains("train_r2"));

    const auto again = trainer.validate(model, plane(false));
    CHECK(again[0]["val_r2"] == doctest::Approx(model.r2_of_last_validation()).epsilon(1e-12));
    CHECK(trainer.validate(model, plane(false))[0]["val_r2"] == again[0]["val_r2"]);
    CHECK(message_of([&] { model.val_r2.value(); }) != "");  // the run is over: it has seen nothing
  }

  TEST_CASE("log(metric): values by step") {
    Measured model;
    model.per_step = true;
    fit_target(model);
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(false));
    CHECK(trainer.callback_metrics().contains("train_r2_step"));
    CHECK(trainer.callback_metrics()["train_r2_step"] == trainer.callback_metrics()["train_r2_epoch"]);
  }

  TEST_CASE("log(metric): a fit that was resumed in the middle of an epoch reports the same bits") {
    auto options = [](int64_t steps) {
      TrainerOptions o = quiet(2);
      o.max_steps = steps;
      return o;
    };
    manual_seed(5);
    Measured whole;
    fit_target(whole);
    Trainer uninterrupted(options(-1));
    uninterrupted.fit(whole, plane(true));

    const TemporaryFolder folder;
    manual_seed(5);
    Measured begun;
    fit_target(begun);
    Trainer first(options(3));
    first.fit(begun, plane(true));
    first.save_checkpoint(folder.path("three.ckpt"));
    Measured resumed;
    Trainer second(options(-1));
    second.fit(resumed, plane(true), {.ckpt_path = folder.path("three.ckpt")});
    CHECK(second.callback_metrics()["train_r2"] == uninterrupted.callback_metrics()["train_r2"]);
  }

  TEST_CASE("log(metric): one figure, and no stray address after the run") {
    auto model = std::make_unique<Measured>();
    fit_target(*model);
    Trainer trainer(quiet(1));
    trainer.fit(*model, plane(false));
    model.reset();
    Measured other;
    fit_target(other);
    trainer.fit(other, plane(false));  // forgets what the first left
    CHECK(trainer.callback_metrics().contains("train_r2"));

    struct PerClass : Measured {
      metric::ConfusionMatrix matrix = metric::ConfusionMatrix({.num_classes = 3});
      StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
        const Tensor labels = zeros({batch.data.size(0)}, TensorOptions(kLong));
        matrix.update(labels, labels);
        log("matrix", matrix);
        return {};
      }
    } matrix;
    fit_target(matrix);
    const std::string message = message_of([&] { Trainer(quiet(1)).validate(matrix, plane(false)); });
    CHECK_MESSAGE(message.find("E012") == 0, message);
  }
}
