#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/optim/grad_scaler.h>
#include <fulmen/optim/optim.h>
#include <tests/message_of.h>

#include <cmath>
#include <limits>

using namespace fulmen;
using fulmen::testing::message_of;
using optim::GradScaler;
using optim::GradScalerOptions;

namespace {

struct OneWeight {
  Tensor w = ones({1}).requires_grad_();
  optim::SGD optimizer{{w}, optim::SGDOptions(0.5)};

  /// One iteration with the gradient `slope`; whether the optimizer stepped.
  bool step(GradScaler& scaler, double slope) {
    optimizer.zero_grad();
    scaler.scale((w * slope).sum()).backward();
    const bool stepped = scaler.step(optimizer);
    scaler.update();
    return stepped;
  }
};

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_SUITE("optim") {
  TEST_CASE("GradScaler: the step is that of the unscaled gradient") {
    OneWeight model;
    GradScaler scaler;
    CHECK(scaler.get_scale() == 65536);
    CHECK(model.step(scaler, 1));
    CHECK(model.w.item<float>() == 0.5f);
    CHECK(model.w.grad().item<float>() == 1);
  }

  TEST_CASE("GradScaler: infinite gradients are left out, and the scale follows as torch.amp.GradScaler's") {
    OneWeight model;
    GradScaler scaler(GradScalerOptions().init_scale(8).growth_interval(2));
    std::vector<double> scales;
    for (const double slope : {1.0, 1.0, 1.0, infinity, 1.0, std::nan(""), 1.0, 1.0}) {
      const float before = model.w.item<float>();
      const bool stepped = model.step(scaler, slope);
      CHECK(stepped == std::isfinite(slope));
      CHECK((model.w.item<float>() != before) == stepped);
      scales.push_back(scaler.get_scale());
    }
    CHECK(scales == std::vector<double>{8, 16, 16, 8, 8, 4, 4, 8});
    CHECK(scaler.growth_tracker() == 0);
  }

  TEST_CASE("GradScaler: unscale_ before the step, once") {
    OneWeight model;
    GradScaler scaler;
    scaler.scale((model.w * 3).sum()).backward();
    CHECK(model.w.grad().item<float>() == 3 * 65536);
    scaler.unscale_(model.optimizer);
    CHECK(model.w.grad().item<float>() == 3);
    CHECK(message_of([&] { scaler.unscale_(model.optimizer); }).find("already been called") != std::string::npos);
    CHECK(scaler.step(model.optimizer));
    CHECK(model.w.grad().item<float>() == 3);
    CHECK(message_of([&] { scaler.step(model.optimizer); }).find("already been called") != std::string::npos);
    scaler.update();
    CHECK(message_of([&] { scaler.update(); }).find("without a step()") != std::string::npos);
  }

  TEST_CASE("GradScaler: disabled, restored, and of half gradients") {
    OneWeight model;
    GradScaler off(GradScalerOptions().enabled(false));
    CHECK(model.step(off, 2));
    CHECK(off.get_scale() == 1);

    GradScaler scaler;
    scaler.load_state(1024, 7);
    CHECK(scaler.get_scale() == 1024);
    CHECK(scaler.growth_tracker() == 7);
    CHECK(message_of([&] { scaler.load_state(0, 0); }).find("is not one") != std::string::npos);
    CHECK(message_of([] { GradScaler(GradScalerOptions().backoff_factor(2)); }).find("between 0 and 1") !=
          std::string::npos);

    Tensor half = ones({1}, TensorOptions(kHalf)).requires_grad_();
    optim::SGD optimizer({half}, optim::SGDOptions(0.1));
    half.sum().backward();
    CHECK(message_of([&] { scaler.unscale_(optimizer); }).find("FP16 gradients") != std::string::npos);
  }
}
