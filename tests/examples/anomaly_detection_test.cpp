#include <doctest/doctest.h>

#include <algorithm>

#include "tests/examples/house_prices_process.h"
#include "tests/message_of.h"

using namespace fulmen::testing;

namespace {

Finished anomaly_detection(const Folder& folder, const std::string& arguments, const std::string& input = "") {
  std::ofstream(folder.path / ".in", std::ios::binary) << input;
  const std::string command =
      "cd " + folder.path.string() + " && " + bin_dir() + "/anomaly_detection " + arguments + " >.out 2>.error <.in";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder.path / ".out"), text_of(folder.path / ".error")};
}

int64_t count_of(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_SUITE("examples") {
  TEST_CASE("anomaly_detection: finds the failures of its simulated machine, and follows a stream") {
    if (!fs::exists(bin_dir() + "/anomaly_detection")) return;
    const Folder folder;
    const Finished fit = anomaly_detection(folder, "fit --enable_progress_bar=false --max_epochs 40");
    CHECK_MESSAGE(fit.status == 0, fit.error);
    CHECK(fs::exists(folder.path / "anomaly_detection_run/report.html"));
    const Finished validate = anomaly_detection(folder, "validate");
    CHECK_MESSAGE(validate.status == 0, validate.error);
    CHECK(mentions(last_line(validate.output), "\"val_loss\": "));
    CHECK_MESSAGE(count_of(fit.output, "  to  ") <= 6, fit.output);  // it fails four times
    for (const char* begin : {"minute 13", "minute 28", "minute 43", "minute 58"}) CHECK(mentions(fit.output, begin));
    CHECK(mentions(last_line(fit.output), "\"episodes\": "));
    const Finished again = anomaly_detection(folder, "test");
    CHECK(again.output.substr(0, again.output.find('{')) ==
          fit.output.substr(fit.output.find("minute"), again.output.find('{')));
    std::string rows = "timestamp,value\r\n";
    for (int i = 0; i < 600; ++i) rows += std::to_string(i) + "," + (i % 2 == 0 ? "120" : "40") + "\n";
    const Finished follow = anomaly_detection(folder, "predict --follow", rows + "broken\n7,\n8,nan\n9,80");
    CHECK(follow.status == 0);
    CHECK(count_of(follow.output, "\n") == 601);
    CHECK(mentions(follow.output, "ALARM"));
    CHECK(count_of(follow.error, "left out") == 3);
    CHECK(mentions(follow.error, "line 602: 'broken' is not a time, a comma and a number"));
    const std::string data = fulmen::testing::shared_dir() + "/data/sensors/machine_temperature_system_failure.csv";
    if (!fs::exists(data)) return;
    const Finished machine = anomaly_detection(folder, "fit --enable_progress_bar=false --data " + data);
    CHECK(count_of(machine.output, "  to  ") <= 7);
    for (const char* found : {"2013-12-16", "2014-01-29", "2014-02-0"})
      CHECK_MESSAGE(mentions(machine.output, found), machine.output);
  }

  TEST_CASE("anomaly_detection: wrong data ends with one clear line") {
    if (!fs::exists(bin_dir() + "/anomaly_detection")) return;
    const Folder folder;
    std::ofstream(folder.path / "short.csv") << "timestamp,value\n1,2\n2,3\n";
    std::ofstream(folder.path / "words.csv") << "timestamp,value\n1,2\n2,warm\n";
    std::ofstream(folder.path / "empty.csv");
    std::ofstream constant(folder.path / "constant.csv"), latin(folder.path / "latin.csv", std::ios::binary);
    constant << "timestamp,value\n", latin << "timestamp,value\n";
    for (int i = 0; i < 500; ++i) constant << i << ",5\n", latin << i << "\xE9,5\n";
    constant.close(), latin.close();
    const auto complaint = [&](const std::string& arguments) {
      const Finished run = anomaly_detection(folder, arguments);
      CHECK(run.status == 2);
      CHECK(count_of(run.error, "\n") == 1);
      return run.error;
    };
    CHECK(mentions(complaint("fit --data none.csv"), "cannot open the file"));
    CHECK(mentions(complaint("fit --data short.csv"), "expected at least two windows"));
    CHECK(mentions(complaint("fit --data words.csv"), "'warm' is not a number"));
    CHECK(mentions(complaint("fit --data short.csv --value heat"), "no column 'heat'"));
    CHECK(mentions(complaint("fit --data empty.csv"), "the file is empty"));
    CHECK(mentions(complaint("fit --data latin.csv"), "latin.csv:2: byte 17 is not UTF-8"));
    CHECK(mentions(complaint("fit --data constant.csv"),
                   "the first 75 readings are all the same; there is nothing to learn"));
    CHECK(mentions(complaint("fit --learn 2"), "--learn 2 of 12000 rows"));
    CHECK(mentions(complaint("fit --window 0"), "--window 0"));
    CHECK(mentions(complaint("predict --ckpt none.ckpt"), "none.ckpt"));
    CHECK(mentions(complaint("predict --ckpt short.csv"), "not a whole checkpoint"));
    if (!has_house_prices()) return;
    std::ofstream sales(folder.path / "sales.csv");
    sales << "area,price\n";
    for (int i = 0; i < 40; ++i) sales << 50 + i << "," << 1000 + i << "\n";
    sales.close();
    REQUIRE(house_prices(folder, "fit --data sales.csv --target price --max-epochs 1").status == 0);
    CHECK(mentions(complaint("test --ckpt house_prices_run/best.ckpt"), "unknown hyperparameter target"));
  }
}
