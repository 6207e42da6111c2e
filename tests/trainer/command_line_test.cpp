#include <doctest/doctest.h>
#include <fulmen/trainer/cli.h>

#include <fstream>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

struct CliRun {
  int status;
  std::string error;
  int64_t count = 1;
  double rate = 0.5;
  bool fast = false, ran = false;
  TrainerOptions options = {};
};
struct CliOptions {
  int64_t count = 1;
  bool fast = false;
  std::string name = "x";
  void fields(FieldVisitor& f) { f("count", count)("fast", fast)("name", name); }
};
struct CliModel {
  double rate = 0.5;
  std::vector<int64_t> some_widths = {1};
  void fields(FieldVisitor& f) { f("rate", rate)("some_widths", some_widths); }
};

CliRun run_cli(std::vector<const char*> arguments) {
  CliOptions own;
  CliModel model;
  CliRun run{};
  arguments.insert(arguments.begin(), "program");
  run.error = captured(STDERR_FILENO, [&] {
    run.status = Cli("program", "Tests.")
                     .options(own, model, run.options)
                     .command("fit", "trains", [&] { run.ran = true; })
                     .command("fail", "fails", [] { throw Error("E017", "a.csv:3: bad", "mend it"); })
                     .run(static_cast<int>(arguments.size()), arguments.data());
  });
  run.count = own.count, run.fast = own.fast, run.rate = model.rate;
  return run;
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("command line: options of program, model and trainer") {
    const CliRun run = run_cli({"fit", "--count", "3", "--fast", "--model.rate=1e-3", "--trainer.limit-val-batches",
                                "0.5", "--max_epochs", "9", "--some-widths", "4,5"});
    CHECK(run.status == 0);
    CHECK(run.ran);
    CHECK(run.count == 3);
    CHECK(run.fast);
    CHECK(run.rate == 1e-3);
    CHECK(run.options.limit_val_batches == Amount(0.5));
    CHECK(run.options.max_epochs == 9);
  }

  TEST_CASE("command line: one clear line and exit status 2 for whatever is wrong") {
    const std::pair<std::vector<const char*>, const char*> cases[] = {
        {{"fit", "--coutn", "3"}, "program: unknown option --coutn; did you mean --count?\n"},
        {{"fit", "--trainer.max_epoch", "3"},
         "program: unknown option --trainer.max-epoch; did you mean --trainer.max-epochs?\n"},
        {{"fit", "--count", "three"}, "program: --count is \"three\"; expected: integer\n"},
        {{"fit", "--count"}, "program: --count needs a value\n"},
        {{"fti"}, "program: unknown command fti; did you mean fit?\n"},
        {{"fit", "-x"}, "program: unknown option -x; options begin with two dashes\n"},
        {{"fit", "more"}, "program: unexpected argument more; options begin with two dashes\n"},
        {{"fail"}, "program: E017: a.csv:3: bad; fix: mend it\n"},
    };
    for (const auto& wrong : cases) {
      const CliRun run = run_cli(wrong.first);
      CHECK_MESSAGE(run.status == 2, wrong.second);
      CHECK(run.error == wrong.second);
      CHECK_FALSE(run.ran);
    }
    CHECK(run_cli({"fit", "--trainer.limit_val_batches", "lots"}).status == 2);
    CHECK(run_cli({}).status == 2);
  }

  TEST_CASE("hyperparameters: JSON and back, unknown names, wrong types (E014)") {
    SmallModel::Hparams h{.hidden = 3, .lr = 0.1, .optimizer = "a\"b", .widths = {}};
    const std::string json = fields_to_json(h);
    CHECK(json == "{\"hidden\":3,\"lr\":0.1,\"dropout\":0.2,\"optimizer\":\"a\\\"b\",\"widths\":[]}");
    SmallModel::Hparams back;
    fields_from_json(back, json, "test");
    CHECK(fields_to_json(back) == json);
    CHECK(message_of([&] { fields_from_json(back, "{\"hiden\": 3}", "old.ckpt"); }) ==
          "E014: unknown hyperparameter hiden in old.ckpt\n  fix: did you mean hidden?");
    CHECK(message_of([&] {
            fields_from_json(back, "{\"hidden\": 3.5}", "old.ckpt");
          }).find("E014: hyperparameter hidden in old.ckpt is 3.5; expected: integer") == 0);
    CHECK(message_of([&] { fields_from_json(back, "[", "old.ckpt"); }).find("E014") == 0);
  }

  TEST_CASE("command line: a configuration file, and one written out") {
    TemporaryFolder folder;
    const std::string path = folder.path("run.json");
    std::ofstream(path) << R"({"count": 4, "fast": true,  // a comment
      "model": {"some_widths": [6, 7], "rate": 0.25}, "trainer": {"max_epochs": 3, "limit-val-batches": 0.5}})";
    const CliRun run = run_cli({"fit", "--count=2", "--config", path.c_str(), "--trainer.max_epochs", "5"});
    CHECK(run.status == 0);
    CHECK(run.count == 4);
    CHECK(run.fast);
    CHECK(run.rate == 0.25);
    CHECK(run.options.max_epochs == 5);  // what comes later wins
    CHECK(run.options.limit_val_batches == Amount(0.5));

    const std::string written = captured(STDOUT_FILENO, [&] {
      const CliRun printed = run_cli({"fit", "--count=9", "--print-config", "--trainer.max-epochs=7"});
      CHECK(printed.status == 0);
      CHECK(!printed.ran);
    });
    std::ofstream(path) << written;
    const CliRun again = run_cli({"fit", "--config", path.c_str()});
    CHECK(again.error == "");
    CHECK(again.ran);
    CHECK(again.count == 9);
    CHECK(again.options.max_epochs == 7);

    std::ofstream(path) << R"({"model": {"rat": 1}})";
    CHECK(run_cli({"fit", "--config", path.c_str()})
              .error.find("run.json: unknown option --model.rat; did you mean "
                          "--model.rate?") != std::string::npos);
    CHECK(run_cli({"fit", "--config", "none.json"}).error.find("none.json: the file cannot be read") !=
          std::string::npos);
  }
}

}  // namespace fulmen::trainer::testing
