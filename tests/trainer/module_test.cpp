#include <doctest/doctest.h>
#include <fulmen/tensor/cuda.h>
#include <tests/message_of.h>

#include "small_model.h"

// What a LightningModule can do beside its steps.
namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;

SmallModel model() {
  manual_seed(1);
  SmallModel made({.dropout = 0});
  fit_target(made);
  return made;
}

/// Doubles what its steps return, after they returned it.
struct Doubling : SmallModel {
  using SmallModel::SmallModel;
  std::vector<double> seen, ends;
  StepOutput training_step_end(StepOutput output) override {
    seen.push_back(output.loss().item<double>());
    return output.loss() * Scalar(2.0);
  }
  StepOutput validation_step(const Batch&, int64_t i, int64_t) override { return full({}, i); }
  StepOutput validation_step_end(StepOutput output) override { return output.loss() + Scalar(0.5); }
  StepOutput test_step(const Batch&, int64_t, int64_t) override { return ones({}); }
  StepOutput test_step_end(StepOutput output) override { return output.loss() * Scalar(7.0); }
  void on_train_batch_end(const StepOutput& output, const Batch&, int64_t) override {
    ends.push_back(output.loss().item<double>());
  }
  void on_validation_batch_end(const StepOutput& output, const Batch&, int64_t, int64_t) override {
    ends.push_back(output.loss().item<double>());
  }
  void on_test_batch_end(const StepOutput& output, const Batch&, int64_t, int64_t) override {
    ends.push_back(output.loss().item<double>());
  }
  Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.01); }
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("training_step_end, validation_step_end, test_step_end replace what the step returned") {
    manual_seed(1);
    Doubling net({.dropout = 0});
    fit_target(net);
    TrainerOptions options = quiet(1);
    options.limit_train_batches = 2;
    options.limit_val_batches = 2;
    options.num_sanity_val_steps = 0;
    Trainer trainer(options);
    const Tensor before = net.net->parameters()[3].detach().clone();
    trainer.fit(net, plane(false), plane(false));
    REQUIRE(net.seen.size() == 2);
    CHECK(net.ends == std::vector<double>{2 * net.seen[0], 2 * net.seen[1], 0.5, 1.5});
    net.ends.clear();
    options.limit_test_batches = 1;
    Trainer(options).test(net, plane(false));
    CHECK(net.ends == std::vector<double>{7});

    // What is minimised is what came out: a model without the doubling, at twice the learning rate.
    struct Plain : SmallModel {
      using SmallModel::SmallModel;
      Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.02); }
    };
    manual_seed(1);
    Plain plain({.dropout = 0});
    fit_target(plain);
    Trainer(options).fit(plain, plane(false));
    CHECK(!net.net->parameters()[3].equal(before));
    CHECK(net.net->parameters()[3].allclose(plain.net->parameters()[3], 1e-5, 1e-7));
  }

  TEST_CASE("freeze, unfreeze, dtype and logger") {
    SmallModel net = model();
    net.freeze();
    CHECK(!net.is_training());
    for (const Tensor& parameter : net.parameters()) CHECK(!parameter.requires_grad());
    net.unfreeze();
    CHECK(net.is_training());
    for (const Tensor& parameter : net.parameters()) CHECK(parameter.requires_grad());
    CHECK(net.dtype() == kFloat);
    net.to(kDouble);
    CHECK(net.dtype() == kDouble);
    CHECK(mentions(message_of([&] { net.logger(); }), "not being run by a trainer"));
  }

  TEST_CASE("estimated_stepping_batches: while the optimizer is made, and in the fit") {
    struct Asks : SmallModel {
      using SmallModel::SmallModel;
      int64_t steps = 0;
      Optimizers configure_optimizers() override {
        steps = trainer().estimated_stepping_batches();
        return SmallModel::configure_optimizers();
      }
    };
    auto estimate = [](auto&& set) {
      Asks net({.dropout = 0});
      fit_target(net);
      TrainerOptions options = quiet(3);
      set(options);
      Trainer trainer(options);
      trainer.fit(net, plane(false));
      CHECK(net.steps == trainer.estimated_stepping_batches());
      CHECK(net.steps == trainer.global_step());
      return net.steps;
    };
    CHECK(estimate([](TrainerOptions&) {}) == 3 * 8);
    CHECK(estimate([](TrainerOptions& o) { o.accumulate_grad_batches = 3; }) == 3 * 3);
    CHECK(estimate([](TrainerOptions& o) { o.max_steps = 10; }) == 10);
    CHECK(estimate([](TrainerOptions& o) { o.limit_train_batches = 0.5; }) == 3 * 4);
  }

  TEST_CASE("strict_loading: a checkpoint with other weights") {
    struct Wider : SmallModel {
      using SmallModel::SmallModel;
      nn::Linear more = register_module("more", nn::Linear(2, 2));
    };
    TemporaryFolder folder;
    SmallModel net = model();
    Trainer trainer(quiet(1));
    trainer.fit(net, plane(false));
    trainer.save_checkpoint(folder.path("a.ckpt"));
    Wider wider({.dropout = 0});
    Trainer other(quiet(1));
    CHECK(mentions(message_of([&] { other.validate(wider, plane(false), {.ckpt_path = folder.path("a.ckpt")}); }),
                   "more.weight"));
    wider.strict_loading = false;
    other.validate(wider, plane(false), {.ckpt_path = folder.path("a.ckpt"), .verbose = false});
    CHECK(wider.net->parameters()[0].equal(net.net->parameters()[0]));
    CHECK(mentions(message_of([&] { load_from_checkpoint<Wider>(folder.path("a.ckpt")); }), "more.weight"));
    load_from_checkpoint<Wider>(folder.path("a.ckpt"), {}, {.strict = false});
  }

  TEST_CASE("map_location: where a loaded model lies") {
    TemporaryFolder folder;
    SmallModel net = model();
    Trainer trainer(quiet(1));
    trainer.fit(net, plane(false));
    trainer.save_checkpoint(folder.path("a.ckpt"));
    CHECK(load_from_checkpoint<SmallModel>(folder.path("a.ckpt"))->device() == Device(kCPU));
    auto on_cuda = [&] { return load_from_checkpoint<SmallModel>(folder.path("a.ckpt"), {}, {.map_location = kCUDA}); };
    if (cuda::is_available()) {
      CHECK(on_cuda()->device() == Device(kCUDA, 0));
      CHECK(on_cuda()->net->parameters()[0].cpu().equal(net.net->parameters()[0].cpu()));
    } else {
      CHECK(message_of(on_cuda).find("E018: there is no device cuda") == 0);
    }
  }

  TEST_CASE("seed_everything and IsolateRng") {
    seed_everything(4);
    const Tensor first = rand({5}), second = rand({5});
    seed_everything(4);
    CHECK(rand({5}).equal(first));
    {
      const IsolateRng isolated;
      seed_everything(99);
      CHECK(!rand({5}).equal(second));
    }
    CHECK(rand({5}).equal(second));
  }
}

}  // namespace fulmen::trainer::testing
