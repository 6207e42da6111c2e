#include <doctest/doctest.h>
#include <fulmen/trainer/tuner.h>
#include <tests/message_of.h>
#include <tests/paths.h>

#include <cmath>
#include <fstream>

#include "small_model.h"

// recordings/tuning.json holds what Lightning's tuners find; recordings/record_tuning.py made it and says how.

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;

struct TunedModel : LightningModule<> {
  int64_t samples = 1000, batch_size = 4, memory = 1000000;
  double lr = 0.01;
  int64_t largest = 0;
  nn::Linear layer = register_module("layer", nn::Linear(2, 1));

  explicit TunedModel(int64_t n) : samples(n) {
    const float values[] = {0.1f, -0.2f};
    for (int i = 0; i < 2; ++i) layer->weight.data_ptr<float>()[i] = values[i];
    layer->bias.data_ptr<float>()[0] = 0.05f;
  }
  StepOutput training_step(const Batch& batch, int64_t) override {
    if (batch.data.size(0) > memory) throw Error("CUDA out of memory. Tried to allocate 3 GiB");
    largest = std::max(largest, batch.data.size(0));
    return (layer->forward(batch.data) - batch.target).square().mean();
  }
  StepOutput test_step(const Batch& batch, int64_t, int64_t) override {
    if (batch.data.size(0) > memory) throw std::bad_alloc();
    return {};
  }
  Tensor predict_step(const Batch& batch, int64_t, int64_t) override { return batch.data; }
  Optimizers configure_optimizers() override { return optim::SGD(parameters(), optim::SGDOptions(lr).momentum(0.5)); }
  Loader loader() const {
    const Tensor x = empty({samples, 2}), y = empty({samples, 1});
    for (int64_t i = 0; i < samples; ++i) {
      const auto s = static_cast<float>(i);
      float* const row = x.data_ptr<float>() + 2 * i;
      row[0] = std::sin(s), row[1] = std::cos(2 * s);
      y.data_ptr<float>()[i] = 2 * row[0] - row[1] + 3 + 0.2f * std::sin(3 * s);
    }
    return Loader(Batch(x, y), {.batch_size = batch_size});
  }
  Loader train_dataloader() override { return loader(); }
  std::vector<Loader> test_dataloader() override { return {loader()}; }
  std::vector<Loader> predict_dataloader() override { return {loader()}; }
};

Json recorded() {
  return Json::parse(std::ifstream(fulmen::testing::source_dir() + "/tests/trainer/recordings/tuning.json"));
}

LearningRateFinderOptions sweep_options(const Json& o) {
  LearningRateFinderOptions options;
  options.num_training = o.value("num_training", int64_t{100});
  options.min_lr = o.value("min_lr", 1e-8);
  options.max_lr = o.value("max_lr", 1.0);
  options.mode = o.value("mode", "") == "linear" ? Sweep::Linear : Sweep::Exponential;
  if (o.contains("early_stop_threshold")) {
    const Json& threshold = o["early_stop_threshold"];
    options.early_stop_threshold = threshold.is_null() ? std::optional<double>() : threshold.get<double>();
  }
  return options;
}

BatchSizeFinderOptions size_options(const Json& o) {
  return {.mode = o.value("mode", "") == "binsearch" ? BatchSizeSearch::Bisection : BatchSizeSearch::Power,
          .steps_per_trial = o.value("steps_per_trial", int64_t{3}),
          .init_val = o.value("init_val", int64_t{2}),
          .max_trials = o.value("max_trials", int64_t{25}),
          .margin = o.value("margin", 0.05),
          .max_val = o.value("max_val", int64_t{8192})};
}

doctest::Approx near(const Json& number) { return doctest::Approx(number.get<double>()).epsilon(1e-6); }

