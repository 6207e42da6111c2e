#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/optim/optim.h>
#include <tests/message_of.h>
#include <tests/paths.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

// schedules.json holds what PyTorch's schedulers do in 60 steps; record_schedules.py made it.

using namespace fulmen;
using namespace fulmen::optim;
using fulmen::testing::mentions;
using fulmen::testing::message_of;
using Json = nlohmann::json;

namespace {

using Scheduler = std::shared_ptr<LRScheduler>;

const Json& recorded() {
  static const Json table = Json::parse(std::ifstream(testing::source_dir() + "/tests/optim/schedules.json"));
  return table;
}

double function(const std::string& name, double t) {
  if (name == "inverse_root") return 1 / std::sqrt(1 + t);
  if (name == "power") return std::pow(0.95, t);
  return 1 - std::fmod(t, 7) / 10;
}

PerGroup per_group(const Json& args, const char* name, double otherwise) {
  if (!args.contains(name)) return otherwise;
  return args[name].is_array() ? PerGroup(args[name].get<std::vector<double>>()) : PerGroup(args[name].get<double>());
}

Scheduler one_cycle(Optimizer& optimizer, const Json& a) {
  return std::make_shared<OneCycleLR>(
      optimizer, OneCycleLROptions{.max_lr = per_group(a, "max_lr", 0),
                                   .total_steps = a.value("total_steps", 0),
                                   .epochs = a.value("epochs", 0),
                                   .steps_per_epoch = a.value("steps_per_epoch", 0),
                                   .pct_start = a.value("pct_start", 0.3),
                                   .anneal_strategy = a.contains("anneal_strategy") ? Anneal::Linear : Anneal::Cos,
                                   .cycle_momentum = a.value("cycle_momentum", true),
                                   .base_momentum = per_group(a, "base_momentum", 0.85),
                                   .max_momentum = per_group(a, "max_momentum", 0.95),
                                   .div_factor = a.value("div_factor", 25.0),
                                   .final_div_factor = a.value("final_div_factor", 1e4),
                                   .three_phase = a.value("three_phase", false)});
}

Scheduler cyclic(Optimizer& optimizer, const Json& a) {
  CyclicLROptions o{.base_lr = per_group(a, "base_lr", 0),
                    .max_lr = per_group(a, "max_lr", 0),
                    .step_size_up = a["step_size_up"],
                    .step_size_down = a.value("step_size_down", 0),
                    .gamma = a.value("gamma", 1.0),
                    .cycle_momentum = a.value("cycle_momentum", true),
                    .base_momentum = per_group(a, "base_momentum", 0.8),
                    .max_momentum = per_group(a, "max_momentum", 0.9)};
  const std::string mode = a.value("mode", "triangular");
  using Mode = CyclicLROptions::Mode;
  o.mode = mode == "triangular" ? Mode::Triangular : mode == "triangular2" ? Mode::Triangular2 : Mode::ExpRange;
  if (a.contains("scale_fn")) {
    o.scale_fn = [name = a["scale_fn"].get<std::string>()](double t) { return function(name, t); };
    o.scale_by_step = a["scale_mode"] == "iterations";
  }
  return std::make_shared<CyclicLR>(optimizer, o);
}

Scheduler plateau(Optimizer& optimizer, const Json& a) {
  ReduceLROnPlateauOptions o;
  o.mode = a.value("mode", "min") == "min" ? ReduceLROnPlateau::min : ReduceLROnPlateau::max;
  o.threshold_mode = a.value("threshold_mode", "rel") == "rel" ? ReduceLROnPlateau::rel : ReduceLROnPlateau::abs;
  o.factor = a.value("factor", 0.1);
  o.patience = a.value("patience", 10);
  o.threshold = a.value("threshold", 1e-4);
  o.cooldown = a.value("cooldown", 0);
  o.eps = a.value("eps", 1e-8);
  if (a.contains("min_lr")) {
    o.min_lr = a["min_lr"].is_array() ? a["min_lr"].get<std::vector<double>>() : std::vector<double>{a["min_lr"]};
  }
  return std::make_shared<ReduceLROnPlateau>(optimizer, o);
}

template <class S>
Scheduler of_functions(Optimizer& optimizer, const Json& a) {
  std::vector<LRLambda> lambdas;
  for (const std::string name : a["lambdas"]) {
    lambdas.emplace_back([name](int64_t t) { return function(name, static_cast<double>(t)); });
  }
  if (lambdas.size() == 1) return std::make_shared<S>(optimizer, lambdas[0]);
  return std::make_shared<S>(optimizer, lambdas);
}

Scheduler make(Optimizer& optimizer, const Json& row) {
  const std::string name = row["name"];
  const Json& a = row["args"];
  if (name == "StepLR") return std::make_shared<StepLR>(optimizer, a["step_size"], a["gamma"]);
  if (name == "MultiStepLR") return std::make_shared<MultiStepLR>(optimizer, a["milestones"], a["gamma"]);
  if (name == "ConstantLR") {
    return std::make_shared<ConstantLR>(optimizer, a.value("factor", 1.0 / 3), a.value("total_iters", 5));
  }
  if (name == "LinearLR") {
    return std::make_shared<LinearLR>(optimizer, a.value("start_factor", 1.0 / 3), a.value("end_factor", 1.0),
                                      a.value("total_iters", 5));
  }
  if (name == "ExponentialLR") return std::make_shared<ExponentialLR>(optimizer, a["gamma"]);
  if (name == "PolynomialLR") {
    return std::make_shared<PolynomialLR>(optimizer, a.value("total_iters", 5), a.value("power", 1.0));
  }
  if (name == "CosineAnnealingLR") {
    return std::make_shared<CosineAnnealingLR>(optimizer, a["T_max"], a.value("eta_min", 0.0));
  }
  if (name == "CosineAnnealingWarmRestarts") {
    return std::make_shared<CosineAnnealingWarmRestarts>(optimizer, a["T_0"], a.value("T_mult", 1),
                                                         a.value("eta_min", 0.0));
  }
  if (name == "OneCycleLR") return one_cycle(optimizer, a);
  if (name == "CyclicLR") return cyclic(optimizer, a);
  if (name == "LambdaLR") return of_functions<LambdaLR>(optimizer, a);
  if (name == "MultiplicativeLR") return of_functions<MultiplicativeLR>(optimizer, a);
  if (name == "ReduceLROnPlateau") return plateau(optimizer, a);
  std::vector<Scheduler> parts;
  for (const Json& part : a["schedulers"]) parts.push_back(make(optimizer, part));
  if (name == "ChainedScheduler") return std::make_shared<ChainedScheduler>(parts);
  REQUIRE(name == "SequentialLR");
  return std::make_shared<SequentialLR>(optimizer, parts, a["milestones"].get<std::vector<int64_t>>());
}

std::vector<OptimizerParamGroup> groups_of(const std::vector<double>& lrs, bool sgd) {
  std::vector<OptimizerParamGroup> groups;
  for (double lr : lrs) {
    std::unique_ptr<OptimizerOptions> options;
    if (sgd) {
      options = std::make_unique<SGDOptions>(SGDOptions(lr).momentum(0.5));
    } else {
      options = std::make_unique<AdamOptions>(lr);
    }
    groups.emplace_back(std::vector<Tensor>{zeros({1}).set_requires_grad(true)}, std::move(options));
  }
  return groups;
}

std::shared_ptr<Optimizer> optimizer_of(const Json& row) {
  const bool sgd = row["optimizer"] == "SGD";
  const auto groups = groups_of(row["base_lrs"], sgd);
  if (sgd) return std::make_shared<SGD>(groups, SGDOptions(0.1));
  return std::make_shared<Adam>(groups, AdamOptions(0.1));
}

double momentum_of(const OptimizerParamGroup& group) {
  for (const OptionField& field : const_cast<OptimizerParamGroup&>(group).options().fields()) {
    if (field.name == "momentum" || field.name == "beta1") return field.get();
  }
  return -1;
}

void move(LRScheduler& scheduler, const Json& row, size_t t) {
  if (!row.contains("metrics")) return scheduler.step();
  const Json& metric = row["metrics"][t];
  scheduler.step(metric.is_string() ? NAN : metric.get<double>());
}

void check_rates(const Optimizer& optimizer, const Json& row, size_t t) {
  const auto& groups = optimizer.param_groups();
  for (size_t g = 0; g < groups.size(); ++g) {
    CAPTURE(t);
    CAPTURE(g);
    const double want = row["lrs"][t][g];
    // A rate that should be 0 is left over from subtractions of rates as large as the first.
    const double scale = std::fabs(want) + 1e-4 * row["base_lrs"][g].get<double>();
    CHECK(std::fabs(groups[g].options().get_lr() - want) <= 1e-12 * scale);
    if (row.contains("momentum")) {
      CHECK(momentum_of(groups[g]) == doctest::Approx(row["momentum"][t][g].get<double>()).epsilon(1e-12));
    }
  }
}

}  // namespace

