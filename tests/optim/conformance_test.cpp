#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/optim/optim.h>
#include <fulmen/tensor/safetensors.h>
#include <tests/paths.h>

#include <fstream>
#include <nlohmann/json.hpp>

// Runs recorded from PyTorch in the shared reference data, when it is there.

using namespace fulmen;
using Json = nlohmann::json;

namespace {

template <class Options>
Options adam_options(const Json& k) {
  Options o(k["lr"].get<double>());
  o.weight_decay(k.value("weight_decay", o.weight_decay()))
      .amsgrad(k.value("amsgrad", false))
      .eps(k.value("eps", 1e-8));
  if (k.contains("betas")) o.betas({k["betas"][0].get<double>(), k["betas"][1].get<double>()});
  return o;
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Json& run, const std::vector<Tensor>& parameters) {
  const std::string name = run["optimizer"];
  const Json& k = run["kwargs"];
  if (name == "SGD") {
    return std::make_unique<optim::SGD>(parameters, optim::SGDOptions(k["lr"].get<double>())
                                                        .momentum(k.value("momentum", 0.0))
                                                        .dampening(k.value("dampening", 0.0))
                                                        .weight_decay(k.value("weight_decay", 0.0))
                                                        .nesterov(k.value("nesterov", false))
                                                        .maximize(k.value("maximize", false)));
  }
  if (name == "Adam") return std::make_unique<optim::Adam>(parameters, adam_options<optim::AdamOptions>(k));
  if (name == "AdamW") return std::make_unique<optim::AdamW>(parameters, adam_options<optim::AdamWOptions>(k));
  if (name == "RMSprop") {
    return std::make_unique<optim::RMSprop>(parameters, optim::RMSpropOptions(k["lr"].get<double>())
                                                            .centered(k.value("centered", false))
                                                            .weight_decay(k.value("weight_decay", 0.0)));
  }
  if (name == "Adagrad") return std::make_unique<optim::Adagrad>(parameters, k["lr"].get<double>());
  if (name == "LBFGS") {
    return std::make_unique<optim::LBFGS>(parameters, optim::LBFGSOptions(k["lr"].get<double>())
                                                          .max_iter(k["max_iter"].get<int64_t>())
                                                          .history_size(k["history_size"].get<int64_t>()));
  }
  return nullptr;  // optimizers that LibTorch does not have
}

template <class F>
void for_each_line(const std::string& path, const F& f) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) f(Json::parse(line));
}

}  // namespace

TEST_SUITE_BEGIN("optim");

TEST_CASE("optimizers: 25 recorded steps in float64") {
  const std::string folder = testing::shared_dir();
  if (folder.empty()) return;
  const Safetensors data = load_safetensors(folder + "/conformance/modules.safetensors");
  int tested = 0;
  for_each_line(folder + "/conformance/optim.jsonl", [&](const Json& run) {
    const auto load = [&](const Json& key) { return data.tensor(key.get<std::string>())->clone(); };
    OrderedDict<std::string, Tensor> p;
    for (const char* name : {"w1", "b1", "w2", "b2"}) p.insert(name, load(run[name]).set_requires_grad(true));
    const auto optimizer = make_optimizer(run, p.values());
    if (!optimizer) return;
    ++tested;
    CAPTURE(run["optimizer"].get<std::string>());
    CAPTURE(run["kwargs"].dump());
    const Tensor x = load(run["x"]), y = load(run["y"]);
    // LBFGS multiplies the rounding of each dot product from step to step.
    const bool sensitive = run["optimizer"] == "LBFGS";
    size_t steps = 0;
    for (const Json& expected : run["losses"]) {
      if (sensitive && ++steps > 12) return;
      const Tensor loss = optimizer->step([&] {
        optimizer->zero_grad();
        const Tensor error = (x.matmul(p["w1"].t()) + p["b1"]).tanh().matmul(p["w2"].t()) + p["b2"] - y;
        const Tensor l = (error * error).mean();
        l.backward();
        return l;
      });
      CHECK(loss.item<double>() == doctest::Approx(expected.get<double>()).epsilon(1e-9));
    }
    for (const auto& [name, key] : run["final"].items()) CHECK(p[name].allclose(load(key), 1e-9, 1e-11));
  });
  CHECK(tested >= 10);
}

TEST_CASE("schedules: the recorded learning rates") {
  const std::string folder = testing::shared_dir();
  if (folder.empty()) return;
  for_each_line(folder + "/conformance/sched.jsonl", [&](const Json& run) {
    const Json& k = run["kwargs"];
    const Tensor p = zeros({1}).set_requires_grad(true);
    optim::SGD sgd({p}, run["base_lr"].get<double>());
    std::unique_ptr<optim::LRScheduler> scheduler;
    if (run["scheduler"] == "StepLR") {
      scheduler = std::make_unique<optim::StepLR>(sgd, k["step_size"].get<int64_t>(), k["gamma"].get<double>());
    } else if (run["scheduler"] == "CosineAnnealingLR") {
      scheduler =
          std::make_unique<optim::CosineAnnealingLR>(sgd, k["T_max"].get<int64_t>(), k["eta_min"].get<double>());
    } else {
      return;
    }
    for (const Json& lr : run["lrs"]) {
      CHECK(sgd.param_groups()[0].options().get_lr() == doctest::Approx(lr.get<double>()).epsilon(1e-12));
      scheduler->step();
    }
  });
}

TEST_SUITE_END();
