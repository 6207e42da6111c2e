#include <doctest/doctest.h>
#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/kernels/philox.h>
#include <fulmen/tensor/cuda.h>

using namespace fulmen;

TEST_SUITE("cuda") {
  TEST_CASE("attention's dropout is Philox at each position, forward and backward, and in the second derivative") {
    const int64_t batch = 2, heads = 2, queries = 5, keys = 37, features = 4;
    const double p = 0.4;
    manual_seed(9);
    const Tensor q = randn({batch, heads, queries, features}), k = randn({batch, heads, keys, features});
    const Tensor v = randn({batch, heads, keys, features}), g = randn({batch, heads, queries, features});
    const Tensor again = randn({batch, heads, queries, features});
    Tensor noise = empty({batch, heads, queries, keys});
    for (int64_t i = 0; i < noise.numel(); ++i) {
      const uint32_t draw = philox(31, static_cast<uint64_t>(i / 4), 0).word[i % 4];
      const float unit = static_cast<float>(draw >> 8) * 0x1p-24f;
      noise.data_ptr<float>()[i] = unit >= static_cast<float>(p) ? static_cast<float>(1 / (1 - p)) : 0.0f;
    }
    auto derivatives = [&](const Device& device) {
      std::vector<Tensor> in;
      for (const Tensor& t : {q, k, v}) in.push_back(t.to(device).requires_grad_());
      Tensor y;
      if (device.is_cuda()) {
        default_generator(cuda::exact(device))->set_seed(31);
        y = scaled_dot_product_attention(in[0], in[1], in[2], {}, p);
      } else {
        y = matmul(softmax(matmul(in[0], in[1].transpose(-2, -1)).mul(0.5), -1).mul(noise), in[2]);
      }
      std::vector<Tensor> out = autograd::grad({y}, in, {g.to(device)}, true, true);
      const std::vector<Tensor> second = autograd::grad({out[0]}, in, {again.to(device)});
      out.insert(out.end(), second.begin(), second.end());
      out.push_back(y);
      return out;
    };
    const std::vector<Tensor> expected = derivatives(kCPU), got = derivatives(kCUDA), twice = derivatives(kCUDA);
    for (size_t i = 0; i < expected.size(); ++i) {
      CHECK(got[i].cpu().allclose(expected[i], 1e-4, 1e-5));
      CHECK(got[i].cpu().equal(twice[i].cpu()));
    }
  }
}
