// Starts, trains one step of a small network and ends: compare.py measures this program's time and memory, how long it
// takes to compile, and its size.
#include <fulmen/bench/peer.h>

#include <cstdio>

int main() {
  fulmen::manual_seed(0);
  fulmen::nn::Sequential net(fulmen::nn::Linear(8, 32), fulmen::nn::ReLU(), fulmen::nn::Linear(32, 1));
  fulmen::optim::AdamW optimizer(net->parameters(), fulmen::optim::AdamWOptions(1e-3));
  const fulmen::Tensor x = fulmen::randn({32, 8}), y = fulmen::randn({32, 1});
  fulmen::Tensor loss = fulmen::mse_loss(net->forward(x), y);
  loss.backward();
  optimizer.step();
  std::printf("%.6f\n", static_cast<double>(loss.item<float>()));
}
