#include <fulmen/bench/kernels/bench.h>
#include <fulmen/fulmen.h>

// Losses, embeddings, the optimizer and gradient clipping, at the sizes of a language model of 124 million parameters.
namespace kernel_bench {

using namespace fulmen;

namespace {

TensorOptions on_device(ScalarType dtype) { return TensorOptions(dtype).device(kCUDA); }

void add_losses(std::vector<Case>& cases, const Scale& scale) {
  const int64_t rows = scale(8192), classes = scale(50304);
  const double logits = 2.0 * static_cast<double>(rows * classes);
  const std::string shape = std::to_string(rows) + "x" + std::to_string(classes) + " bfloat16";
  auto with_labels = [=](auto op) -> Prepare {
    return [=]() -> Run {
      const Tensor x = randn({rows, classes}, on_device(kBFloat16));
      const Tensor labels = randint(classes, {rows}, on_device(kLong));
      return [=] { return op(x, labels); };
    };
  };
  cases.push_back({"cross_entropy/forward", shape, logits, 0, Ceiling::read,
                   with_labels([](const Tensor& x, const Tensor& labels) { return cross_entropy(x, labels); })});
  cases.push_back({"cross_entropy/forward and backward", shape, 2 * logits, 0, Ceiling::copy,
                   with_labels([](const Tensor& x, const Tensor& labels) {
                     const AutoGradMode recording(true);
                     const Tensor leaf = x.detach().requires_grad_(true);
                     return autograd::grad({cross_entropy(leaf, labels)}, {leaf})[0];
                   })});

  const int64_t n = scale.quick ? 1000 : 64 << 20;
  const double bytes = 4.0 * static_cast<double>(n);
  auto pair = [n](auto op) -> Prepare {
    return [=]() -> Run {
      const Tensor x = randn({n}, on_device(kFloat)), target = randn({n}, on_device(kFloat));
      return [=] { return op(x, target); };
    };
  };
  cases.push_back({"mse_loss/forward", std::to_string(n) + " float32", 2 * bytes, 0, Ceiling::read,
                   pair([](const Tensor& x, const Tensor& target) { return mse_loss(x, target); })});
  cases.push_back({"mse_loss/forward and backward", std::to_string(n) + " float32", 5 * bytes, 0, Ceiling::copy,
                   pair([](const Tensor& x, const Tensor& target) {
                     const AutoGradMode recording(true);
                     const Tensor leaf = x.detach().requires_grad_(true);
                     return autograd::grad({mse_loss(leaf, target)}, {leaf})[0];
                   })});
}

void add_embedding(std::vector<Case>& cases, const Scale& scale) {
  const int64_t words = scale(50304), width = scale(768), count = scale(131072);
  const double rows = 4.0 * static_cast<double>(count * width), table = 4.0 * static_cast<double>(words * width);
  const std::string shape = std::to_string(count) + " of " + std::to_string(words) + "x" + std::to_string(width);
  cases.push_back({"embedding/forward", shape, 2 * rows, 0, Ceiling::copy, [=]() -> Run {
                     const Tensor weight = randn({words, width}, on_device(kFloat));
                     const Tensor indices = randint(words, {count}, on_device(kLong));
                     return [=] { return embedding(weight, indices); };
                   }});
  cases.push_back({"embedding/backward", shape, rows + table, 0, Ceiling::copy, [=]() -> Run {
                     const AutoGradMode recording(true);
                     const Tensor weight = randn({words, width}, on_device(kFloat)).requires_grad_(true);
                     const Tensor y = embedding(weight, randint(words, {count}, on_device(kLong)));
                     const Tensor gy = randn({count, width}, on_device(kFloat));
                     return [=] { return autograd::grad({y}, {weight}, {gy}, true)[0]; };
                   }});
}

/// The parameters of a language model: 12 blocks of width 768, 50304 words, 1024 positions; with gradients.
std::vector<Tensor> parameters(const Scale& scale) {
  const int64_t width = scale(768), words = scale(50304);
  std::vector<std::vector<int64_t>> sizes = {{words, width}, {scale(1024), width}, {width}, {width}};
  for (int block = 0; block < (scale.quick ? 2 : 12); ++block) {
    for (const std::vector<int64_t>& one : std::initializer_list<std::vector<int64_t>>{{width},
                                                                                       {width},
                                                                                       {3 * width, width},
                                                                                       {3 * width},
                                                                                       {width, width},
                                                                                       {width},
                                                                                       {width},
                                                                                       {width},
                                                                                       {4 * width, width},
                                                                                       {4 * width},
                                                                                       {width, 4 * width},
                                                                                       {width}}) {
      sizes.push_back(one);
    }
  }
  std::vector<Tensor> all;
  for (const auto& one : sizes) {
    all.push_back(randn(one, on_device(kFloat)).requires_grad_(true));
    all.back().mutable_grad() = randn(one, on_device(kFloat));
  }
  return all;
}

void add_optimizer(std::vector<Case>& cases, const Scale& scale) {
  int64_t width = scale(768), blocks = scale.quick ? 2 : 12;
  const int64_t count = (scale(50304) + scale(1024) + 2) * width + blocks * (12 * width * width + 13 * width);
  const double n = static_cast<double>(count);
  const std::string shape = std::to_string(count) + " float32";
  cases.push_back({"adamw", shape, 28 * n, 0, Ceiling::copy, [scale]() -> Run {
                     auto optimizer = std::make_shared<optim::AdamW>(parameters(scale));
                     optimizer->step();
                     return [optimizer] {
                       optimizer->step();
                       return Tensor();
                     };
                   }});
  cases.push_back({"clip_grad_norm", shape, 12 * n, 0, Ceiling::copy, [scale]() -> Run {
                     const std::vector<Tensor> all = parameters(scale);
                     return [all] { return nn::utils::clip_grad_norm_on_device_(all, 1.0); };
                   }});
}

}  // namespace

std::vector<Case> loss_and_optimizer_cases(const Scale& scale) {
  std::vector<Case> cases;
  add_losses(cases, scale);
  add_embedding(cases, scale);
  add_optimizer(cases, scale);
  return cases;
}

}  // namespace kernel_bench
