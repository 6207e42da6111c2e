#include <doctest/doctest.h>
#include <fulmen/data/combined.h>
#include <fulmen/trainer/callbacks/accumulation_scheduler.h>
#include <fulmen/trainer/callbacks/stochastic_weight_averaging.h>
#include <fulmen/trainer/callbacks/timer.h>
#include <fulmen/trainer/callbacks/weight_averaging.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <tests/message_of.h>

#include <cstring>

#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::message_of;

/// Steps its two optimizers itself: the second with every other batch.
class TwoOptimizers : public LightningModule<Batch, Tensor> {
 public:
  TwoOptimizers() { automatic_optimization = false; }
  Tensor forward(const Tensor& x) { return second->forward(dropout->forward(first->forward(x))); }
  StepOutput training_step(const Batch& batch, int64_t i) override {
    for (LightningOptimizer optimizer : optimizers()) optimizer.zero_grad();
    Tensor loss = (forward(batch.data) - batch.target).square().mean();
    log("train_loss", loss, {.on_epoch = true});
    manual_backward(loss);
    optimizer(0).step();
    if (i % 2 == 1) optimizer(1).step();
    return {};
  }
  Optimizers configure_optimizers() override {
    if (one_too_few) return optim::SGD(parameters(), 0.01);
    return Optimizers(optim::AdamW(first->parameters()), optim::SGD(second->parameters(), optim::SGDOptions(0.01)))
        .schedule<optim::StepLR>({.optimizer = 1}, 2, 0.5);
  }
  bool one_too_few = false;
  nn::Linear first = register_module("first", nn::Linear(3, 4)), second = register_module("second", nn::Linear(4, 1));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.3));
};

/// Everything at once: accumulation, a plateau's scheduler, averages, dropout.
class Everything : public SmallModel {
 public:
  using SmallModel::SmallModel;
  Optimizers configure_optimizers() override {
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr)))
        .schedule<optim::ReduceLROnPlateau>({.monitor = "val_loss"}, optim::ReduceLROnPlateau::min, 0.5, 0);
  }
};

/// A fit of two epochs; without `to` it leaves a checkpoint of every step and every epoch in `folder`.
template <class M>
void train(M& model, const data::DataLoader<typename M::Batch>& loader, const std::string& folder,
           const std::string& from, const std::string& to) {
  TrainerOptions options = quiet(2);
  if (model.automatic_optimization) {
    options.accumulate_grad_batches = 3;
    options.callbacks = {std::make_shared<EMAWeightAveraging>(EMAWeightAveragingOptions{.decay = 0.8})};
  }
  if (to.empty()) {
    ModelCheckpointOptions of_steps{.dirpath = folder, .filename = "{step}", .save_top_k = -1};
    ModelCheckpointOptions of_epochs{.dirpath = folder, .filename = "end-{epoch}", .save_top_k = -1};
    of_steps.every_n_train_steps = 1;
    options.callbacks.push_back(std::make_shared<ModelCheckpoint>(of_steps));
    options.callbacks.push_back(std::make_shared<ModelCheckpoint>(of_epochs));
  }
  Trainer trainer(options);
  trainer.fit(model, loader, plane(false), {.ckpt_path = from});
  if (!to.empty()) trainer.save_checkpoint(to);
}

