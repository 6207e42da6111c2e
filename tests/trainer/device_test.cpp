#include <doctest/doctest.h>
#include <fulmen/tensor/cuda.h>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {

TEST_SUITE("trainer") {
  TEST_CASE("accelerator and devices: what is allowed, and what is missing (E016, E018)") {
    auto refused = [](auto change) {
      TrainerOptions options = quiet(1);
      change(options);
      return message_of([&] { Trainer trainer(options); });
    };
    CHECK(refused([](TrainerOptions& o) { o.accelerator = "tpu"; }).find("E016: accelerator is tpu") == 0);
    auto on_cpu = [&](Devices devices) {
      return refused([&](TrainerOptions& o) { o.accelerator = "cpu", o.devices = devices; });
    };
    CHECK(on_cpu(2).find("E016: devices is 2; allowed: 1 on a CPU") == 0);
    CHECK(on_cpu({0, 1}).find("E016: devices is 0,1,; allowed: 1 on a CPU") == 0);
    CHECK(on_cpu({1, 1}).find("E016: devices is 1,1,; allowed: at least one device") == 0);
    CHECK(on_cpu(0).find("E016: devices is 0; allowed: at least one device") == 0);
    CHECK(refused([](TrainerOptions& o) { o.accelerator = "cpu"; }) == "no error");
    CHECK(refused([](TrainerOptions& o) { o.devices = 1; }) == "no error");
    if (cuda::is_available()) {
      CHECK(refused([](TrainerOptions& o) {
              o.accelerator = "cuda";
              o.devices = {99};
            }).find("E018: devices asks for cuda:99") == 0);
    } else {
      CHECK(refused([](TrainerOptions& o) { o.accelerator = "cuda"; }).find("E018: accelerator is cuda, but ") == 0);
      CHECK(message_of([] { ones({2}, TensorOptions().device(kCUDA)); }).find("E018: there is no device cuda: ") == 0);
    }
  }

  TEST_CASE("devices as text") {
    CHECK(Devices("auto") == Devices());
    CHECK(Devices("1") == Devices(1));
    CHECK(Devices("1,") == Devices({1}));
    CHECK(Devices("0,2") == Devices({0, 2}));
    CHECK(Devices({3}).first() == 3);
    CHECK(Devices({3, 1}).numbers() == std::vector<int>{3, 1});
    CHECK(Devices(2).numbers() == std::vector<int>{0, 1});
    CHECK(Devices().numbers() == std::vector<int>{0});
    CHECK(Devices({3}).text() == "3,");
    CHECK(Devices().text() == "auto");
    for (const char* bad : {"", "one", "-1", "1,x", ",", "1 ,"}) {
      CHECK_MESSAGE(message_of([&] { Devices{std::string(bad)}; }).find("E016: devices is ") == 0, bad);
    }
  }
}

}  // namespace fulmen::trainer::testing
