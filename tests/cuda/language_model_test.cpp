#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/functional/loss.h>
#include <fulmen/nn/generation/generate.h>
#include <fulmen/nn/models/gpt.h>
#include <fulmen/nn/models/llama.h>
#include <fulmen/nn/models/lstm_language_model.h>

#include <cmath>

namespace fulmen::nn {

namespace {

using Texts = std::vector<std::vector<int64_t>>;

/// The loss on a few texts, and the gradients of all weights, on a device.
template <class Model>
std::vector<Tensor> learn(Model& model, Device device) {
  model->to(device);
  model->zero_grad();
  const Tensor tokens = remainder(arange(3 * 9, TensorOptions(kLong)).view({3, 9}) * 7, 11).to(device);
  const Tensor logits = model->forward(tokens.narrow(1, 0, 8));
  const Tensor loss = functional::cross_entropy(logits.reshape({-1, 11}), tokens.narrow(1, 1, 8).reshape({-1}));
  loss.backward();
  std::vector<Tensor> found = {loss.detach().to(kCPU)};
  for (const Tensor& weight : model->parameters()) found.push_back(weight.grad().to(kCPU));
  return found;
}

template <class Model>
void check_on_cuda(Model model) {
  {
    NoGradGuard no_grad;
    for (Tensor& weight : model->parameters()) weight.mul_(weight.dim() > 1 ? 6 : 1);  // so that tokens matter
  }
  model->eval();
  const Texts prompts = {{1, 2, 3, 4}, {7}, {9, 8}};
  const GenerateOptions drawn{.max_new_tokens = 12, .temperature = 1, .seed = 3},
      beams{.max_new_tokens = 6, .beams = 3};
  const Texts here = generate(*model, prompts, drawn), best = generate(*model, prompts, beams);
  const std::vector<Tensor> wanted = learn(model, kCPU), found = learn(model, kCUDA);
  for (size_t i = 0; i < wanted.size(); ++i) CHECK_MESSAGE(found[i].allclose(wanted[i], 1e-3, 1e-4), i);
  CHECK(generate(*model, prompts, drawn) == here);
  CHECK(generate(*model, prompts, beams) == best);
}

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("language models learn and write as on the CPU") {
    manual_seed(6);
    check_on_cuda(GPT(GPTOptions(11, 24, 2, 2, 16).dropout(0)));
    check_on_cuda(Llama(LlamaOptions(11, 24, 2, 4, 16, 24).n_kv_heads(2)));
    check_on_cuda(LSTMLanguageModel(LSTMLanguageModelOptions(11, 2, 16)));
  }
}

}  // namespace fulmen::nn
