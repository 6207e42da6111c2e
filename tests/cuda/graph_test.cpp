#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/nn/nn.h>
#include <fulmen/optim/optim.h>
#include <fulmen/tensor/cuda.h>

#include <cmath>

using namespace fulmen;

namespace {

const TensorOptions there = TensorOptions(kFloat).device(kCUDA);

template <class F>
void capture(cuda::CUDAGraph& graph, const F& work) {
  graph.capture_begin();
  try {
    work();
  } catch (...) {
    graph.capture_abandon();
    throw;
  }
  graph.capture_end();
}

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("graph: recorded, not run; every replay reads the same memory") {
    Tensor in = full({100}, 1.0, there), out = zeros({100}, there);
    cuda::CUDAGraph graph;
    capture(graph, [&] {
      CHECK(cuda::is_capturing());
      const Tensor between = in.clone();  // lies in the graph's own memory
      out.copy_(between);
    });
    CHECK(!cuda::is_capturing());
    CHECK(graph.captured());
    CHECK(equal(out.cpu(), zeros({100})));
    for (double value : {2.0, 3.0}) {
      in.fill_(value);
      graph.replay();
      CHECK(equal(out.cpu(), full({100}, value)));
    }
  }

  TEST_CASE("graph: memory lives as long as the graph and its tensors") {
    cuda::synchronize();
    cuda::empty_cache();
    const int64_t reserved = cuda::memory_reserved();
    {
      Tensor kept;
      cuda::CUDAGraph graph;
      capture(graph, [&] { kept = full({1000}, 5.0, there); });
      CHECK(cuda::memory_reserved() > reserved);
      graph.replay();
      CHECK(kept.cpu()[999].item<float>() == 5);
      graph.reset();
      CHECK(!graph.captured());
      CHECK_THROWS_WITH_AS(graph.replay(), doctest::Contains("has not been captured"), Error);
      CHECK(kept.cpu()[0].item<float>() == 5);
    }
    cuda::empty_cache();
    CHECK(cuda::memory_reserved() == reserved);
  }

  TEST_CASE("graph: memory that goes back to the driver waits for the end of a capture") {
    cuda::synchronize();
    cuda::empty_cache();
    const int64_t reserved = cuda::memory_reserved();
    Tensor kept, out = zeros({10}, there);
    {
      cuda::CUDAGraph gone;
      capture(gone, [&] { kept = full({1000}, 5.0, there); });
    }
    {
      cuda::CUDAGraph graph;
      capture(graph, [&] {
        out.fill_(3);
        kept = Tensor();  // the last memory of the graph that is gone
      });
      graph.replay();
      CHECK(equal(out.cpu(), full({10}, 3.0)));
    }
    out = Tensor();
    cuda::synchronize();
    cuda::empty_cache();
    CHECK(cuda::memory_reserved() == reserved);
  }

  TEST_CASE("graph: what would wait for the device is refused, and the capture can be abandoned") {
    const Tensor x = ones({3}, there);
    cuda::CUDAGraph graph;
    CHECK_THROWS_WITH_AS(capture(graph, [&] { x[0].item(); }),
                         doctest::Contains("not permitted while a CUDA graph is captured"), Error);
    CHECK(!cuda::is_capturing());
    CHECK(x.cpu()[0].item<float>() == 1);
    capture(graph, [&] { x.fill_(4); });
    graph.replay();
    CHECK(x.cpu()[0].item<float>() == 4);
    CHECK_THROWS_WITH_AS(graph.capture_begin(), doctest::Contains("reset() it first"), Error);
  }

  TEST_CASE("graph: random numbers go on from replay to replay as they do without it") {
    Tensor x = empty({10}, there), y = empty({10}, there);
    manual_seed(7);
    std::vector<Tensor> eager;
    for (int i = 0; i < 4; ++i) eager.push_back(x.uniform_().cpu());
    cuda::CUDAGraph graph;
    capture(graph, [&] {
      x.uniform_();
      y.uniform_();
    });
    manual_seed(7);
    graph.replay();
    CHECK(equal(x.cpu(), eager[0]));
    CHECK(equal(y.cpu(), eager[1]));
    graph.replay();
    CHECK(equal(x.cpu(), eager[2]));
    CHECK(equal(y.cpu(), eager[3]));
  }

  TEST_CASE("graph: an optimizer's steps count, and its learning rate may change") {
    Tensor here = tensor({1.0f, -2.0f, 0.5f}), gradient = tensor({0.3f, -0.1f, 2.0f});
    here.mutable_grad() = gradient;
    Tensor device = here.to(kCUDA);
    device.mutable_grad() = gradient.to(kCUDA);
    optim::AdamW on_cpu({here}, optim::AdamWOptions(0.1)), on_cuda({device}, optim::AdamWOptions(0.1).weight_decay(0));
    static_cast<optim::AdamWOptions&>(on_cpu.param_groups()[0].options()).weight_decay(0);
    cuda::CUDAGraph graph;
    CHECK_THROWS_WITH_AS(capture(graph, [&] { on_cuda.step(); }), doctest::Contains("take a step before"), Error);
    on_cpu.step();
    on_cuda.step();
    capture(graph, [&] { on_cuda.step(); });
    for (int i = 0; i < 5; ++i) {
      if (i == 3) {
        on_cpu.param_groups()[0].options().set_lr(0.01);
        on_cuda.param_groups()[0].options().set_lr(0.01);
      }
      on_cpu.step();
      graph.replay();
    }
    CHECK(allclose(device.cpu(), here, 1e-6, 1e-7));
    on_cpu.step();
    on_cuda.step();  // goes on without the graph
    CHECK(allclose(device.cpu(), here, 1e-6, 1e-7));
  }

  TEST_CASE("graph: a whole training step gives the losses of ordinary ones") {
    for (const bool adam : {false, true}) {
      auto losses = [adam](bool graph) {
        manual_seed(1);
        nn::Sequential net(nn::Linear(3, 8), nn::ReLU(), nn::Dropout(0.2), nn::Linear(8, 1));
        net->to(Device(kCUDA));
        const Tensor x = randn({5, 3}).to(kCUDA), y = randn({5, 1}).to(kCUDA);
        optim::AdamW adamw(net->parameters(), optim::AdamWOptions(0.01));
        optim::SGD sgd(net->parameters(), optim::SGDOptions(0.01).momentum(0.9));
        Tensor loss;
        auto step = [&] {
          adam ? adamw.zero_grad() : sgd.zero_grad();
          loss = (net->forward(x) - y).square().mean();
          loss.backward();
          nn::utils::clip_grad_norm_on_device_(net->parameters(), 0.5);
          adam ? adamw.step() : sgd.step();
        };
        std::vector<double> all;
        for (int i = 0; i < (graph ? 3 : 10); ++i) {
          step();
          all.push_back(loss.item<double>());
        }
        if (!graph) return all;
        cuda::CUDAGraph recorded;
        capture(recorded, step);
        loss = loss.detach();
        for (int i = 3; i < 10; ++i) {
          recorded.replay();
          all.push_back(loss.item<double>());
        }
        return all;
      };
      CHECK(losses(true) == losses(false));
    }
  }
}
