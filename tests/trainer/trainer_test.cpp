#include <doctest/doctest.h>
#include <execinfo.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/lr_monitor.h>
#include <fulmen/trainer/progress_bar.h>
#include <fulmen/trainer/regression.h>
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

/// Returns whatever a test wants from a training step.
class Returning : public SmallModel {
 public:
  explicit Returning(AnyFunction<StepOutput(const Batch&, int64_t)> step)
      : SmallModel(Hparams{.dropout = 0}), step_(std::move(step)) {
    fit_target(*this);
  }
  StepOutput training_step(const Batch& batch, int64_t i) override { return step_(batch, i); }
  StepOutput usual(const Batch& batch, int64_t i) { return SmallModel::training_step(batch, i); }

 private:
  AnyFunction<StepOutput(const Batch&, int64_t)> step_;
};

std::string fit_error(AnyFunction<StepOutput(const Batch&, int64_t)> step) {
  Returning model(std::move(step));
  Trainer trainer(quiet(1));
  return message_of([&] { trainer.fit(model, plane(false)); });
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("losses that cannot be minimised are refused (E004, E005, E006, E009)") {
    std::string message = fit_error([](const Batch& b, int64_t) { return StepOutput(b.data.sum(IntArrayRef({1}))); });
    CHECK_MESSAGE(message.find("E004: training_step: expected a loss of one element; got [5]") == 0, message);
    CHECK_MESSAGE(message.find("return loss.mean()") != std::string::npos, message);
    CHECK_MESSAGE(message.find("in training_step, epoch 0, batch 0") != std::string::npos, message);
    message = fit_error([](const Batch& b, int64_t) { return StepOutput(b.data.mean()); });
    CHECK_MESSAGE(message.find("E005") == 0, message);
    message = fit_error([](const Batch& b, int64_t) { return StepOutput(Dict{{"accuracy", b.data.mean()}}); });
    CHECK_MESSAGE(message.find("E009: training_step: expected a Dict with the key \"loss\"; got {accuracy}") == 0,
                  message);

    Returning* self = nullptr;
    Returning model([&](const Batch& b, int64_t i) {
      const StepOutput output = self->usual(b, i);
      return i == 3 ? StepOutput(output.loss() / Scalar(0.0) * Scalar(0.0)) : output;
    });
    self = &model;
    Trainer trainer(quiet(1));
    message = message_of([&] { trainer.fit(model, plane(false)); });
    CHECK_MESSAGE(message.find("E006: the loss is not finite: nan at epoch 0 batch 3, all parameters are finite") == 0,
                  message);
    CHECK(trainer.global_step() == 3);

    TrainerOptions skipping = quiet(1);
    skipping.on_nonfinite = OnNonfinite::Skip;
    Trainer skips(skipping);
    skips.fit(model, plane(false));
    CHECK(skips.global_step() == 7);
  }

  TEST_CASE("a skipped batch is no step; accumulated windows average what they hold") {
    Returning* self = nullptr;
    Returning model([&](const Batch& b, int64_t i) { return i % 2 ? StepOutput(skip) : self->usual(b, i); });
    self = &model;
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(false));
    CHECK(trainer.global_step() == 4);

    // Two batches of 5 accumulated make the step of one batch of 10, also in the last, shorter window of 5.
    TrainerOptions twice = quiet(1);
    twice.accumulate_grad_batches = 2;
    manual_seed(2);
    SmallModel small(SmallModel::Hparams{.dropout = 0, .optimizer = "sgd"});
    manual_seed(2);
    SmallModel large(SmallModel::Hparams{.dropout = 0, .optimizer = "sgd"});
    fit_target(small);
    fit_target(large);
    Trainer(twice).fit(small, plane(false, 5, 25));
    Trainer(quiet(1)).fit(large, plane(false, 10, 25));
    const Tensor a = small.state_dict()["net.0.weight"], b = large.state_dict()["net.0.weight"];
    CHECK(a.allclose(b, 1e-4, 1e-6));
  }

  TEST_CASE("an error inside the network names layer, step, epoch and batch") {
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(quiet(1));
    const data::DataLoader<Batch> wide(Batch(zeros({8, 4}), zeros({8, 1})), {.batch_size = 4});
    std::string message = message_of([&] { trainer.fit(model, wide); });
    CHECK_MESSAGE(message.find("E001") == 0, message);
    CHECK_MESSAGE(message.find("in SmallModel.net.0 (Linear), in training_step, epoch 0, batch 0") != std::string::npos,
                  message);
    message = message_of([&] { trainer.predict(model, wide); });
    CHECK_MESSAGE(message.find("in SmallModel.net.0 (Linear), in predict_step, batch 0") != std::string::npos, message);
    CHECK_FALSE(trainer.is_running());
    CHECK_FALSE(model.has_trainer());
    CHECK_NOTHROW(trainer.fit(model, plane(false)));
  }

  TEST_CASE("the user's step is at most three frames below fit()") {
    int step_depth = 0;
    void* frames[64];
    struct Deep : SmallModel {
      explicit Deep(int& depth) : SmallModel(Hparams{}), depth(depth) {}
      StepOutput training_step(const Batch& batch, int64_t i) override {
        void* frames[64];
        depth = ::backtrace(frames, 64);
        return SmallModel::training_step(batch, i);
      }
      int& depth;
    };
    Deep deep(step_depth);
    fit_target(deep);
    Trainer trainer(quiet(1));
    const auto loader = plane(false);
    const int depth = ::backtrace(frames, 64);
    trainer.fit(deep, loader);
    CHECK(step_depth > depth);
    CHECK(step_depth - depth <= 1 + 3);  // fit() itself, and three below it
  }

  TEST_CASE("options out of range are refused (E016)") {
    CHECK(message_of([] {
            Trainer({.max_steps = -2});
          }).find("E016: max_steps is -2; allowed: -1 (no limit) or more") == 0);
    CHECK(message_of([] { Trainer({.limit_val_batches = 1.5}); }).find("E016: limit_val_batches is 1.5") == 0);
    CHECK(message_of([] { Trainer({.max_epochs = 2, .min_epochs = 3}); }).find("E016: min_epochs is 3") == 0);
    CHECK(message_of([] { Trainer({.accumulate_grad_batches = 0}); }).find("E016") == 0);
    CHECK(message_of([] {
            Trainer({.check_val_every_n_epoch = std::nullopt});
          }).find("E016: check_val_every_n_epoch") == 0);
    TrainerOptions options = quiet(1);
    options.val_check_interval = 100;
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(options);
    const std::string message = message_of([&] { trainer.fit(model, plane(false), plane(false)); });
    CHECK_MESSAGE(message.find("E016: val_check_interval is 100 batches, but an epoch has only 8") == 0, message);
  }

  TEST_CASE("predict: one element per batch, nested for several loaders, or a sink") {
    SmallModel model(SmallModel::Hparams{.dropout = 0.5});
    fit_target(model);
    Trainer trainer(quiet(1));
    const auto flat = trainer.predict(model, plane(false));
    CHECK(flat.size() == 8);
    CHECK(flat[7].size(0) == 2);
    CHECK(model.is_training());
    const auto nested = trainer.predict(model, std::vector{plane(false)});
    REQUIRE(nested.size() == 1);
    CHECK(nested[0].size() == 8);
    CHECK(trainer.predict(model, std::vector{plane(false), plane(false, 40)})[1].size() == 1);

    std::vector<Tensor> seen;
    trainer.predict(model, plane(false), [&](Tensor p) { seen.push_back(p); });
    CHECK(cat(seen).equal(cat(flat)));
    int64_t batches = 0;
    trainer.predict(model, plane(false), [&](const Tensor&, int64_t batch, int64_t loader) {
      CHECK(batch == batches);
      CHECK(loader == 0);
      return ++batches < 3;
    });
    CHECK(batches == 3);
  }

  TEST_CASE("predict with a data module: one list, or one per loader") {
    struct Planes : DataModule<> {
      size_t loaders = 1;
      std::vector<Loader> predict_dataloader() override { return std::vector<Loader>(loaders, plane(false)); }
    } planes;
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(quiet(1));
    CHECK(trainer.predict(model, planes).size() == 8);
    planes.loaders = 2;
    CHECK(trainer.predict_by_loader(model, planes).size() == 2);
    CHECK(message_of([&] { trainer.predict(model, planes); }).find("E016: predict: one list") == 0);
    planes.loaders = 0;
    CHECK(message_of([&] { trainer.predict(model, planes); }).find("there is no loader") != std::string::npos);
  }

  TEST_CASE("LearningRateMonitor logs the rates of an epoch or a step") {
    struct Rates : Logger {
      void log_metrics(const Metrics& row, int64_t) override {
        if (const double* rate = row.find("lr-AdamW")) rates.push_back(*rate);
      }
      std::vector<double> rates;
    };
    for (const Interval interval : {Interval::Epoch, Interval::Step}) {
      auto logger = std::make_shared<Rates>();
      TrainerOptions options = quiet(2);
      options.loggers = {logger};
      options.log_every_n_steps = 4;
      options.callbacks = {std::make_shared<LearningRateMonitor>(interval)};
      SmallModel model(SmallModel::Hparams{});  // the rate falls by a tenth every three steps
      fit_target(model);
      Trainer(options).fit(model, plane(false));
      REQUIRE(logger->rates.size() == (interval == Interval::Epoch ? 2 : 4));
      CHECK(logger->rates[0] == doctest::Approx(interval == Interval::Epoch ? 0.01 : 0.009));
      CHECK(logger->rates[1] == doctest::Approx(0.0081));
    }
  }

  TEST_CASE("fast_dev_run tries a few batches of everything and leaves nothing behind") {
    TemporaryFolder folder;
    TrainerOptions options;
    options.fast_dev_run = 2;
    options.default_root_dir = folder.path();
    options.enable_progress_bar = options.enable_model_summary = false;
    options.callbacks = {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "nothing"})};
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(options);
    trainer.fit(model, plane(true), plane(false));
    CHECK(trainer.global_step() == 2);
    CHECK(folder.files().empty());
  }

  TEST_CASE("Ctrl-C: the step is finished, a checkpoint written, fit returns, and the run can go on") {
    TemporaryFolder folder;
    TrainerOptions options = quiet(3);
    options.default_root_dir = folder.path();
    struct Interrupt : Callback {
      void on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t) override {
        if (trainer.global_step() == 11) ::raise(SIGINT);
      }
    };
    auto run = [&](bool interrupt, const std::string& from) {
      manual_seed(4);
      SmallModel model(SmallModel::Hparams{});
      fit_target(model);
      options.callbacks.clear();
      if (interrupt) options.callbacks = {std::make_shared<Interrupt>()};
      Trainer trainer(options);
      trainer.fit(model, plane(true), plane(false), {.ckpt_path = from});
      CHECK(trainer.interrupted() == interrupt);
      CHECK(trainer.global_step() == (interrupt ? 11 : 24));
      return model.state_dict()["net.0.weight"];
    };
    const Tensor whole = run(false, "");
    run(true, "");
    CHECK(folder.files() == std::vector<std::string>{"interrupted.ckpt"});
    CHECK(run(false, folder.path("interrupted.ckpt")).equal(whole));
  }

  TEST_CASE("explain() prints the plan") {
    TrainerOptions options = quiet(7);
    options.accumulate_grad_batches = 4;
    options.val_check_interval = 0.25;
    const std::string plan = Trainer(options).explain();
    for (const char* part : {"for each of at most 7 epochs:", "(first of every 4 batches)", "training_step",
                             "VALIDATION after every 0.25 of the epoch's batches", "on_train_epoch_end"}) {
      CHECK_MESSAGE(plan.find(part) != std::string::npos, part);
    }
  }

  TEST_CASE("the progress bar writes to standard error only: a bar on request, sparse lines otherwise") {
    for (const auto style : {ProgressBar::Style::Bar, ProgressBar::Style::Lines}) {
      TrainerOptions options = quiet(2);
      options.enable_progress_bar = true;
      options.callbacks = {std::make_shared<ProgressBar>(style)};
      SmallModel model(SmallModel::Hparams{});
      fit_target(model);
      std::string error, output;
      error = captured(STDERR_FILENO, [&] {
        output = captured(STDOUT_FILENO, [&] {
          Trainer trainer(options);
          trainer.fit(model, plane(true), plane(false));
        });
      });
      CHECK(output.empty());
      CHECK_MESSAGE(error.find("Epoch 1") != std::string::npos, error);
      CHECK_MESSAGE(error.find("train_loss_epoch=") != std::string::npos, error);
      CHECK((error.find('\r') != std::string::npos) == (style == ProgressBar::Style::Bar));
    }
  }

  TEST_CASE("scores and intervals of a regression") {
    Tensor truth = arange(100, TensorOptions(kDouble)), prediction = truth + Scalar(1.0);
    const RegressionScore score(prediction, truth);
    CHECK(score.rmse == doctest::Approx(1));
    CHECK(score.mae == doctest::Approx(1));
    CHECK(score.r2 == doctest::Approx(1 - 100 / 83325.0));
    PredictionInterval interval(0.9), other;
    CHECK_THROWS_AS(interval.low(truth), Error);
    interval.fit(zeros({100}), truth);
    CHECK(interval.low(zeros({1})).item<double>() == 4);
    CHECK(interval.high(zeros({1})).item<double>() == 95);
    other.load_state(interval.state());
    CHECK(other.high(zeros({1})).item<double>() == 95);
    CHECK_THROWS_AS(other.load_state({"{\"low\": 1}", {}}), Error);
  }
}

}  // namespace fulmen::trainer::testing
