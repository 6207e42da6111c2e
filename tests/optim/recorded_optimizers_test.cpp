#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/optim/optim.h>
#include <tests/message_of.h>
#include <tests/paths.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

// optimizers.json holds what PyTorch's optimizers do in some steps; record_optimizers.py made it and says on what.

using namespace fulmen;
using Json = nlohmann::json;
using testing::mentions;
using testing::message_of;

namespace {

Tensor waves(IntArrayRef shape, double phase, ScalarType dtype) {
  const Tensor out = empty(shape, kDouble);
  for (int64_t i = 0; i < out.numel(); ++i) out.data_ptr<double>()[i] = std::sin(1.7 * static_cast<double>(i) + phase);
  return out.to(dtype);
}

struct Problem {
  explicit Problem(ScalarType dtype) {
    p = {waves({4, 3}, 0.1, dtype), waves({4}, 0.2, dtype), waves({1, 4}, 0.3, dtype)};
    for (Tensor& tensor : p) tensor.set_requires_grad(true);
    x = waves({10, 3}, 0.4, dtype), y = waves({10, 1}, 0.5, dtype);
    names = {{"w1", p[0]}, {"b1", p[1]}, {"w2", p[2]}};
  }
  Tensor loss() const { return ((x.matmul(p[0].t()) + p[1]).tanh().matmul(p[2].t()) - y).square().mean(); }
  Tensor step(optim::Optimizer& optimizer) {
    return optimizer.step([&] {
      ++calls;
      optimizer.zero_grad();
      Tensor l = loss();
      l.backward();
      return l;
    });
  }
  std::vector<Tensor> p;
  Tensor x, y;
  OrderedDict<std::string, Tensor> names;
  int calls = 0;
};

std::unique_ptr<optim::Optimizer> make_optimizer(const Json& run, const std::vector<Tensor>& parameters) {
  const Json& o = run["options"];
  const double lr = o["lr"];
  if (run["optimizer"] == "RMSprop") {
    return std::make_unique<optim::RMSprop>(parameters, optim::RMSpropOptions(lr)
                                                            .alpha(o.value("alpha", 0.99))
                                                            .eps(o.value("eps", 1e-8))
                                                            .momentum(o.value("momentum", 0.0))
                                                            .weight_decay(o.value("weight_decay", 0.0))
                                                            .centered(o.value("centered", false)));
  }
  if (run["optimizer"] == "Adagrad") {
    return std::make_unique<optim::Adagrad>(parameters,
                                            optim::AdagradOptions(lr)
                                                .lr_decay(o.value("lr_decay", 0.0))
                                                .weight_decay(o.value("weight_decay", 0.0))
                                                .initial_accumulator_value(o.value("initial_accumulator_value", 0.0))
                                                .eps(o.value("eps", 1e-10)));
  }
  optim::LBFGSOptions options(lr);
  options.max_iter(o.value("max_iter", int64_t{20}))
      .history_size(o.value("history_size", int64_t{100}))
      .tolerance_grad(o.value("tolerance_grad", 1e-7))
      .tolerance_change(o.value("tolerance_change", 1e-9));
  if (o.contains("max_eval")) options.max_eval(o["max_eval"].get<int64_t>());
  if (o.contains("line_search_fn")) options.line_search_fn(o["line_search_fn"].get<std::string>());
  return std::make_unique<optim::LBFGS>(parameters, options);
}

Json runs() { return Json::parse(std::ifstream(testing::source_dir() + "/tests/optim/optimizers.json")); }

}  // namespace

TEST_SUITE_BEGIN("optim");

TEST_CASE("RMSprop, Adagrad and LBFGS: recorded steps of PyTorch's") {
  for (const Json& run : runs()) {
    CAPTURE(run["optimizer"].get<std::string>());
    CAPTURE(run["options"].dump());
    Problem problem(kDouble);
    const auto optimizer = make_optimizer(run, problem.p);
    for (const Json& expected : run["losses"]) {
      CHECK(problem.step(*optimizer).item<double>() == doctest::Approx(expected.get<double>()).epsilon(1e-7));
    }
    CHECK(problem.calls == run["calls"].get<int>());
    size_t at = 0;
    for (const Tensor& parameter : problem.p) {
      const Tensor flat = parameter.detach().reshape({-1});
      for (int64_t i = 0; i < flat.numel(); ++i) {
        CHECK(flat[i].item<double>() == doctest::Approx(run["final"][at++].get<double>()).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("RMSprop, Adagrad and LBFGS: state under names goes on with the same bits") {
  for (const Json& run : runs()) {
    CAPTURE(run["optimizer"].get<std::string>());
    CAPTURE(run["options"].dump());
    Problem straight(kFloat), broken(kFloat);
    const auto whole = make_optimizer(run, straight.p), first = make_optimizer(run, broken.p);
    for (int i = 0; i < 6; ++i) straight.step(*whole);
    for (int i = 0; i < 3; ++i) broken.step(*first);
    const auto second = make_optimizer(run, broken.p);
    second->load_named_state(broken.names, first->named_state(broken.names));
    for (int i = 0; i < 3; ++i) broken.step(*second);
    for (size_t i = 0; i < straight.p.size(); ++i) CHECK(straight.p[i].equal(broken.p[i]));
  }
}

TEST_CASE("LBFGS: the minimum of Rosenbrock's valley") {
  const Tensor p = zeros({2}, kDouble).set_requires_grad(true);
  optim::LBFGS lbfgs({p}, optim::LBFGSOptions(1).max_iter(100).line_search_fn("strong_wolfe"));
  lbfgs.step([&] {
    lbfgs.zero_grad();
    const Tensor a = 1 - p[0], b = p[1] - p[0] * p[0];
    Tensor loss = a * a + 100 * b * b;
    loss.backward();
    return loss;
  });
  CHECK(p[0].item<double>() == doctest::Approx(1).epsilon(1e-6));
  CHECK(p[1].item<double>() == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("RMSprop, Adagrad and LBFGS: what they refuse") {
  const Tensor p = zeros({2}).set_requires_grad(true), q = zeros({2}).set_requires_grad(true);
  const std::vector<Tensor> one{p};
  CHECK(mentions(message_of([&] { optim::RMSprop(one, optim::RMSpropOptions(-1)); }), "Invalid learning rate: -1"));
  CHECK(mentions(message_of([&] { optim::RMSprop(one, optim::RMSpropOptions(1).alpha(-1)); }), "alpha"));
  CHECK(mentions(message_of([&] { optim::Adagrad(one, optim::AdagradOptions(1).lr_decay(-1)); }), "lr_decay"));
  CHECK(mentions(message_of([&] { optim::LBFGS(one, optim::LBFGSOptions(1).line_search_fn("armijo")); }),
                 "only 'strong_wolfe' is supported"));
  const std::vector<optim::OptimizerParamGroup> two{std::vector<Tensor>{p}, std::vector<Tensor>{q}};
  CHECK(mentions(message_of([&] { optim::LBFGS lbfgs(two); }), "doesn't support per-parameter options"));
  optim::LBFGS lbfgs(one);
  CHECK(mentions(message_of([&] { lbfgs.step(nullptr); }), "LBFGS requires a closure"));
  CHECK(mentions(message_of([&] { lbfgs.step([] { return Tensor(); }); }), "must return the loss"));
}

TEST_SUITE_END();
