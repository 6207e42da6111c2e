#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/optim/optim.h>
#include <fulmen/tensor/threads.h>
#include <tests/message_of.h>

#include <cmath>

using namespace fulmen;
using fulmen::testing::mentions;
using fulmen::testing::message_of;

namespace {

Tensor parameter(std::vector<double> values, std::vector<double> grad) {
  Tensor p = tensor(values, kDouble).set_requires_grad(true);
  p.mutable_grad() = tensor(grad, kDouble);
  return p;
}
double first(const Tensor& t) { return t.select(0, 0).item<double>(); }

}  // namespace

TEST_SUITE_BEGIN("optim");

TEST_CASE("SGD: momentum starts with the gradient, then accumulates") {
  const Tensor p = parameter({1}, {2});
  optim::SGD sgd({p}, optim::SGDOptions(0.1).momentum(0.5));
  sgd.step();
  CHECK(first(p) == doctest::Approx(0.8));
  sgd.step();
  CHECK(first(p) == doctest::Approx(0.8 - 0.1 * 3));
}

TEST_CASE("Adam: one step by hand, decoupled or not") {
  const Tensor p = parameter({1}, {2}), q = parameter({1}, {2});
  optim::Adam({p}, optim::AdamOptions(0.1).weight_decay(0.5)).step();
  optim::AdamW({q}, optim::AdamWOptions(0.1).weight_decay(0.5)).step();
  // The first step is lr in the direction of the gradient, whatever its size.
  CHECK(first(p) == doctest::Approx(0.9));
  CHECK(first(q) == doctest::Approx(1 * (1 - 0.05) - 0.1));
}

TEST_CASE("groups have their own options; the defaults fill the others") {
  const Tensor p = parameter({1}, {1}), q = parameter({1}, {1});
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<Tensor>{p});
  groups.emplace_back(std::vector<Tensor>{q}, std::make_unique<optim::SGDOptions>(1.0));
  optim::SGD sgd(groups, optim::SGDOptions(0.5));
  sgd.step();
  CHECK(first(p) == doctest::Approx(0.5));
  CHECK(first(q) == doctest::Approx(0.0));
  sgd.param_groups()[0].options().set_lr(0.25);
  CHECK(sgd.param_groups()[0].options().get_lr() == 0.25);
  CHECK(sgd.defaults().get_lr() == 0.5);
  CHECK(mentions(message_of([&] { sgd.add_param_group({{p}}); }),
                 "some parameters appear in more than one parameter group"));
  CHECK(mentions(message_of([&] { sgd.add_param_group({{p * 2}}); }), "can't optimize a non-leaf Tensor"));
}

TEST_CASE("options are checked") {
  const Tensor p = parameter({1}, {1});
  CHECK(mentions(message_of([&] { optim::SGD({p}, optim::SGDOptions(-1)); }), "SGD: invalid learning rate: -1"));
  CHECK(mentions(message_of([&] { optim::SGD({p}, optim::SGDOptions(1).nesterov(true)); }), "Nesterov"));
  CHECK(mentions(message_of([&] { optim::Adam({p}, optim::AdamOptions().betas({1.5, 0.9})); }), "index 0: 1.5"));
}

TEST_CASE("parameters without gradient stay; the closure's loss is returned") {
  const Tensor p = parameter({1}, {1});
  const Tensor q = tensor({1.0}, dtype(kDouble).requires_grad(true));
  optim::AdamW adam({p, q}, optim::AdamWOptions(0.1));
  const Tensor loss = adam.step([&] {
    adam.zero_grad();
    const Tensor l = (p * p).sum();
    l.backward();
    return l;
  });
  CHECK(loss.item<double>() == 1);
  CHECK(first(q) == 1);
  CHECK(first(p) < 1);
  CHECK(adam.state().size() == 1);
}

TEST_CASE("a step writes into the memory of strided parameters and counts as a change") {
  const Tensor base = zeros({2, 3}, kDouble);
  const Tensor p = base.t();
  p.set_requires_grad(true);
  p.mutable_grad() = ones({3, 2}, kDouble);
  const auto before = p._version();
  optim::SGD({p}, 1.0).step();
  CHECK(base.equal(-ones({2, 3}, kDouble)));
  CHECK(p._version() > before);
  // A gradient may be expanded.
  p.mutable_grad() = ones({1, 1}, kDouble).expand({3, 2});
  optim::Adam({p}, 1.0).step();
  CHECK(base.allclose(-2 * ones({2, 3}, kDouble)));
}

