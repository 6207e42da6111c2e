#include <doctest/doctest.h>
#include <fulmen/trainer/logger.h>
#include <sys/stat.h>
#include <tests/message_of.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "recording.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;

using Files = std::vector<std::string>;

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("JSON Lines: one object per row, a folder per run") {
    TemporaryFolder folder;
    for (int run = 0; run < 2; ++run) {
      JsonLinesLogger logger(folder.path(), "logs");
      logger.log_hyperparams("{\"lr\":0.5}");
      CHECK(folder.files().size() == static_cast<size_t>(2 * run));
      logger.log_metrics({{"loss", 0.25}, {"epoch", 0}}, 0);
      logger.log_metrics({{"loss", std::nan("")}, {"odd,\"name\"", 1e-9}, {"epoch", 1}}, 7);
      logger.log_metrics({}, 8);
      logger.log_metrics({{"x", -HUGE_VAL}, {"y", 0.1f}, {"z", 0.1}}, 9);
      logger.finalize("success");
    }
    CHECK(folder.files() == Files{"logs/version_0/hparams.json", "logs/version_0/metrics.jsonl",
                                  "logs/version_1/hparams.json", "logs/version_1/metrics.jsonl"});
    CHECK(contents(folder.path("logs/version_1/hparams.json")) == "{\"lr\":0.5}\n");
    CHECK(contents(folder.path("logs/version_1/metrics.jsonl")) ==
          "{\"step\": 0, \"loss\": 0.25, \"epoch\": 0}\n"
          "{\"step\": 7, \"loss\": \"nan\", \"odd,\\\"name\\\"\": 1e-09, \"epoch\": 1}\n"
          "{\"step\": 8}\n"
          "{\"step\": 9, \"x\": \"-inf\", \"y\": 0.1, \"z\": 0.1}\n");
  }

  TEST_CASE("CSV: a column per metric; one that comes later is added to the rows before") {
    TemporaryFolder folder;
    const std::string path = folder.path("logs/version_0/metrics.csv");
    CsvLogger logger(folder.path(), "logs");
    logger.log_metrics({{"loss", 0.25}, {"epoch", 0}}, 0);
    logger.log_metrics({{"epoch", 0}, {"loss", 0.125}}, 1);
    logger.save();
    CHECK(contents(path) == "epoch,step,loss\n0,0,0.25\n0,1,0.125\n");
    logger.log_metrics({{"odd,\"name\"", 1e-9}, {"epoch", 1}}, 7);
    logger.log_metrics({{"loss", std::nan("")}, {"late", 1}, {"epoch", 1}}, 8);
    logger.finalize("success");
    CHECK(contents(path) ==
          "epoch,step,loss,\"odd,\"\"name\"\"\",late\n0,0,0.25,,\n0,1,0.125,,\n1,7,,1e-09,\n1,8,nan,,1\n");
    CHECK(folder.files() == Files{"logs/version_0/metrics.csv"});
  }

  TEST_CASE("CSV: a resumed run goes on below the rows that are there, a torn last row aside") {
    TemporaryFolder folder;
    for (int run = 0; run < 2; ++run) {
      CsvLogger table(folder.path(), "logs", "mine");
      JsonLinesLogger lines(folder.path(), "logs", "mine");
      for (Logger* logger : {static_cast<Logger*>(&table), static_cast<Logger*>(&lines)}) {
        logger->log_metrics({{"loss", run + 0.5}, {"epoch", run}}, run);
        if (run == 1) logger->log_metrics({{"accuracy", 1}}, 2);
        logger->save();
      }
      if (run == 1) continue;
      std::ofstream(folder.path("logs/mine/metrics.csv"), std::ios::app) << "0,1,0.3";
      std::ofstream(folder.path("logs/mine/metrics.jsonl"), std::ios::app) << "{\"step\": 1, \"lo";
    }
    CHECK(contents(folder.path("logs/mine/metrics.csv")) == "epoch,step,loss,accuracy\n0,0,0.5,\n1,1,1.5,\n,2,,1\n");
    CHECK(contents(folder.path("logs/mine/metrics.jsonl")) ==
          "{\"step\": 0, \"loss\": 0.5, \"epoch\": 0}\n{\"step\": 1, \"loss\": 1.5, \"epoch\": 1}\n"
          "{\"step\": 2, \"accuracy\": 1}\n");
  }

  TEST_CASE("loggers write with checkpoints and at the end, and say which file they cannot write") {
    TemporaryFolder folder;
    CsvLogger logger(folder.path(), "logs");
    logger.log_metrics({{"loss", 1}}, 0);
    CHECK(contents(folder.path("logs/version_0/metrics.csv")).empty());
    logger.after_save_checkpoint("somewhere");
    CHECK(contents(folder.path("logs/version_0/metrics.csv")) == "epoch,step,loss\n,0,1\n");
    std::filesystem::create_directories(folder.path("logs/blocked/metrics.csv"));  // a folder in the file's place
    CsvLogger blocked(folder.path(), "logs", "blocked");
    const std::string message = message_of([&] { blocked.log_metrics({{"loss", 1}}, 0); });
    CHECK(mentions(message, "logger: cannot write " + folder.path("logs/blocked/metrics.csv")));
    if (std::filesystem::exists("/dev/full")) {  // a full disk
      GrowingFile full;
      full.open("/dev/full");
      full.pending() = "x";
      CHECK(mentions(message_of([&] { full.flush(); }), "logger: cannot write /dev/full: No space left on device"));
      full.pending().clear();
    }
  }

  TEST_CASE("a row costs constant time") {
    TemporaryFolder folder;
    CsvLogger table(folder.path(), "a");
    JsonLinesLogger lines(folder.path(), "b");
    for (Logger* logger : {static_cast<Logger*>(&table), static_cast<Logger*>(&lines)}) {
      double best = 1;
      for (int round = 0; round < 20; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < 2000; ++i) {
          logger->log_metrics({{"train_loss", 0.731f / (1 + i)}, {"epoch", round}, {"lr", 1e-3}}, i);
        }
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 2000);
      }
      MESSAGE("nanoseconds per row: ", best * 1e9);
      CHECK(best < 20e-6);  // about 0.5e-6 in a release build; sanitizers are slower
    }
    std::ifstream rows(folder.path("a/version_0/metrics.csv"));
    table.save();
    CHECK(std::count(std::istreambuf_iterator<char>(rows), {}, '\n') == 40001);
  }
}

}  // namespace fulmen::trainer::testing