/// Goes on from every checkpoint of a run, and compares the end.
template <class Run>
void check_every_step(Run&& run, size_t steps) {
  TemporaryFolder folder;
  run(folder.path("steps"), "", "");
  const std::vector<std::string> files = folder.files();
  CHECK(files.size() == steps);
  run("", "", folder.path("whole.ckpt"));
  for (const std::string& file : files) {
    if (file == "steps/end-epoch=1.ckpt") continue;  // nothing is left to do: no training, and no end of it
    run("", folder.path(file), folder.path("rest.ckpt"));
    CHECK_MESSAGE((contents(folder.path("rest.ckpt")) == contents(folder.path("whole.ckpt"))), file);
  }
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("resume is exact from every step: accumulation, workers, plateau, averages") {
    auto data = plane(false, 37);
    Batch all;
    data.begin_epoch();
    data.next(all);
    auto run = [&](const std::string& folder, const std::string& from, const std::string& to) {
      manual_seed(5);
      Everything model(SmallModel::Hparams{});
      fit_target(model);
      train(model, data::DataLoader<Batch>(all, {.batch_size = 5, .shuffle = true, .workers = 2}), folder, from, to);
    };
    check_every_step(run, 6 + 2);
  }

  TEST_CASE("resume is exact with manual optimization: two optimizers, a scheduler") {
    auto run = [](const std::string& folder, const std::string& from, const std::string& to) {
      manual_seed(6);
      TwoOptimizers model;
      train(model, plane(true), folder, from, to);
    };
    check_every_step(run, 16 + 2);
  }

  TEST_CASE("manual optimization: global_step counts batches that stepped, as Lightning on request steps") {
    for (bool compatible : {false, true}) {
      TwoOptimizers model;
      TrainerOptions options = quiet(1);
      options.lightning_compatible = compatible;
      Trainer trainer(options);
      trainer.fit(model, plane(false));
      CHECK(trainer.global_step() == (compatible ? 12 : 8));
    }
  }

  TEST_CASE("toggle_optimizer leaves gradients to one optimizer's parameters") {
    struct Toggling : TwoOptimizers {
      StepOutput training_step(const Batch&, int64_t) override {
        toggle_optimizer(optimizer(0));
        during = learning();
        untoggle_optimizer();
        after = learning();
        try {
          const auto only = toggled_optimizer(optimizer(1));
          during_scope = learning();
          throw 1;
        } catch (int) {
          after_scope = learning();
        }
        return {};
      }
      std::pair<bool, bool> learning() const { return {first->weight.requires_grad(), second->weight.requires_grad()}; }
      std::pair<bool, bool> during, after, during_scope, after_scope;
    } model;
    Trainer(quiet(1)).fit(model, plane(false));
    CHECK(model.during == std::pair(true, false));
    CHECK(model.after == std::pair(true, true));
    CHECK(model.during_scope == std::pair(false, true));
    CHECK(model.after_scope == std::pair(true, true));
  }

  TEST_CASE("optimizers and options that contradict each other are refused (E016, E011)") {
    auto refused = [](auto& model, auto change) {
      TrainerOptions options = quiet(1);
      change(options);
      return message_of([&] { Trainer(options).fit(model, plane(false)); });
    };
    auto none = [](TrainerOptions&) {};
    TwoOptimizers manual;
    CHECK(refused(manual, [](TrainerOptions& o) {
            o.gradient_clip_val = 1.0;
          }).find("E016: gradient_clip_val is set, and the module optimizes manually") == 0);
    CHECK(refused(manual, [](TrainerOptions& o) {
            o.accumulate_grad_batches = 2;
          }).find("E016: accumulate_grad_batches is set, and the module optimizes manually") == 0);
    manual.automatic_optimization = true;
    CHECK(refused(manual, none).find("E016: configure_optimizers gives 2 optimizers") == 0);
    manual.one_too_few = true;
    CHECK(refused(manual, none).find("E016: manual_backward: the trainer runs backward itself") == 0);
    manual.automatic_optimization = false;
    CHECK(refused(manual, none).find("there is no optimizer 1: there are 1") == 0);

    struct NoMonitor : SmallModel {
      using SmallModel::SmallModel;
      Optimizers configure_optimizers() override {
        return Optimizers(optim::SGD(parameters(), 0.01)).schedule<optim::ReduceLROnPlateau>({.monitor = monitor});
      }
      std::string monitor;
    } plateau(SmallModel::Hparams{});
    fit_target(plateau);
    CHECK(refused(plateau, none).find("E016: configure_optimizers: a scheduler that watches a metric has no") == 0);
    plateau.monitor = "val_los";
    CHECK(refused(plateau, none).find("E011: unknown metric: wanted \"val_los\"") == 0);
    CHECK(refused(plateau, [](TrainerOptions& o) {
            o.accumulate_grad_batches = 2;
            o.callbacks = {std::make_shared<GradientAccumulationScheduler>(std::map<int64_t, int64_t>{{1, 2}})};
          }).find("E016: accumulate_grad_batches is set, and there is a GradientAccumulationScheduler") == 0);
    const std::map<int64_t, int64_t> nothing{{0, 0}};
    CHECK(message_of([&] { GradientAccumulationScheduler{nothing}; }).find("E016: GradientAccumulationScheduler") == 0);
    CHECK(message_of([] { EMAWeightAveraging({.decay = 2}); }).find("E016: EMAWeightAveraging: decay is 2") == 0);
    CHECK(message_of([] { StochasticWeightAveraging({}); }).find("E016: StochasticWeightAveraging: swa_lrs") == 0);
    CHECK(message_of([] { Timer("soon"); }).find("E016: max_time is \"soon\", which is no time") == 0);
    CHECK(message_of([] { Trainer({.limit_val_batches = "00:00:01:00"}); }).find("E016: limit_val_batches is a time") ==
          0);
  }

  TEST_CASE("what steps returned reaches the hooks at the end of the epoch, on request") {
    struct Collecting : SmallModel {
      using SmallModel::SmallModel;
      StepOutput validation_step(const Batch& batch, int64_t i, int64_t) override {
        return Dict{{"rows", ones({batch.data.size(0)})}, {"index", ones({1}) * Scalar(static_cast<double>(i))}};
      }
      void on_train_epoch_end() override { trained.push_back(step_outputs().size()); }
      void on_validation_epoch_end() override {
        validated.push_back(step_outputs().size());
        if (collect_step_outputs) last = step_outputs().back().outputs().at("rows").size(0);
      }
      std::vector<size_t> trained, validated;
      int64_t last = 0;
    } model(SmallModel::Hparams{});
    fit_target(model);
    TrainerOptions options = quiet(2);
    options.num_sanity_val_steps = 0;
    options.val_check_interval = 0.5;
    Trainer(options).fit(model, plane(false), plane(false));
    model.collect_step_outputs = true;
    Trainer(options).fit(model, plane(false), plane(false));
    CHECK(model.trained == std::vector<size_t>{0, 0, 8, 8});
    CHECK(model.validated == std::vector<size_t>{0, 0, 0, 0, 8, 8, 8, 8});
    CHECK(model.last == 2);
  }

  TEST_CASE("max_time that is over ends a fit") {
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    TrainerOptions options = quiet(5);
    options.max_time = "00:00:00:00";
    Trainer trainer(options);
    trainer.fit(model, plane(false));
    CHECK(trainer.global_step() == 0);
    CHECK(seconds_of("01:02:03:04", "max_time") == ((24 + 2) * 60 + 3) * 60 + 4);
  }

  TEST_CASE("a fit on several loaders at once, resumed within an epoch") {
    struct Pair {
      Batch labelled;
      std::optional<Tensor> more = {};
    };
    struct OnPairs : LightningModule<Pair, Tensor> {
      StepOutput training_step(const Pair& batch, int64_t) override {
        Tensor loss = (layer->forward(batch.labelled.data) - batch.labelled.target).square().mean();
        return batch.more ? loss + layer->forward(*batch.more).square().mean() : loss;
      }
      Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.001); }
      nn::Linear layer = register_module("layer", nn::Linear(3, 1));
    };
    auto loader = [](data::CombineMode mode) {
      Generator stream(3);
      const Tensor more = randn({9, 3}, stream);
      return data::combine<Pair>(mode, plane(true), data::DataLoader<Tensor>(more, {.batch_size = 2, .shuffle = true}));
    };
    using Mode = data::CombineMode;
    CHECK(loader(Mode::MaxSizeCycle).size() == 8);
    CHECK(loader(Mode::MaxSize).size() == 8);
    CHECK(loader(Mode::MinSize).size() == 5);
    TemporaryFolder folder;
    for (Mode mode : {Mode::MaxSizeCycle, Mode::MaxSize, Mode::MinSize}) {
      auto run = [&](int64_t max_steps, const std::string& from, const std::string& to) {
        manual_seed(9);
        OnPairs model;
        TrainerOptions options = quiet(2);
        options.max_steps = max_steps;
        Trainer trainer(options);
        trainer.fit(model, loader(mode), {.ckpt_path = from});
        trainer.save_checkpoint(to);
      };
      run(-1, "", folder.path("whole.ckpt"));
      for (int64_t step : {2, 6, 9}) {
        run(step, "", folder.path("part.ckpt"));
        run(-1, folder.path("part.ckpt"), folder.path("rest.ckpt"));
        CHECK(contents(folder.path("rest.ckpt")) == contents(folder.path("whole.ckpt")));
      }
    }
    CHECK(message_of([] { data::combine_mode("all"); }).find("E016: combine: the mode is \"all\"") == 0);
  }
}

}  // namespace fulmen::trainer::testing
