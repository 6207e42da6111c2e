#include <doctest/doctest.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/nn/type_name.h>
#include <tests/message_of.h>

#include <sstream>

using namespace fulmen;
using fulmen::testing::mentions;
using fulmen::testing::message_of;

namespace {

struct Block : nn::Cloneable<Block> {
  explicit Block(int64_t features) : features(features) { reset(); }
  void reset() override {
    fc = register_module("fc", nn::Linear(features, features));
    scale = register_parameter("scale", ones({features}));
    seen = register_buffer("seen", zeros({}, kLong));
  }
  Tensor forward(const Tensor& x) { return fc->forward(x) * scale; }
  int64_t features;
  nn::Linear fc{nullptr};
  Tensor scale, seen;
};

struct Net : nn::Cloneable<Net> {
  Net() { reset(); }
  void reset() override {
    encoder = register_module("encoder", std::make_shared<Block>(4));
    head = register_module("head", nn::Linear(4, 2));
  }
  Tensor forward(const Tensor& x) { return head->forward(encoder->forward(x)); }
  std::shared_ptr<Block> encoder;
  nn::Linear head{nullptr};
};

}  // namespace

TEST_SUITE_BEGIN("nn");

TEST_CASE("parameters: own ones first, then the children's, in the order of registration") {
  auto net = std::make_shared<Net>();
  CHECK(net->named_parameters().keys() ==
        std::vector<std::string>{"encoder.scale", "encoder.fc.weight", "encoder.fc.bias", "head.weight", "head.bias"});
  CHECK(net->parameters().size() == 5);
  CHECK(net->named_parameters(false).is_empty());
  CHECK(net->named_buffers().keys() == std::vector<std::string>{"encoder.seen"});
  CHECK(net->named_modules().keys() == std::vector<std::string>{"", "encoder", "encoder.fc", "head"});
  CHECK(net->state_dict().keys() == std::vector<std::string>{"encoder.scale", "encoder.seen", "encoder.fc.weight",
                                                             "encoder.fc.bias", "head.weight", "head.bias"});
  CHECK(net->path_of(net->encoder->fc.get()) == "encoder.fc");
  CHECK(net->path_of(net.get()) == "");
}

TEST_CASE("registration refuses bad and known names") {
  nn::Module module;
  module.register_parameter("w", ones({2}));
  CHECK_THROWS_WITH(module.register_parameter("w", ones({2})), "Parameter 'w' already defined");
  CHECK_THROWS_WITH(module.register_parameter("a.b", ones({2})), "Parameter name must not contain a dot (got 'a.b')");
  CHECK_THROWS_WITH(module.register_module("", nn::Linear(1, 1)), "Submodule name must not be empty");
  CHECK_THROWS_WITH(module.unregister_module("x"), "No Module with name `x` is registered");
}

TEST_CASE("a clone shares nothing and keeps everything") {
  Net net;
  {
    NoGradGuard no_grad;
    net.encoder->scale.fill_(3);
    net.encoder->seen.fill_(7);
  }
  net.eval();
  auto copy = std::dynamic_pointer_cast<Net>(net.clone());
  REQUIRE(copy);
  CHECK(!copy->is_training());
  CHECK(copy->encoder->seen.item<int64_t>() == 7);
  const Tensor x = randn({3, 4});
  CHECK(copy->forward(x).equal(net.forward(x)));
  {
    NoGradGuard no_grad;
    net.encoder->scale.fill_(1);
  }
  CHECK(copy->encoder->scale.select(0, 0).item<float>() == 3);
  CHECK(copy->encoder->scale.data_ptr() == copy->named_parameters()["encoder.scale"].data_ptr());
  CHECK(copy->encoder->scale.requires_grad());
}

TEST_CASE("to(dtype) converts floating-point tensors in place and leaves counters alone") {
  Net net;
  const Tensor weight = net.head->weight;
  net.to(kDouble);
  CHECK(net.head->weight.scalar_type() == kDouble);
  CHECK(net.encoder->seen.scalar_type() == kLong);
  CHECK(weight.is_same(net.head->weight));
  CHECK(net.head->weight.requires_grad());
  CHECK(net.head->weight.is_leaf());
}

TEST_CASE("zero_grad drops or zeroes gradients") {
  Net net;
  net.forward(ones({2, 4})).sum().backward();
  CHECK(net.head->bias.grad().defined());
  net.zero_grad(false);
  CHECK(net.head->bias.grad().abs().sum().item<float>() == 0);
  net.zero_grad();
  CHECK(!net.head->bias.grad().defined());
}

TEST_CASE("train and eval reach every module") {
  Net net;
  net.eval();
  CHECK(!net.encoder->fc->is_training());
  net.train();
  CHECK(net.encoder->fc->is_training());
}

TEST_CASE("load_state_dict copies by name into the same tensors") {
  Net from, to;
  const Tensor weight = to.head->weight;
  CHECK(to.load_state_dict(from.state_dict()).ok());
  CHECK(weight.is_same(to.head->weight));
  CHECK(to.head->weight.equal(from.head->weight));
  CHECK(to.head->weight.requires_grad());
}

TEST_CASE("load_state_dict: E013 lists every difference with the nearest name and changes nothing") {
  Net net;
  const Tensor before = net.head->weight.detach().clone();
  OrderedDict<std::string, Tensor> state;
  for (const auto& item : Net().state_dict()) {
    if (item.key() == "head.weight") {
      state.insert("head.wieght", item.value());
    } else if (item.key() == "encoder.scale") {
      state.insert(item.key(), ones({5}));
    } else {
      state.insert(item.key(), item.value());
    }
  }
  const std::string text = message_of([&] { net.load_state_dict(state); });
  CHECK(
      mentions(text, "E013: load_state_dict: the state does not fit Net: 1 missing, 1 unexpected, 1 of another shape"));
  CHECK(mentions(text, "missing     head.weight [2, 4]  (did you mean head.wieght?)"));
  CHECK(mentions(text, "unexpected  head.wieght [2, 4]  (did you mean head.weight?)"));
  CHECK(mentions(text, "shape       encoder.scale: module has [4], state has [5]"));
  CHECK(mentions(text, "fix: strict = false loads what fits"));
  CHECK(net.head->weight.equal(before));

  const nn::LoadReport report = net.load_state_dict(state, /*strict=*/false);
  CHECK(report.missing == std::vector<std::string>{"head.weight"});
  CHECK(report.unexpected == std::vector<std::string>{"head.wieght"});
  CHECK(report.mismatched == std::vector<std::string>{"encoder.scale"});
}

TEST_CASE("printing shows the tree") {
  // A test that includes torch/torch.h gives all printed names its prefix.
  const std::string prefix = nn::printed_namespace();
  nn::set_printed_namespace("");
  std::ostringstream out;
  out << *nn::Sequential(nn::Linear(3, 4), nn::Sequential(nn::ReLU(), nn::Dropout(0.25)), nn::BatchNorm1d(4));
  CHECK(out.str() ==
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=4, bias=true)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.25, inplace=false)\n"
        "  )\n"
        "  (2): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true)\n"
        ")");
  nn::set_printed_namespace(prefix);
}

TEST_CASE("an empty holder says so") {
  nn::Linear linear = nullptr;
  CHECK(linear.is_empty());
  CHECK(mentions(message_of([&] { linear->weight.defined(); }),
                 "Accessing empty ModuleHolder of fulmen::nn::LinearImpl"));
}

TEST_SUITE_END();
