#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/models/bert.h>

namespace fulmen::nn {

TEST_SUITE("cuda") {
  TEST_CASE("Bert: vectors, embeddings and gradients of padded texts as on the CPU") {
    manual_seed(8);
    Bert model(BertOptions(19, 16, 2, 4, 24).hidden_dropout_prob(0).attention_probs_dropout_prob(0));
    {
      NoGradGuard no_grad;
      for (Tensor& weight : model->parameters()) weight.mul_(weight.dim() > 1 ? 8 : 1);  // so that tokens matter
    }
    const Tensor ids = remainder(arange(3 * 7, TensorOptions(kLong)).view({3, 7}) * 5, 19);
    const Tensor mask = arange(7).unsqueeze(0) < tensor({4, 7, 1}).unsqueeze(1);
    const auto learn = [&](Device device) {
      model->to(device);
      model->zero_grad();
      const Tensor hidden = model->forward(ids.to(device), mask.to(device));
      const Tensor found = model->sentence_embeddings(ids.to(device), mask.to(device));
      (found.select(1, 2).sum() + model->pool(hidden).square().sum()).backward();
      std::vector<Tensor> all = {hidden.detach().to(kCPU), found.detach().to(kCPU)};
      for (const Tensor& weight : model->parameters()) all.push_back(weight.grad().to(kCPU));
      return all;
    };
    const std::vector<Tensor> wanted = learn(kCPU), found = learn(kCUDA);
    for (size_t i = 0; i < wanted.size(); ++i) CHECK_MESSAGE(found[i].allclose(wanted[i], 1e-3, 1e-4), i);
  }
}

}  // namespace fulmen::nn
