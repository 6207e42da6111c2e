// A whole training step of a small network, and what the trainer adds to it.
#include <benchmark/benchmark.h>
#include <fulmen/bench/peer.h>

namespace {

using fulmen::Tensor;
namespace nn = fulmen::nn;

struct SmallNet {
  nn::Sequential net{nn::Linear(8, 32), nn::ReLU(), nn::Linear(32, 1)};
  fulmen::optim::AdamW optimizer{net->parameters(), fulmen::optim::AdamWOptions(1e-3)};
  Tensor x = fulmen::randn({32, 8}), y = fulmen::randn({32, 1});

  void step() {
    optimizer.zero_grad();
    fulmen::mse_loss(net->forward(x), y).backward();
    optimizer.step();
  }
};

void mlp_8_32_1_adamw(benchmark::State& state) {
  fulmen::manual_seed(0);
  SmallNet small;
  for (auto _ : state) small.step();
}
BENCHMARK(mlp_8_32_1_adamw);

}  // namespace