TEST_SUITE_BEGIN("optim");

TEST_CASE("schedulers: the learning rates of PyTorch's, over 60 steps") {
  CHECK(recorded().size() >= 36);
  for (const Json& row : recorded()) {
    CAPTURE(row["name"].get<std::string>());
    CAPTURE(row["args"].dump());
    const auto optimizer = optimizer_of(row);
    const Scheduler scheduler = make(*optimizer, row);
    CHECK(scheduler->needs_metric() == row.contains("metrics"));
    for (size_t t = 0; t <= 60; ++t) {
      check_rates(*optimizer, row, t);
      if (t < 60) move(*scheduler, row, t);
    }
    CHECK(scheduler->last_epoch() == 60);
  }
}

TEST_CASE("schedulers: a saved state goes on with the same bits, from every step") {
  for (const Json& row : recorded()) {
    CAPTURE(row["name"].get<std::string>());
    const auto optimizer = optimizer_of(row);
    const Scheduler scheduler = make(*optimizer, row);
    for (size_t t = 0; t < 60; ++t) {
      const auto other = optimizer_of(row);
      const Scheduler resumed = make(*other, row);
      auto &from = optimizer->param_groups(), &to = other->param_groups();
      for (size_t g = 0; g < from.size(); ++g) {
        const auto saved = from[g].options().fields();
        for (size_t k = 0; k < saved.size(); ++k) to[g].options().fields()[k].set(saved[k].get());
      }
      resumed->load_state_dict(scheduler->state_dict());
      CHECK(resumed->state_dict() == scheduler->state_dict());
      move(*scheduler, row, t);
      move(*resumed, row, t);
      for (size_t g = 0; g < from.size(); ++g) {
        CHECK(from[g].options().get_lr() == to[g].options().get_lr());
        CHECK(momentum_of(from[g]) == momentum_of(to[g]));
      }
    }
  }
}

