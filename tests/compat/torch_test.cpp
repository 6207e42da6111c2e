#include <c10/util/irange.h>
#include <doctest/doctest.h>
#include <torch/torch.h>

// A program as LibTorch's documentation would write it: namespaces reopened, holders, macros, at:: beside torch::.

namespace torch {
namespace nn {
struct Doubled {};
}  // namespace nn
}  // namespace torch

namespace {

struct NetImpl : torch::nn::Module {
  NetImpl(int64_t in, int64_t out) : fc(register_module("fc", torch::nn::Linear(in, out))) {
    scale = register_parameter("scale", torch::ones({out}));
  }
  torch::Tensor forward(torch::Tensor x) { return torch::relu(fc(x)) * scale; }
  torch::nn::Linear fc;
  torch::Tensor scale;
};
TORCH_MODULE(Net);

struct NetOptions {
  TORCH_ARG(int64_t, width) = 3;
};

struct Shifted : torch::nn::Module {
  torch::Tensor forward(torch::Tensor x, torch::Tensor by) { return by.defined() ? x + by : x; }

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(torch::Tensor())})
};

struct Cube : torch::autograd::Function<Cube> {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, torch::Tensor x) {
    ctx->save_for_backward({x});
    return x * x * x;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list gy) {
    const torch::Tensor x = ctx->get_saved_variables()[0];
    return {gy[0] * 3 * x * x};
  }
};

struct Recorder : c10::WarningHandler {
  void process(const c10::Warning& warning) override { last = warning.msg(); }
  std::string last;
};

}  // namespace

TEST_SUITE_BEGIN("compat");

TEST_CASE("a training loop") {
  torch::manual_seed(0);
  Net net(2, 3);
  torch::optim::SGD optimizer(net->parameters(), /*lr=*/0.1);
  torch::Tensor first, last;
  for (const auto i : c10::irange(20)) {
    optimizer.zero_grad();
    torch::Tensor loss = torch::mse_loss(net(torch::ones({4, 2})), torch::ones({4, 3}));
    loss.backward();
    optimizer.step();
    (i == 0 ? first : last) = loss;
  }
  CHECK(last.item<float>() < first.item<float>());
  CHECK(net->named_parameters().keys() == std::vector<std::string>{"scale", "fc.weight", "fc.bias"});
}

TEST_CASE("at::tensor keeps the C++ type, torch::tensor does not") {
  CHECK(at::tensor(1).dtype() == torch::kInt32);
  CHECK(torch::tensor(1).dtype() == torch::kInt64);
  CHECK(at::tensor(1.5).dtype() == torch::kDouble);
  CHECK(torch::tensor(1.5).dtype() == torch::kFloat);
}

TEST_CASE("modules print under LibTorch's names") {
  CHECK(c10::str(torch::nn::Linear(3, 4)) == "torch::nn::Linear(in_features=3, out_features=4, bias=true)");
  CHECK(c10::str(torch::nn::Dropout(0.25)) == "torch::nn::Dropout(p=0.25, inplace=false)");
  CHECK(c10::str("a", 1, true) == "a11");
}

TEST_CASE("macros") {
  CHECK(NetOptions().width(7).width() == 7);
  try {
    TORCH_CHECK(1 > 2, "one is ", 1);
    FAIL("TORCH_CHECK did not throw");
  } catch (const c10::Error& error) {
    CHECK(std::string(error.what_without_backtrace()) == "one is 1");
  }
  CHECK_THROWS_WITH(AT_ASSERT(false), "Expected false to be true, but got false.");
  torch::nn::Sequential net(Shifted{});
  CHECK(net->forward(torch::ones({2})).sum().item<float>() == 2);
}

TEST_CASE("warnings go to the handler that is installed") {
  Recorder recorder;
  c10::WarningHandler* before = c10::WarningUtils::get_warning_handler();
  c10::WarningUtils::set_warning_handler(&recorder);
  TORCH_WARN("careful: ", 3);
  c10::WarningUtils::set_warning_handler(before);
  CHECK(recorder.last == "careful: 3");
}

TEST_CASE("custom functions") {
  const torch::Tensor x = torch::tensor({2.0}, torch::requires_grad());
  Cube::apply(x).sum().backward();
  CHECK(x.grad().item<float>() == 12);
}

TEST_CASE("at::globalContext()") {
  CHECK_FALSE(at::globalContext().allowTF32CuBLAS());
  at::globalContext().setFloat32MatmulPrecision("high");
  CHECK(at::globalContext().float32MatmulPrecision() == at::Float32MatmulPrecision::HIGH);
  at::globalContext().setAllowTF32CuBLAS(false);
  CHECK_FALSE(torch::globalContext().allowTF32CuBLAS());
}

TEST_SUITE_END();