/// A model with dropout, AdamW and a scheduler, and a shuffled loader with a stream of its own: everything a search
/// could leave traces in.
std::vector<Tensor> weights_after_fit(bool search) {
  manual_seed(5);
  SmallModel model({.lr = 0.02});
  fit_target(model);
  const auto loader = plane(true).with({.batch_size = 5, .shuffle = true, .seed = 3});
  Trainer trainer(quiet(2));
  if (search) {
    Tuner(trainer).lr_find(model, loader, plane(false), {.num_training = 15, .update_attr = false});
  }
  trainer.fit(model, loader, plane(false));
  std::vector<Tensor> all = model.parameters();
  all.push_back(rand({3}));
  return all;
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("lr_find: Lightning's learning rates, losses and suggestions") {
    const Json recordings = recorded()["sweeps"];
    for (const Json& run : recordings) {
      CAPTURE(run["options"].dump());
      TunedModel model(run["samples"]);
      TrainerOptions options = quiet(run["epochs"]);
      options.accumulate_grad_batches = run["accumulate"];
      options.lightning_compatible = run["accumulate"] != 1;  // its outputs["loss"] is divided
      Trainer trainer(options);
      const auto found = Tuner(trainer).lr_find(model, sweep_options(run["options"]));
      REQUIRE(found);
      REQUIRE(found->lr.size() == run["lr"].size());
      REQUIRE(found->loss.size() == run["loss"].size());
      for (size_t i = 0; i < found->lr.size(); ++i) {
        CHECK(found->lr[i] == near(run["lr"][i]));
        // Where the rate is so high that losses grow, so do differences in the last place, from processor to processor.
        const double tolerance = found->lr[i] < 1 ? 1e-6 : 1e-4;
        CHECK(found->loss[i] == doctest::Approx(run["loss"][i].get<double>()).epsilon(tolerance));
      }
      for (const Json& row : run["suggestions"]) {
        const auto suggestion = found->suggestion(row[0], row[1]);
        CHECK(suggestion.has_value() == !row[2].is_null());
        if (suggestion && !row[2].is_null()) CHECK(*suggestion == near(row[2]));
      }
      CHECK(model.lr == near(run["model_lr"]));
      CHECK(model.layer->weight.equal(TunedModel(4).layer->weight));
    }
  }

  TEST_CASE("lr_find leaves no trace: the fit after it has the same bits") {
    const std::vector<Tensor> plain = weights_after_fit(false), searched = weights_after_fit(true);
    for (size_t i = 0; i < plain.size(); ++i) CHECK(plain[i].equal(searched[i]));
  }

  TEST_CASE("LearningRateFinder: the fit goes on with the suggestion, and the checkpoint says so") {
    struct Watch : Callback {
      std::vector<double> lrs;
      void on_train_start(Trainer& trainer, Module&) override {
        lrs.push_back(trainer.optimizer()->param_groups()[0].options().get_lr());
      }
    };
    manual_seed(5);
    SmallModel model({.lr = 0.5});
    fit_target(model);
    const auto finder = std::make_shared<LearningRateFinder>(LearningRateFinderOptions{.num_training = 20});
    const auto watch = std::make_shared<Watch>();
    TrainerOptions options = quiet(4);
    options.callbacks = {watch, finder};
    Trainer trainer(options);
    trainer.fit(model, plane(false));
    const std::optional<double> lr = finder->optimal_lr()->suggestion();
    REQUIRE(lr);
    CHECK(watch->lrs == std::vector<double>{*lr});  // not called in the search
    CHECK(model.hp.lr == *lr);
    CHECK(Json::parse(model.hparams())["lr"] == *lr);
    CHECK(trainer.global_step() == 4 * 8);
  }

  TEST_CASE("a sweep that explodes ends, and NaN does not count") {
    TunedModel model(20);
    Trainer trainer(quiet(100));
    const auto found = Tuner(trainer).lr_find(
        model, {.max_lr = 1e30, .num_training = 40, .early_stop_threshold = std::nullopt, .update_attr = false});
    REQUIRE(found);
    CHECK(found->loss.size() == 40);
    CHECK(!std::isfinite(found->loss.back()));
    CHECK(found->suggestion());
    CHECK(model.layer->weight.equal(TunedModel(4).layer->weight));
    CHECK(model.lr == 0.01);
    LearningRateSweep empty;
    CHECK(!empty.suggestion());
  }

  TEST_CASE("scale_batch_size: Lightning's sizes") {
    const Json recordings = recorded()["sizes"];
    for (const Json& run : recordings) {
      CAPTURE(run.dump());
      TunedModel model(run["samples"]);
      model.batch_size = run["before"];
      model.memory = run["memory"];
      Trainer trainer(quiet(30));
      const auto found = Tuner(trainer).scale_batch_size(model, size_options(run["options"]));
      CHECK(found == run["found"].get<int64_t>());
      CHECK(model.batch_size == run["batch_size"].get<int64_t>());
      CHECK(model.layer->weight.equal(TunedModel(4).layer->weight));
    }
  }

  TEST_CASE("scale_batch_size: a first size that does not fit is halved; every size is really tried") {
    auto find = [](int64_t memory, const BatchSizeFinderOptions& options) {
      TunedModel model(1000);
      model.memory = memory;
      Trainer trainer(quiet(30));
      const auto found = Tuner(trainer).scale_batch_size(model, options);
      CHECK(model.largest == *found);
      return *found;
    };
    CHECK(find(100, {.init_val = 1000}) == 62);
    CHECK(find(100, {.mode = BatchSizeSearch::Bisection, .init_val = 400, .margin = 0}) == 100);
    CHECK(find(1, {.mode = BatchSizeSearch::Bisection, .margin = 0}) == 1);
  }

  TEST_CASE("BatchSizeFinder: in a fit, of a data module, and for test and predict") {
    struct Data : DataModule<> {
      int64_t batch_size = 1;
      TunedModel source{300};
      Loader train_dataloader() override { return source.loader().with({.batch_size = batch_size}); }
    };
    TunedModel model(300);
    model.memory = 40;
    Data data;
    TrainerOptions options = quiet(1);
    const auto finder = std::make_shared<BatchSizeFinder>();
    options.callbacks = {finder};
    Trainer trainer(options);
    trainer.fit(model, data);
    CHECK(finder->optimal_batch_size() == 32);
    CHECK(data.batch_size == 32);
    CHECK(trainer.global_step() == 10);
    CHECK(trainer.current_epoch() == 1);

    TunedModel tested(300);
    tested.memory = 20;
    Trainer other(quiet(1));
    CHECK(Tuner(other).scale_batch_size(tested, {}, Stage::Test) == 16);
    CHECK(tested.batch_size == 16);
    CHECK(Tuner(other).scale_batch_size(tested, {.max_val = 64}, Stage::Predict) == 64);
    CHECK(other.predict(tested).size() == 5);
  }

  TEST_CASE("tuners: what they refuse") {
    TunedModel model(20);
    Trainer trainer(quiet(1));
    Tuner tuner(trainer);
    CHECK(mentions(message_of([&] { tuner.lr_find(model, {.attr_name = "rate"}); }), "E014"));
    CHECK(mentions(message_of([&] { tuner.scale_batch_size(model, {.batch_arg_name = "size"}); }), "number size"));
    CHECK(mentions(message_of([&] { LearningRateFinder({.min_lr = 1, .max_lr = 0.1}); }), "min_lr is 1"));
    CHECK(mentions(message_of([&] { BatchSizeFinder({.margin = 1}); }), "margin"));
    const auto loader = model.loader();
    TrainerOptions options = quiet(1);
    options.callbacks = {std::make_shared<BatchSizeFinder>()};
    Trainer with_finder(options);
    CHECK(mentions(message_of([&] { with_finder.fit(model, loader); }), "passed by hand"));
    CHECK(mentions(message_of([&] { Tuner(with_finder).scale_batch_size(model); }), "leave out one of the two"));
    model.memory = 0;
    CHECK(mentions(message_of([&] { tuner.scale_batch_size(model); }), "not even a batch of one sample"));
    model.automatic_optimization = false;
    CHECK(mentions(message_of([&] { tuner.lr_find(model); }), "one optimizer that the trainer steps"));
    TrainerOptions trial = quiet(1);
    trial.fast_dev_run = 1;
    Trainer dev(trial);
    CHECK(!Tuner(dev).lr_find(model));
  }
}

}  // namespace fulmen::trainer::testing
