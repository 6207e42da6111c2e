#include <doctest/doctest.h>
#include <tests/paths.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "message_case.h"

// What users see in the situations that Lightning's own messages were recorded in, and that every code of the catalogue
// is tested somewhere.
namespace fulmen::trainer::testing {
namespace {

namespace fs = std::filesystem;
using fulmen::testing::mentions;

std::vector<MessageCase> all_cases() {
  std::vector<MessageCase> all;
  for (auto cases : {returned_cases(), step_cases(), log_cases(), setting_cases(), file_cases()}) {
    for (MessageCase& item : cases) all.push_back(std::move(item));
  }
  return all;
}

std::string sources_of(const fs::path& folder) {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".cpp" || path.extension() == ".h") all += contents(path.string());
  }
  return all;
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("messages: every situation that Lightning was recorded in") {
    const fs::path refused = fs::path(fulmen::testing::source_dir()) / "tests/must_not_compile";
    for (const MessageCase& item : all_cases()) {
      const std::string situation = item.situation;
      CAPTURE(situation);
      switch (item.answer) {
        case MessageCase::Says: {
          const std::string message = item.run();
          for (const char* part : item.parts)
            CHECK_MESSAGE(mentions(message, part), (std::string(part) + " is not in: " + message));
          REQUIRE_FALSE(item.parts.empty());
          CHECK_MESSAGE(message.find(item.parts[0]) == 0, message);
          CHECK_MESSAGE(mentions(message, "\n  fix: "), message);
          break;
        }
        case MessageCase::Compiler:
          CHECK_MESSAGE(mentions(contents((refused / item.note).string()), "// expect: "), item.note);
          break;
        case MessageCase::Works: {
          const std::string message = item.run();
          CHECK_MESSAGE(message == "no error", message);
          break;
        }
        case MessageCase::CannotOccur:
          CHECK_FALSE(std::string(item.note).empty());
      }
    }
  }

  TEST_CASE("messages: no recorded situation is left out") {
    std::set<std::string> ours;
    for (const MessageCase& item : all_cases()) CHECK_MESSAGE(ours.insert(item.situation).second, item.situation);
    CHECK(ours.size() == 59);
    const fs::path recorded = fs::path(fulmen::testing::shared_dir()) / "conformance/hooks/c32_errors.json";
    if (!fs::exists(recorded)) return;
    const Json catalogue = Json::parse(contents(recorded.string())).at("catalogue");
    for (const auto& entry : catalogue.items()) CHECK_MESSAGE(ours.count(entry.key()) == 1, entry.key());
  }

  TEST_CASE("messages: every code of the catalogue is tested") {
    const fs::path root = fulmen::testing::source_dir();
    const std::string catalogue = contents((root / "docs/errors.md").string()), tests = sources_of(root / "tests");
    int codes = 0;
    for (int number = 1; number < 100; ++number) {
      char code[8];
      std::snprintf(code, sizeof code, "E%03d", number);
      if (!mentions(catalogue, std::string("| ") + code)) continue;
      ++codes;
      CHECK_MESSAGE((mentions(tests, std::string("\"") + code) || mentions(tests, std::string(code) + ":")), code);
    }
    CHECK(codes >= 18);
  }

  TEST_CASE("messages: where it happened; a batch whose members differ; a label that no class has") {
    // Where it happened is always there: the module, the step, the epoch, the batch.
    std::string message = fit_message([](Stepping& self, const Batch& b, int64_t i) {
      if (i == 3) return StepOutput(self.forward(b.data.narrow(1, 0, 2)).mean());
      return self.SmallModel::training_step(b, i);
    });
    CHECK_MESSAGE(mentions(message, "E001: Linear(3 → 8) takes float32[*, 3]; got float32[5, 2]"), message);
    CHECK_MESSAGE(mentions(message, "in Stepping.net.0 (Linear), in training_step, epoch 0, batch 3"), message);
    CHECK_MESSAGE(mentions(message, "fix: the input has 2 features: construct Linear(2, 8)"), message);

    message = message_of([] { data::DataLoader<Batch>(Batch(zeros({64, 2}), zeros({63, 1})), {.batch_size = 2}); });
    CHECK_MESSAGE(mentions(message, "E010: batch: all members must hold the same number of samples"), message);
    CHECK_MESSAGE(mentions(message, "64"), message);
    CHECK_MESSAGE(mentions(message, "63"), message);

    message = fit_message([](Stepping& self, const Batch& b, int64_t) {
      const Tensor scores = self.forward(b.data).expand({b.data.size(0), 10});
      return StepOutput(nn::functional::cross_entropy(scores, full({b.data.size(0)}, 10, TensorOptions(kLong))));
    });
    CHECK_MESSAGE(mentions(message, "labels of 10 classes are 0..9; got 10 at row 0"), message);
    CHECK_MESSAGE(mentions(message, "in training_step, epoch 0, batch 0"), message);
  }

  TEST_CASE("messages: a loss that is not finite names epoch, batch and the first bad parameter") {
    const std::string message = fit_message([](Stepping& self, const Batch& b, int64_t i) {
      if (i == 5) {
        NoGradGuard no_grad;
        self.net->named_parameters()["0.bias"].div_(Scalar(0.0));
      }
      return self.SmallModel::training_step(b, i);
    });
    CHECK_MESSAGE(mentions(message, "E006: the loss is not finite: "), message);
    CHECK_MESSAGE(mentions(message, "at epoch 0 batch 5, first bad parameter net.0.bias"), message);
    CHECK_MESSAGE(mentions(message, "TrainerOptions::on_nonfinite"), message);
  }
}

}  // namespace fulmen::trainer::testing
