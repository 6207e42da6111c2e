#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/callbacks/finetuning.h>
#include <fulmen/trainer/callbacks/lambda.h>
#include <tests/message_of.h>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using Weights = OrderedDict<std::string, Tensor>;

Weights copy_of(const nn::Module& module) {
  Weights out;
  for (const auto& item : module.state_dict()) out.insert(item.key(), item.value().clone());
  return out;
}

bool equal(const Weights& a, const Weights& b) {
  for (const auto& item : a) {
    if (!item.value().equal(b[item.key()])) return false;
  }
  return a.size() == b.size();
}

/// A model with a backbone and a head.
struct TwoParts : LightningModule<Batch, Tensor> {
  StepOutput training_step(const Batch& batch, int64_t) override {
    return (head->forward(backbone->forward(batch.data)) - batch.target).square().mean();
  }
  Optimizers configure_optimizers() override {
    std::vector<Tensor> trained;
    for (const Tensor& parameter : parameters()) {
      if (parameter.requires_grad()) trained.push_back(parameter);
    }
    return optim::SGD(trained, optim::SGDOptions(0.01).momentum(0.5));
  }
  nn::Linear backbone = register_module("backbone", nn::Linear(3, 4)), head = register_module("head", nn::Linear(4, 1));
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("BackboneFinetuning: frozen, then at a lower rate, then as fast as the head") {
    manual_seed(1);
    TwoParts net;
    const Tensor before = net.backbone->weight.detach().clone();
    std::vector<double> rates;
    bool kept = false;
    auto tuning = std::make_shared<BackboneFinetuning>(BackboneFinetuningOptions{.unfreeze_backbone_at_epoch = 2});
    TemporaryFolder folder;
    TrainerOptions options = quiet(8);
    options.callbacks = {tuning, std::make_shared<LambdaCallback>(LambdaCallback::Functions{
                                     .on_train_epoch_end = [&](Trainer& t, AnyLightningModule&) {
                                       const auto& groups = t.optimizer()->param_groups();
                                       rates.push_back(groups.size() > 1 ? groups[1].options().get_lr() : 0);
                                       if (t.current_epoch() == 1) kept = net.backbone->weight.equal(before);
                                       if (t.current_epoch() == 4) t.save_checkpoint(folder.path("c.ckpt"));
                                     }})};
    manual_seed(2);
    Trainer(options).fit(net, plane(true));
    CHECK(kept);
    CHECK_FALSE(net.backbone->weight.equal(before));
    const double expected[] = {0, 0, 0.001, 0.002, 0.004, 0.008, 0.01, 0.01};
    REQUIRE(rates.size() == 8);
    for (size_t i = 0; i < 8; ++i) CHECK(rates[i] == doctest::Approx(expected[i]).epsilon(1e-12));

    TwoParts resumed;
    TrainerOptions again = quiet(8);
    again.callbacks = {
        std::make_shared<BackboneFinetuning>(BackboneFinetuningOptions{.unfreeze_backbone_at_epoch = 2})};
    Trainer(again).fit(resumed, plane(true), {.ckpt_path = folder.path("c.ckpt")});
    CHECK(equal(copy_of(net), copy_of(resumed)));

    TrainerOptions wrong = quiet(1);
    wrong.callbacks = {std::make_shared<BackboneFinetuning>(BackboneFinetuningOptions{.backbone = "backbon"})};
    CHECK(mentions(message_of([&] { Trainer(wrong).fit(resumed, plane(true)); }), "did you mean \"backbone\"?"));
  }
}

}  // namespace fulmen::trainer::testing