TEST_CASE("one fused step over many parameters equals single steps, for any dtype") {
  for (ScalarType type : {kFloat, kDouble, kHalf, kBFloat16}) {
    CAPTURE(dtype_name(type));
    std::vector<Tensor> together, alone;
    for (int64_t n : {1, 7, 64, 1000, 40000}) {
      const Tensor values = randn({n}).to(type), grad = randn({n}).to(type);
      for (auto* list : {&together, &alone}) {
        list->push_back(values.clone().set_requires_grad(true));
        list->back().mutable_grad() = grad;
      }
    }
    optim::AdamW fused(together, optim::AdamWOptions(0.01).amsgrad(true));
    fused.step();
    fused.step();
    for (const Tensor& p : alone) {
      optim::AdamW single({p}, optim::AdamWOptions(0.01).amsgrad(true));
      single.step();
      single.step();
    }
    for (size_t i = 0; i < alone.size(); ++i) CHECK(together[i].equal(alone[i]));
  }
}

TEST_CASE("a step gives the same bits with 1, 2 and 4 threads") {
  const int before = get_num_threads();
  std::vector<Tensor> results;
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    manual_seed(3);
    std::vector<Tensor> parameters;
    for (int64_t n : {5, 30001, 100003}) {
      parameters.push_back(randn({n}).set_requires_grad(true));
      parameters.back().mutable_grad() = randn({n});
    }
    optim::Adam adam(parameters, optim::AdamOptions(0.01).weight_decay(0.1));
    optim::SGD sgd(parameters, optim::SGDOptions(0.01).momentum(0.9));
    for (int step = 0; step < 3; ++step) {
      adam.step();
      sgd.step();
    }
    results.push_back(nn::utils::parameters_to_vector(parameters).detach());
  }
  set_num_threads(before);
  CHECK(results[0].equal(results[1]));
  CHECK(results[0].equal(results[2]));
}

TEST_CASE("state goes out and in under PyTorch's names, and training goes on bit for bit") {
  nn::Linear a(3, 2);
  nn::Linear b(3, 2);
  b->load_state_dict(a->state_dict());
  const Tensor x = randn({8, 3});
  const auto train = [&](nn::Linear& model, optim::Optimizer& adam, int steps) {
    for (int i = 0; i < steps; ++i) {
      adam.zero_grad();
      (model(x) * model(x)).mean().backward();
      adam.step();
    }
  };
  optim::Adam straight(a->parameters(), optim::AdamOptions(0.1).amsgrad(true));
  train(a, straight, 5);

  optim::Adam before(b->parameters(), optim::AdamOptions(0.1).amsgrad(true));
  train(b, before, 3);
  const auto state = before.named_state(b->named_parameters());
  CHECK(state.keys() == std::vector<std::string>{"weight.step", "weight.exp_avg", "weight.exp_avg_sq",
                                                 "weight.max_exp_avg_sq", "bias.step", "bias.exp_avg",
                                                 "bias.exp_avg_sq", "bias.max_exp_avg_sq"});
  CHECK(state["weight.step"].scalar_type() == kLong);
  CHECK(state["weight.step"].item<int64_t>() == 3);
  optim::Adam after(b->parameters(), optim::AdamOptions(0.1).amsgrad(true));
  after.load_named_state(b->named_parameters(), state);
  train(b, after, 2);
  CHECK(a->weight.equal(b->weight));

  OrderedDict<std::string, Tensor> wrong = {{"wieght.step", ones({}, kLong)}};
  CHECK(mentions(message_of([&] { after.load_named_state(b->named_parameters(), wrong); }),
                 "state wieght.step belongs to no parameter"));
}

TEST_CASE("options by name") {
  optim::AdamWOptions options(0.5);
  for (const optim::OptionField& field : options.fields()) {
    if (field.name == "beta2") field.set(0.5);
    if (field.name == "amsgrad") field.set(1);
  }
  CHECK(std::get<1>(options.betas()) == 0.5);
  CHECK(options.amsgrad());
  CHECK(options == optim::AdamWOptions(0.5).betas({0.9, 0.5}).amsgrad(true));
  CHECK(!(options == optim::AdamWOptions(0.5)));
}

TEST_SUITE_END();
