#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <tests/message_of.h>

using namespace fulmen;
using fulmen::testing::mentions;
using fulmen::testing::message_of;

namespace {

struct Scale : nn::Module {
  Tensor forward(const Tensor& x, double factor, const Tensor& shift) {
    const Tensor y = x * factor;
    return shift.defined() ? y + shift : y;
  }
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, nn::AnyValue(2.0)}, {2, nn::AnyValue(Tensor())})
};

struct Count : nn::Module {
  explicit Count(int n) : n(n) {}
  int forward(int x) { return x + n; }
  int n;
};

}  // namespace

TEST_SUITE_BEGIN("nn");

TEST_CASE("AnyModule checks the types that flow") {
  nn::AnyModule any(Count(3));
  CHECK(any.forward<int>(4) == 7);
  CHECK(mentions(message_of([&] { any.forward<int>(4.0); }),
                 "Expected argument #0 to be of type int, but received value of type double"));
  CHECK(mentions(message_of([&] { any.forward<double>(4); }),
                 "The type of the return value is int, but you asked for type double"));
  CHECK(mentions(message_of([&] { any.forward<int>(1, 2); }), "expects 1 argument(s), but received 2."));
  CHECK(any.get<Count>().n == 3);
  CHECK(mentions(message_of([&] { any.get<Scale>(); }), "Attempted to cast module of type"));
  CHECK(mentions(message_of([&] { nn::AnyModule().forward(1); }), "Cannot call forward() on an empty AnyModule"));
}

TEST_CASE("default arguments of forward") {
  nn::AnyModule any(Scale{});
  const Tensor x = ones({2});
  CHECK(any.forward(x).sum().item<float>() == 4);
  CHECK(any.forward(x, 3.0).sum().item<float>() == 6);
  CHECK(any.forward(x, 3.0, ones({2})).sum().item<float>() == 8);
  CHECK(mentions(message_of([&] { any.forward(); }), "expects at least 1 argument(s) and at most 3 argument(s)"));
}

TEST_CASE("Sequential: names, nesting, access") {
  nn::Sequential net({{"fc", nn::Linear(3, 3)}, {"act", nn::ReLU()}});
  net->push_back(nn::Sequential(nn::Linear(3, 2), nn::Functional(relu)));
  CHECK(net->named_parameters().keys() == std::vector<std::string>{"fc.weight", "fc.bias", "2.0.weight", "2.0.bias"});
  CHECK(net->forward(randn({5, 3})).sizes() == IntArrayRef({5, 2}));
  CHECK(net(randn({5, 3})).sizes() == IntArrayRef({5, 2}));
  CHECK(net->at<nn::LinearImpl>(0).options.in_features() == 3);
  CHECK(net[1]->as<nn::ReLU>() != nullptr);
  CHECK(mentions(message_of([&] { net->ptr(3); }), "Index out of range"));
  CHECK(mentions(message_of([] { nn::Sequential()->forward(1); }), "Cannot call forward() on an empty Sequential"));
  nn::Sequential copy = std::dynamic_pointer_cast<nn::SequentialImpl>(net->clone());
  const Tensor x = randn({4, 3});
  CHECK(copy->forward(x).equal(net->forward(x)));
  CHECK(copy->named_parameters().keys() == net->named_parameters().keys());
}

TEST_CASE("a shape error names the module inside the Sequential") {
  nn::Sequential net(nn::Linear(3, 4), nn::Sequential(nn::ReLU(), nn::Linear(5, 1)));
  const std::string text = message_of([&] { net->forward(randn({2, 3})); });
  CHECK(mentions(text, "E001: Linear(5 → 1) takes float32[*, 5]; got float32[2, 4] on cpu"));
  CHECK(mentions(text, "in 1.1 (Linear)"));
  CHECK(mentions(text, "fix: the input has 4 features: construct Linear(4, 1)"));
}

TEST_CASE("Linear: wrong features and dtype") {
  nn::Linear linear(4, 64);
  const std::string features = message_of([&] { linear->forward(ones({64, 8})); });
  CHECK(mentions(features, "E001: Linear(4 → 64) takes float32[*, 4]; got float32[64, 8] on cpu"));
  CHECK(mentions(features, "construct Linear(8, 64) or select 4 columns"));
  const std::string dtype = message_of([&] { linear->forward(ones({2, 4}, kLong)); });
  CHECK(mentions(dtype, "E002: Linear takes float32; got int64[2, 4] on cpu (weights are float32)"));
  CHECK(mentions(dtype, "convert with .to(kFloat) where the batch is made"));
}

TEST_CASE("ModuleList and ModuleDict") {
  nn::ModuleList list(nn::Linear(1, 2), nn::ReLU());
  list->insert(1, nn::Linear(2, 3));
  CHECK(list->named_parameters().keys() == std::vector<std::string>{"0.weight", "0.bias", "1.weight", "1.bias"});
  CHECK(list->at<nn::LinearImpl>(1).options.out_features() == 3);
  CHECK(
      mentions(message_of([&] { list->at<nn::LinearImpl>(2); }), "Unable to cast module[2] to fulmen::nn::LinearImpl"));

  nn::ModuleDict dict;
  nn::ModuleDictImpl::Items modules = {{"a", nn::Linear(1, 1).ptr()}, {"b", nn::ReLU().ptr()}};
  dict->update(modules);
  modules["a"] = nn::Linear(2, 2).ptr();
  dict->update(modules);
  CHECK(dict->keys() == std::vector<std::string>{"a", "b"});
  CHECK(dict->at<nn::LinearImpl>("a").options.in_features() == 2);
  CHECK(mentions(message_of([&] { dict->pop("c"); }), "Submodule 'c' is not defined"));
}

TEST_CASE("a holder of a derived module is a holder of its parent") {
  struct Special : nn::LinearImpl {
    Special() : nn::LinearImpl(2, 2) {}
  };
  nn::ModuleHolder<Special> special;
  nn::ModuleHolder<nn::LinearImpl> plain = special;
  CHECK(plain->weight.is_same(special->weight));
}

TEST_CASE("OrderedDict erases in the middle") {
  OrderedDict<std::string, int> dict = {{"a", 1}, {"b", 2}, {"c", 3}};
  dict.erase("b");
  CHECK(dict.keys() == std::vector<std::string>{"a", "c"});
  CHECK(dict["c"] == 3);
  CHECK(!dict.contains("b"));
  CHECK_THROWS_WITH(dict.erase("b"), "Key 'b' is not defined");
}

TEST_SUITE_END();
