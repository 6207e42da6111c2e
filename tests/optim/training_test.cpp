#include <doctest/doctest.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/optim/optim.h>
#include <tests/paths.h>

#include <fstream>
#include <nlohmann/json.hpp>

// The same seeds give PyTorch's losses for 200 steps: random stream, initial values, layers, loss, derivatives,
// optimizer and schedule at once. tests/fixtures/training.json, made by record_training.py, whose head says what a run
// does.

using namespace fulmen;
using Json = nlohmann::json;
namespace F = fulmen::nn::functional;

namespace {

nn::Sequential make_model(const std::string& name) {
  // Braces: the layers draw their initial values in the order written.
  if (name == "mlp") return nn::Sequential{nn::Linear(8, 32), nn::ReLU(), nn::Linear(32, 1)};
  return nn::Sequential{nn::Linear(8, 32),  nn::LayerNorm(std::vector<int64_t>{32}),
                        nn::ReLU(),         nn::Dropout(0.1),
                        nn::Linear(32, 32), nn::BatchNorm1d(32),
                        nn::ReLU(),         nn::Linear(32, 1)};
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Json& run, std::vector<Tensor> parameters) {
  const std::string name = run["optimizer"];
  const Json& o = run["options"];
  const double lr = o["lr"];
  if (name == "SGD") {
    return std::make_unique<optim::SGD>(std::move(parameters), optim::SGDOptions(lr)
                                                                   .momentum(o.value("momentum", 0.0))
                                                                   .weight_decay(o.value("weight_decay", 0.0))
                                                                   .nesterov(o.value("nesterov", false)));
  }
  if (name == "Adam") {
    return std::make_unique<optim::Adam>(std::move(parameters),
                                         optim::AdamOptions(lr).weight_decay(o.value("weight_decay", 0.0)));
  }
  return std::make_unique<optim::AdamW>(
      std::move(parameters),
      optim::AdamWOptions(lr).weight_decay(o.value("weight_decay", 1e-2)).amsgrad(o.value("amsgrad", false)));
}

std::unique_ptr<optim::LRScheduler> make_scheduler(const Json& run, optim::Optimizer& optimizer) {
  if (run["scheduler"].is_null()) return nullptr;
  const Json& s = run["schedule"];
  if (run["scheduler"] == "StepLR") {
    return std::make_unique<optim::StepLR>(optimizer, s["step_size"].get<int64_t>(), s["gamma"].get<double>());
  }
  return std::make_unique<optim::CosineAnnealingLR>(optimizer, s["T_max"].get<int64_t>(), s.value("eta_min", 0.0));
}

struct Trace {
  std::vector<double> losses, learning_rates;
  double final_loss = 0;
};

Trace train(const Json& run, ScalarType type) {
  manual_seed(0);
  Tensor x = rand({512, 8}) * 4 - 2;
  const Tensor noise = rand({512, 1}) - 0.5;
  Tensor y = x.narrow(1, 0, 1).sin() + x.narrow(1, 1, 1) * x.narrow(1, 2, 1) * 0.5 + noise * 0.2;
  manual_seed(1);
  nn::Sequential model = make_model(run["model"]);
  model->to(type);
  x = x.to(type);
  y = y.to(type);
  manual_seed(2);
  const auto optimizer = make_optimizer(run, model->parameters());
  const auto scheduler = make_scheduler(run, *optimizer);
  Trace trace;
  Tensor order;
  for (int64_t step = 0; step < 200; ++step) {
    const int64_t k = step % 16;
    if (k == 0) {
      order = randperm(512);
      trace.learning_rates.push_back(optimizer->param_groups()[0].options().get_lr());
    }
    const Tensor rows = order.narrow(0, 32 * k, 32);
    const Tensor loss = F::mse_loss(model->forward(x.index_select(0, rows)), y.index_select(0, rows));
    trace.losses.push_back(loss.item<double>());
    optimizer->zero_grad();
    loss.backward();
    optimizer->step();
    if (k == 15 && scheduler) scheduler->step();
  }
  model->eval();
  NoGradGuard no_grad;
  trace.final_loss = F::mse_loss(model->forward(x), y).item<double>();
  return trace;
}

void compare(const std::vector<double>& got, const Json& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(got[i] / expected[i].get<double>() - 1));
  }
  CHECK(worst <= tolerance);
}

}  // namespace

TEST_SUITE_BEGIN("optim");

TEST_CASE("200 training steps give PyTorch's losses") {
  std::ifstream in(testing::source_dir() + "/tests/fixtures/training.json");
  const Json recorded = Json::parse(in);
  for (const Json& run : recorded["runs"]) {
    CAPTURE(run["model"].get<std::string>());
    CAPTURE(run["optimizer"].get<std::string>());
    CAPTURE(run["options"].dump());
    // The targets hold a float32 sine, whose last bit is not PyTorch's; hence 1e-7 and not 1e-15.
    const Trace exact = train(run, kDouble);
    compare(exact.losses, run["float64"], 5e-7);
    CHECK(exact.final_loss == doctest::Approx(run["final_float64"].get<double>()).epsilon(5e-7));
    const Trace single = train(run, kFloat);
    compare(single.losses, run["float32"], 1e-5);
    CHECK(single.final_loss == doctest::Approx(run["final_float32"].get<double>()).epsilon(1e-5));
    compare(single.learning_rates, run["learning_rates"], 1e-12);
  }
}

TEST_SUITE_END();
