#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/examples/house_prices_process.h"

// The example on the device: the default data, processes of their own.
namespace {

using namespace fulmen::testing;

const std::string sales = source_dir() + "/examples/house_prices/data/ames.csv";

/// What a fit leaves and says. Two processes that trained alike differ in `seconds` only.
struct Trained {
  std::string checkpoint, report;
  nlohmann::json result;
};

Trained fit(const Folder& folder, const std::string& arguments) {
  const Finished run = house_prices(folder, "fit --max-epochs 1 " + arguments);
  REQUIRE_MESSAGE(run.status == 0, run.error);
  Trained trained{text_of(folder.path / "house_prices_run/best.ckpt"), run.error,
                  nlohmann::json::parse(last_line(run.output))};
  CHECK(trained.result.erase("seconds") == 1);
  return trained;
}

std::string predict(const Folder& folder, const std::string& accelerator) {
  const Finished run = house_prices(folder, "predict --data " + sales + " --trainer.accelerator " + accelerator);
  REQUIRE_MESSAGE(run.status == 0, run.error);
  return run.output;
}

}  // namespace

TEST_SUITE("cuda") {
  TEST_CASE("house prices on cuda: twice the same bits, also with a recorded graph, and in a new process") {
    if (!has_house_prices()) return;
    Folder first, second, recorded;
    const Trained trained = fit(first, "--trainer.accelerator cuda");
    CHECK(trained.result.at("test_r2").get<double>() > 0.7);
    const Trained again = fit(second, "--trainer.accelerator cuda");
    CHECK(again.checkpoint == trained.checkpoint);
    CHECK(again.result == trained.result);
    const Trained graph = fit(recorded, "--trainer.accelerator cuda --trainer.cuda_graph true");
    CHECK(graph.checkpoint == trained.checkpoint);
    CHECK(graph.result == trained.result);

    // `fit` ends with errors of its own predictions; those of a new process, from the checkpoint, are the same.
    const Finished test = house_prices(first, "test --trainer.accelerator cuda");
    REQUIRE_MESSAGE(test.status == 0, test.error);
    auto result = nlohmann::json::parse(test.output);
    result.erase("seconds");
    CHECK(result == trained.result);
    const std::string prices = predict(first, "cuda");
    CHECK(std::count(prices.begin(), prices.end(), '\n') > 2000);
    CHECK(predict(second, "cuda") == prices);
  }

  TEST_CASE("house prices on cuda: without dropout, whose numbers are other ones, close to the CPU") {
    if (!has_house_prices()) return;
    Folder here, there;
    const auto expected = fit(here, "--dropout 0 --trainer.accelerator cpu").result;
    const auto got = fit(there, "--dropout 0 --trainer.accelerator cuda").result;
    for (const char* name : {"test_r2", "test_rmse", "test_mae"}) {
      const auto number = expected.at(name).get<double>();
      CHECK_MESSAGE(std::fabs(got.at(name).get<double>() - number) <= 1e-3 * std::fabs(number), name);
    }
    // One checkpoint, both devices.
    const std::string prices = predict(there, "cuda"), priced_here = predict(there, "cpu");
    const char *a = prices.c_str(), *b = priced_here.c_str();
    char *a_next = nullptr, *b_next = nullptr;
    int rows = 0;
    for (;; ++rows, a = a_next, b = b_next) {
      const double x = std::strtod(a, &a_next), y = std::strtod(b, &b_next);
      if (a_next == a || b_next == b) break;
      CHECK_MESSAGE(std::fabs(x - y) <= 1e-4 * std::fabs(y) + 1, rows);
    }
    CHECK(a_next == a);
    CHECK(b_next == b);
    CHECK(rows > 6000);
  }
}