TEST_CASE("schedulers: restart() begins again, inside of others as well") {
  SGD sgd(groups_of({0.1, 0.02}, true), SGDOptions(0.1));
  auto inner = std::make_shared<SequentialLR>(
      sgd,
      std::vector<Scheduler>{std::make_shared<LinearLR>(sgd, 0.5, 1.0, 2), std::make_shared<ExponentialLR>(sgd, 0.5)},
      std::vector<int64_t>{3});
  SequentialLR outer(sgd, {std::make_shared<ConstantLR>(sgd, 0.1, 100), inner}, {4});
  std::vector<double> first;
  for (int round = 0; round < 2; ++round) {
    std::vector<double> seen;
    for (int t = 0; t < 10; ++t) {
      for (double lr : outer.get_last_lr()) seen.push_back(lr);
      outer.step();
    }
    if (round == 0) first = seen;
    CHECK(seen == first);
    outer.restart();
  }
  const double expected[] = {0.01, 0.01, 0.01, 0.01, 0.05, 0.075, 0.1, 0.1, 0.05, 0.025};
  for (size_t t = 0; t < 10; ++t) CHECK(first[2 * t] == doctest::Approx(expected[t]).epsilon(1e-12));
}

TEST_CASE("schedulers say what is wrong") {
  SGD sgd(groups_of({0.1, 0.02}, true), SGDOptions(0.1)), other(groups_of({0.1}, true), SGDOptions(0.1));
  const auto says = [](auto&& action, const char* text) {
    const std::string message = message_of(action);
    CAPTURE(message);
    CHECK(mentions(message, text));
  };
  const Scheduler step = std::make_shared<StepLR>(sgd, 2);
  const Scheduler watching = std::make_shared<ReduceLROnPlateau>(sgd);
  says([&] { StepLR(sgd, 0); }, "StepLR: step_size must be positive; got 0");
  says([&] { ConstantLR(sgd, 1.5); }, "ConstantLR: factor is 1.5; allowed: 0 to 1");
  says([&] { LinearLR(sgd, 0.0); }, "LinearLR: start_factor is 0; allowed: above 0, at most 1");
  says([&] { CosineAnnealingWarmRestarts(sgd, 3, 0); }, "T_mult is 0; allowed: 1 or more");
  says([&] { OneCycleLR(sgd, 0.1, 0); }, "set total_steps");
  says([&] { OneCycleLR(sgd, {.max_lr = {0.1, 0.2, 0.3}, .total_steps = 5}); }, "max_lr has 3 values for 2");
  says([&] { CyclicLR(sgd, {.base_lr = 0.1, .max_lr = 1.0, .step_size_up = 0}); }, "step_size_up is 0");
  says([&] { LambdaLR(sgd, std::vector<LRLambda>{[](int64_t) { return 1.0; }}); }, "1 functions for 2");
  says([&] { ReduceLROnPlateau(sgd, {.factor = 1.0}); }, "factor is 1; allowed: less than 1");
  says([&] { ReduceLROnPlateau(sgd, {.min_lr = {0, 0, 0}}); }, "min_lr has 3 values for 2");
  says([&] { SequentialLR(sgd, {}, {}); }, "no scheduler was given");
  says([&] { SequentialLR(sgd, {step}, {3}); }, "1 schedulers and 1 milestones");
  says([&] { SequentialLR(sgd, {step, step, step}, {3, 2}); }, "not in order");
  says([&] { SequentialLR(other, {step}, {}); }, "belongs to another optimizer");
  says([&] { ChainedScheduler({step, watching}); }, "scheduler 1 (ReduceLROnPlateau) needs a metric");
  says([&] { step->step(1.0); }, "this scheduler watches none");
  says([&] { watching->step(); }, "ReduceLROnPlateau: step() was given no metric");
  says([&] { step->load_state_dict("{\"last_epoch\": 3}"); }, "StepLR: this state is not one of the same schedule");
  says([&] { watching->load_state_dict(step->state_dict()); }, "ReduceLROnPlateau: this state is not one of the same");
  says([&] { step->load_state_dict("{\"last_epoch\": 3, \"base_lrs\": [1]}"); }, "base_lrs has 1 entries for 2");
  OneCycleLR cycle(other, {.max_lr = 0.1, .total_steps = 2});
  cycle.step();
  cycle.step();
  says([&] { cycle.step(); }, "step 3 of a cycle of 2 steps");
}

TEST_SUITE_END();
