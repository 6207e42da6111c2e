#include <doctest/doctest.h>
#include <fulmen/trainer/model_summary.h>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {

using fulmen::testing::mentions;

TEST_SUITE("trainer") {
  TEST_CASE("example_input_array: the summary shows what each layer takes and gives") {
    struct Pictured : SmallModel {
      using SmallModel::SmallModel;
      Tensor forward(const Tensor& x) {
        ++forwards;
        training = net->is_training();
        const Tensor mixed = first(x);
        return net->forward(std::get<0>(mixing(mixed.unsqueeze(0))).squeeze(0)) + direct->forward(x);
      }
      nn::Linear first = register_module("first", nn::Linear(3, 3));
      nn::GRU mixing = register_module("mixing", nn::GRU(nn::GRUOptions(3, 3).batch_first(true)));
      nn::Linear direct = register_module("direct", nn::Linear(3, 1));
      int forwards = 0;
      bool training = true;
    };
    Pictured net({.dropout = 0.5});
    fit_target(net);
    const auto printed = [&](int64_t depth) {
      TrainerOptions options = quiet(1);
      options.callbacks = {std::make_shared<ModelSummary>(depth)};
      Trainer trainer(options);
      return captured(2, [&] { trainer.fit(net, plane(false)); });
    };
    CHECK(!mentions(printed(1), "takes"));
    CHECK(net.forwards == 0);
    net.example_input_array = zeros({4, 3});
    const std::string table = printed(2);
    CHECK(net.forwards == 1);
    CHECK(!net.training);
    CHECK(net.net->is_training());
    INFO(table);
    CHECK(mentions(table, "takes    "));
    CHECK(mentions(table, "[1, 4, 3]  [1, 4, 3]"));
    CHECK(mentions(table, "net.0   Linear"));
    for (const char* line : {"  first   Linear      12          [4, 3]", "  direct  Linear      4           ?"}) {
      CHECK_MESSAGE(mentions(table, line), line);
    }
    const std::string again = printed(2);
    CHECK(again == table);

    struct WithoutForward : LightningModule<Batch, Tensor> {
      StepOutput training_step(const Batch& batch, int64_t) override { return (net(batch.data) - batch.target).mean(); }
      Optimizers configure_optimizers() override { return optim::SGD(parameters(), optim::SGDOptions(0.1)); }
      nn::Linear net = register_module("net", nn::Linear(3, 1));
    } plain;
    plain.example_input_array = zeros({4, 3});
    TrainerOptions options = quiet(1);
    options.enable_model_summary = true;
    CHECK(message_of([&] { Trainer(options).fit(plain, plane(false)); }).find("E016: example_input_array is set") == 0);
  }
}

}  // namespace fulmen::trainer::testing
