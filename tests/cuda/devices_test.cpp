#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/tensor/cuda.h>

// With FULMEN_EMU_DEVICES=3, or on a machine with several GPUs.
using namespace fulmen;

TEST_SUITE("cuda") {
  const Device first("cuda:0"), second("cuda:1");

  TEST_CASE("several devices: copies, operations, and the current one") {
    if (cuda::device_count() < 2) return;
    const Tensor x = randn({5, 7}), there = x.to(second);
    CHECK(there.device() == second);
    CHECK(equal(there.cpu(), x));
    CHECK(equal(there.to(first).to(second).to("cuda:1"), there));
    CHECK(there.to(first).device() == first);
    const Tensor sum = there + 1;
    CHECK(sum.device() == second);
    CHECK(equal(sum.cpu(), x + 1));
    CHECK(cuda::current_device() == 0);
    {
      const cuda::DeviceGuard guard(second);
      CHECK(ones({2}, TensorOptions().device(kCUDA)).device() == second);
    }
    CHECK(cuda::current_device() == 0);
    CHECK(there.to(kCUDA).device() == first);  // "cuda" is the current one
    // A copy from a device whose work is still under way waits for it, and the target may be dropped at once.
    Tensor y = zeros({1000}, TensorOptions().device(first));
    for (int i = 0; i < 10; ++i) y.to(second), y = (y + 1).to(second).to(first);
    CHECK(y.sum().item<float>() == 10000);
    CHECK_THROWS_WITH_AS(x.to("cuda:99"), doctest::Contains("there is no device cuda:99"), Error);
  }

  TEST_CASE("several devices: gradients flow between them") {
    if (cuda::device_count() < 2) return;
    const Tensor w = randn({3}).to(first).requires_grad_(), v = randn({3}).to(second).requires_grad_();
    ((w * 2).to(second) * v).sum().backward();
    CHECK(w.grad().device() == first);
    CHECK(v.grad().device() == second);
    CHECK(allclose(w.grad().cpu(), v.detach().cpu() * 2));
    CHECK(allclose(v.grad().cpu(), w.detach().cpu() * 2));
    nn::Linear layer(3, 2);
    layer->to(first);
    layer(ones({1, 3}).to(first)).sum().backward();
    layer->zero_grad();
    layer->to(second);
    layer(ones({1, 3}).to(second)).sum().backward();
    CHECK(layer->weight.grad().device() == second);
  }

  TEST_CASE("several devices: one operation takes tensors of one device") {
    if (cuda::device_count() < 2) return;
    const Tensor here = ones({2, 2}).to(first), there = ones({2, 2}).to(second);
    auto refused = [](auto call) {
      try {
        call();
      } catch (const Error& error) {
        const std::string text = error.what();
        CAPTURE(text);
        CHECK(text.find("same device") != std::string::npos);
        CHECK(text.find("cuda:0") != std::string::npos);
        CHECK(text.find("cuda:1") != std::string::npos);
        return;
      }
      FAIL("no error");
    };
    refused([&] { here + there; });
    refused([&] { matmul(here, there); });
    refused([&] { cat({here, there}); });
    refused([&] { here.eq(there); });
    refused([&] { where(here > 0, here, there); });
    refused([&] { nn::functional::mse_loss(here, there); });
    refused([&] { nn::functional::linear(here, there); });
    refused([&] { nn::functional::layer_norm(here, nn::functional::LayerNormFuncOptions({2}).weight(there[0])); });
  }

  TEST_CASE("several devices: each has its streams, memory, and random numbers") {
    if (cuda::device_count() < 2) return;
    CHECK(cuda::current_stream(1).device() == 1);
    CHECK(!(cuda::default_stream(1) == cuda::default_stream(0)));
    const int64_t before[] = {cuda::memory_allocated(0), cuda::memory_allocated(1)};
    const Tensor kept = zeros({1000}, TensorOptions().device(second));
    CHECK(cuda::memory_allocated(0) == before[0]);
    CHECK(cuda::memory_allocated(1) >= before[1] + 4000);
    cuda::manual_seed_all(5);
    const Tensor a = rand({10}, TensorOptions().device(first)), b = rand({10}, TensorOptions().device(second));
    CHECK(equal(a.cpu(), b.cpu()));  // of the same seed
    const Tensor c = rand({10}, TensorOptions().device(first));
    cuda::manual_seed_all(5);
    rand({10}, TensorOptions().device(first));
    CHECK(equal(rand({10}, TensorOptions().device(first)).cpu(), c.cpu()));
    cuda::Event event;
    event.record(cuda::current_stream(1));
    event.block(cuda::current_stream(0));
    CHECK_THROWS_WITH_AS(event.record(cuda::current_stream(0)), doctest::Contains("Event device cuda:1"), Error);
    {
      const cuda::StreamGuard guard{cuda::Stream(1)};
      CHECK(cuda::current_device() == 1);
      CHECK(((kept + 1) * 2).sum().item<float>() == 2000);
    }
    CHECK(cuda::current_device() == 0);
  }

  TEST_CASE("several devices: a bad index is thrown by the device that found it") {
    if (cuda::device_count() < 2) return;
    const Tensor table = randn({4, 2}).to(second);
    const Tensor taken = table.index_select(0, tensor({1, 9}).to(second));
    cuda::synchronize(0);
    CHECK_THROWS_WITH_AS(cuda::synchronize(1), doctest::Contains("on cuda:1"), Error);
    cuda::synchronize(1);
  }
}
