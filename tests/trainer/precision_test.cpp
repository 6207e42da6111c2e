#include <doctest/doctest.h>
#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/warning.h>
#include <tests/message_of.h>

#include <limits>

#include "small_model.h"

using namespace fulmen;
using namespace fulmen::trainer;
using namespace fulmen::trainer::testing;
using fulmen::testing::message_of;

namespace {

/// Notes the types that a training step sees.
struct Watched : LightningModule<Batch, Tensor> {
  nn::Linear layer = register_module("layer", nn::Linear(3, 1));
  ScalarType batch = kBool, output = kBool, fresh = kBool;
  double factor = 1;

  StepOutput training_step(const Batch& b, int64_t) override {
    const Tensor y = layer(b.data);
    batch = b.data.scalar_type();
    output = y.scalar_type();
    fresh = ones({1}).scalar_type();
    return mse_loss(y, b.target) * factor;
  }
  Tensor predict_step(const Batch& b, int64_t, int64_t) override { return layer(b.data); }
  Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.02); }
};

struct Types {
  ScalarType parameters, batch, output, fresh;
  bool operator==(const Types&) const = default;
};

TrainerOptions quiet_on(const std::string& accelerator, const std::string& precision, int64_t epochs = 1) {
  TrainerOptions options = quiet(epochs);
  options.accelerator = accelerator;
  options.precision = precision;
  return options;
}

Types types_under(const std::string& precision, const std::string& accelerator) {
  Watched model;
  Trainer trainer(quiet_on(accelerator, precision));
  trainer.fit(model, plane(false));
  return {model.layer->weight.scalar_type(), model.batch, model.output, model.fresh};
}

/// Weights [4].
Tensor trained(const std::string& precision, const std::string& accelerator, int64_t epochs = 3) {
  manual_seed(3);
  Watched model;
  Trainer trainer(quiet_on(accelerator, precision, epochs));
  trainer.fit(model, plane(false));
  return cat({model.layer->weight.detach().flatten(), model.layer->bias.detach()}).cpu().to(kFloat);
}

struct Heard : WarningHandler {
  std::vector<std::string> said;
  void process(const Warning& warning) override { said.push_back(warning.msg()); }
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("precision: what parameters, batches, products and new tensors are") {
    CHECK(types_under("32-true", "cpu") == Types{kFloat, kFloat, kFloat, kFloat});
    CHECK(types_under("32", "cpu") == Types{kFloat, kFloat, kFloat, kFloat});
    CHECK(types_under("64-true", "cpu") == Types{kDouble, kDouble, kDouble, kDouble});
    CHECK(types_under("bf16-true", "cpu") == Types{kBFloat16, kBFloat16, kBFloat16, kBFloat16});
    CHECK(types_under("bf16-mixed", "cpu") == Types{kFloat, kFloat, kBFloat16, kFloat});
    CHECK(get_default_dtype() == kFloat);
    CHECK_FALSE(autocast::active);
  }

  TEST_CASE("precision: mixed and double training follow float32") {
    const Tensor weights = trained("32-true", "cpu");
    CHECK(allclose(trained("64-true", "cpu"), weights, 1e-5, 1e-6));
    const Tensor mixed = trained("bf16-mixed", "cpu");
    CHECK(allclose(mixed, weights, 0.02, 0.02));
    CHECK_FALSE(mixed.equal(weights));
  }

  TEST_CASE("precision: 16-mixed on a CPU is bf16-mixed, with a warning; unknown words are errors") {
    Heard heard;
    set_warning_handler(&heard);
    const Types types = types_under("16-mixed", "cpu");
    set_warning_handler(nullptr);
    CHECK(types == Types{kFloat, kFloat, kBFloat16, kFloat});
    REQUIRE(heard.said.size() == 1);
    CHECK(heard.said[0].find("16-mixed is for CUDA") != std::string::npos);
    const std::string message = message_of([] { Trainer trainer(quiet_on("cpu", "8-mixed")); });
    CHECK_MESSAGE(message.find("E016: precision is \"8-mixed\"") == 0, message);
  }

  TEST_CASE("precision: an exception in a step leaves the default type and autocast as they were") {
    struct Broken : Watched {
      StepOutput training_step(const Batch&, int64_t) override { throw Error("broken"); }
    } model;
    for (const char* precision : {"64-true", "bf16-mixed"}) {
      CHECK_THROWS(Trainer(quiet_on("cpu", precision)).fit(model, plane(false)));
      CHECK(get_default_dtype() == kFloat);
      CHECK_FALSE(autocast::active);
    }
  }

  TEST_CASE("precision: predictions of a converted model") {
    Watched model;
    const Tensor y = concat(Trainer(quiet_on("cpu", "64-true")).predict(model, plane(false)));
    CHECK(y.scalar_type() == kDouble);
    Watched mixed;
    CHECK(concat(Trainer(quiet_on("cpu", "bf16-mixed")).predict(mixed, plane(false))).scalar_type() == kBFloat16);
  }

#ifdef FULMEN_CUDA
  TEST_CASE("precision: 16-mixed on CUDA scales the loss, and leaves out steps with infinite gradients") {
    if (!cuda::is_available()) return;
    CHECK(types_under("16-mixed", "cuda") == Types{kFloat, kFloat, kHalf, kFloat});
    CHECK(types_under("bf16-mixed", "cuda") == Types{kFloat, kFloat, kBFloat16, kFloat});
    // The first scales are too large for this loss: some steps are left out, so only the end is compared.
    CHECK(allclose(trained("16-mixed", "cuda", 40), tensor({2.0f, 2.0f, 2.0f, 3.0f}), 0, 0.02));

    Watched model;
    model.factor = 1e34;  // finite in float32, and infinite after scaling
    const Tensor before = model.layer->weight.detach().clone();
    TrainerOptions options = quiet_on("cuda", "16-mixed");
    options.on_nonfinite = OnNonfinite::Ignore;
    Trainer(options).fit(model, plane(false));
    CHECK(model.layer->weight.detach().cpu().equal(before));
    options.cuda_graph = true;
    CHECK(message_of([&] { Trainer trainer(options); }).find("another one with cuda_graph") != std::string::npos);
  }
#endif
}
