#include <doctest/doctest.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/model_checkpoint.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "recording.h"
#include "tests/paths.h"

// Hooks, their order, and every value that they see, against runs recorded with Lightning 2.6.6.
namespace fulmen::trainer::testing {
namespace {

struct RecordedRun {
  Stage entry = Stage::Fit;
  TrainerOptions options = {};
  Behaviour behaviour = {};
  RecordedModule::Hparams hparams = {};
  std::vector<ModelCheckpointOptions> checkpoints = {};
  std::string ckpt_path = {};
  bool fails = false;
};

/// Numbers are compared with a tolerance, everything between them exactly.
bool same(const std::string& a, const std::string& b) {
  const char *p = a.c_str(), *q = b.c_str();
  while (*p || *q) {
    const bool number =
        std::isdigit(static_cast<unsigned char>(*p)) || (*p == '-' && std::isdigit(static_cast<unsigned char>(p[1])));
    if (number && (std::isdigit(static_cast<unsigned char>(*q)) || *q == '-')) {
      char *p_end, *q_end;
      const double x = std::strtod(p, &p_end), y = std::strtod(q, &q_end);
      if (p_end == p || q_end == q || !(std::fabs(x - y) <= 1e-6 + 1e-5 * std::fabs(y))) return false;
      p = p_end, q = q_end;
    } else if (*p++ != *q++) {
      return false;
    }
  }
  return true;
}

/// JSON in one spelling; lines about the trainer itself, comments, and payloads that only Python has are left out.
std::vector<std::string> comparable(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (std::string line : lines) {
    if (line.empty() || line[0] == '#' || line.rfind("trainer.", 0) == 0) continue;
    const size_t values = line.find(" | {");
    if (values != std::string::npos) {
      const bool only_hook =
          line.find("on_exception") != std::string::npos || line.find("on_load_checkpoint") != std::string::npos;
      line = line.substr(0, values) + (only_hook ? "" : " | " + Json::parse(line.substr(values + 3)).dump());
    }
    // While a run resumes, Lightning's epoch counter lags behind until training starts.
    if (line.rfind("module.train_dataloader | e=", 0) == 0) line = line.substr(0, 24);
    out.push_back(line);
  }
  return out;
}

std::vector<std::vector<std::string>> recorded_runs(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> runs;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("# run", 0) == 0) runs.emplace_back();
    if (!runs.empty()) runs.back().push_back(line);
  }
  return runs;
}

std::vector<std::string> record(RecordedRun run, const std::string& folder) {
  Recorder recorder;
  auto logger = std::make_shared<RecordedLogger>(recorder, folder);
  run.options.loggers = {logger};
  run.options.enable_progress_bar = run.options.enable_model_summary = false;
  run.options.enable_checkpointing = false;
  run.options.log_every_n_steps = 1;
  run.options.callbacks = {std::make_shared<RecordedCallback>(recorder, "A"),
                           std::make_shared<RecordedCallback>(recorder, "B")};
  for (const auto& options : run.checkpoints) {
    run.options.callbacks.push_back(std::make_shared<ModelCheckpoint>(options));
  }
  run.options.lightning_quirks = true;
  Trainer trainer(run.options);
  RecordedModule module(recorder, run.behaviour, run.hparams);
  try {
    switch (run.entry) {
      case Stage::Fit:
        trainer.fit(module, FitOptions{.ckpt_path = run.ckpt_path});
        break;
      case Stage::Validate:
        trainer.validate(module);
        break;
      case Stage::Test:
        trainer.test(module);
        break;
      case Stage::Predict:
        trainer.predict(module);
        break;
    }
    CHECK_FALSE(run.fails);
  } catch (const std::exception& error) {
    INFO(error.what());
    CHECK(run.fails);
  }
  return recorder.lines;
}

void compare(const std::string& name, const std::vector<RecordedRun>& runs) {
  const std::string shared = fulmen::testing::shared_dir();
  if (shared.empty()) return;
  const auto golden = recorded_runs(shared + "/conformance/hooks/" + name + ".trace.txt");
  REQUIRE_MESSAGE(golden.size() >= runs.size(), name);
  TemporaryFolder folder;
  for (size_t r = 0; r < runs.size(); ++r) {
    RecordedRun run = runs[r];
    if (!run.ckpt_path.empty()) run.ckpt_path = folder.path(run.ckpt_path);
    for (auto& checkpoint : run.checkpoints) checkpoint.dirpath = folder.path(checkpoint.dirpath);
    const auto mine = comparable(record(run, folder.path())), theirs = comparable(golden[r]);
    for (size_t i = 0; i < std::max(mine.size(), theirs.size()); ++i) {
      const std::string a = i < mine.size() ? mine[i] : "<end>", b = i < theirs.size() ? theirs[i] : "<end>";
      if (same(a, b)) continue;
      FAIL_CHECK(name, " run ", r, " event ", i, "\n   ", i > 0 ? theirs[i - 1] : "", "\n  ours      ", a,
                 "\n  Lightning ", b);
      break;
    }
  }
}

TrainerOptions fit_options(int64_t max_epochs) {
  TrainerOptions options;
  options.max_epochs = max_epochs;
  options.num_sanity_val_steps = 0;
  return options;
}
const Behaviour validates{.serves_validation = true};

// Hooks of a fit with a sanity check, one training batch and one validation batch.
const std::string validation = R"(module.on_validation_model_eval
A.on_validation_start
module.on_validation_start
A.on_validation_epoch_start
module.on_validation_epoch_start
module.on_before_batch_transfer
module.transfer_batch_to_device
module.on_after_batch_transfer
A.on_validation_batch_start
module.on_validation_batch_start
module.validation_step
A.on_validation_batch_end
module.on_validation_batch_end
A.on_validation_epoch_end
module.on_validation_epoch_end
)";
const std::string validation_end = R"(A.on_validation_end
module.on_validation_end
module.on_validation_model_train
)";
const std::string plan_of_one_batch = R"(module.configure_callbacks
module.prepare_data
A.setup
module.setup
module.configure_model
module.configure_optimizers
A.on_fit_start
module.on_fit_start
logger.log_hyperparams
A.on_sanity_check_start
module.val_dataloader
)" + validation + validation_end +
                                      R"(A.on_sanity_check_end
module.train_dataloader
A.on_train_start
module.on_train_start
A.on_train_epoch_start
module.on_train_epoch_start
module.on_before_batch_transfer
module.transfer_batch_to_device
module.on_after_batch_transfer
A.on_train_batch_start
module.on_train_batch_start
module.optimizer_step
module.training_step
A.on_before_zero_grad
module.on_before_zero_grad
module.optimizer_zero_grad
A.on_before_backward
module.on_before_backward
module.backward
module.<backward
A.on_after_backward
module.on_after_backward
A.on_before_optimizer_step
module.on_before_optimizer_step
module.configure_gradient_clipping
module.<optimizer_step
A.on_train_batch_end
module.on_train_batch_end
logger.log_metrics
module.on_validation_model_zero_grad
)" + validation +
                                      R"(logger.log_metrics
)" + validation_end +
                                      R"(A.on_train_epoch_end
module.on_train_epoch_end
A.state_dict
A.on_save_checkpoint
module.on_save_checkpoint
logger.after_save_checkpoint
logger.log_metrics
A.on_train_end
module.on_train_end
A.on_fit_end
module.on_fit_end
A.teardown
module.teardown
logger.finalize
)";

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("the order of hooks: sanity check, one training batch, one validation batch") {
    TemporaryFolder folder;
    RecordedRun run{.options = fit_options(1), .behaviour = validates, .checkpoints = {{.dirpath = folder.path("c")}}};
    run.options.num_sanity_val_steps = 1;
    run.options.limit_train_batches = 1;
    run.options.limit_val_batches = 1;
    std::string order;
    for (const std::string& line : record(run, folder.path())) {
      if (line.rfind("B.", 0) != 0) order += line.substr(0, line.find(' ')) + "\n";
    }
    CHECK(order == plan_of_one_batch);
  }
  TEST_CASE("hooks as Lightning: a plain fit (c01)") { compare("c01_fit_plain", {{.options = fit_options(2)}}); }
  TEST_CASE("hooks as Lightning: validation and a checkpoint (c02)") {
    compare("c02_fit_val", {{.options = fit_options(2), .behaviour = validates, .checkpoints = {{.dirpath = "c"}}}});
  }
  TEST_CASE("hooks as Lightning: sanity check (c03)") {
    RecordedRun run{.options = fit_options(1), .behaviour = validates};
    run.options.num_sanity_val_steps = 2;
    compare("c03_sanity", {run});
  }
  TEST_CASE("hooks as Lightning: accumulated gradients (c04)") {
    RecordedRun run{.options = fit_options(2), .behaviour = validates};
    run.options.accumulate_grad_batches = 3;
    compare("c04_accumulate3", {run});
  }
  TEST_CASE("hooks as Lightning: validation twice an epoch (c05)") {
    RecordedRun run{.options = fit_options(2), .behaviour = validates, .checkpoints = {{.dirpath = "c"}}};
    run.options.val_check_interval = 0.5;
    compare("c05_val_check_half", {run});
  }
  TEST_CASE("hooks as Lightning: validation every second epoch (c06)") {
    RecordedRun run{.options = fit_options(4), .behaviour = validates, .checkpoints = {{.dirpath = "c"}}};
    run.options.check_val_every_n_epoch = 2;
    compare("c06_check_val_every_2", {run});
  }
  TEST_CASE("hooks as Lightning: limits (c07)") {
    RecordedRun fit{.options = fit_options(2), .behaviour = validates};
    fit.options.limit_train_batches = 2;
    fit.options.limit_val_batches = 0.5;
    RecordedRun test{.entry = Stage::Test, .behaviour = {.two_loaders = true}};
    test.options.limit_test_batches = 1;
    RecordedRun predict{.entry = Stage::Predict, .behaviour = {.two_loaders = true}};
    predict.options.limit_predict_batches = 1;
    RecordedRun nothing{.options = fit_options(2), .behaviour = validates};
    nothing.options.limit_train_batches = 0;
    RecordedRun too_little{.options = fit_options(1), .behaviour = validates, .fails = true};
    too_little.options.limit_train_batches = 0.1;
    compare("c07_limits", {fit, test, predict, nothing, too_little});
  }
  TEST_CASE("hooks as Lightning: clipped gradients (c09)") {
    RecordedRun norm{.options = fit_options(1)}, value{.options = fit_options(1)};
    norm.options.gradient_clip_val = value.options.gradient_clip_val = 0.5;
    value.options.gradient_clip_algorithm = ClipAlgorithm::Value;
    compare("c09_clip", {norm, value});
  }
  TEST_CASE("hooks as Lightning: validate (c11) and test (c12)") {
    compare("c11_validate",
            {{.entry = Stage::Validate, .behaviour = validates},
             {.entry = Stage::Validate, .behaviour = {.serves_validation = true, .two_loaders = true}}});
    RecordedRun test{.entry = Stage::Test, .behaviour = {.two_loaders = true}}, no_inference = test;
    no_inference.options.inference_mode = false;
    compare("c12_test", {test, no_inference});
  }
  TEST_CASE("hooks as Lightning: resume at the end of an epoch (c14)") {
    const RecordedModule::Hparams momentum{.momentum = 0.9};
    compare(
        "c14_resume_epoch",
        {{.options = fit_options(4), .behaviour = validates, .hparams = momentum},
         {.options = fit_options(2), .behaviour = validates, .hparams = momentum, .checkpoints = {{.dirpath = "a"}}},
         {.options = fit_options(4),
          .behaviour = validates,
          .hparams = momentum,
          .checkpoints = {{.dirpath = "b"}},
          .ckpt_path = "a/epoch=1-step=8.ckpt"}});
  }
  TEST_CASE("hooks as Lightning: what a step may return (c22)") {
    compare("c22_step_outputs",
            {{.options = fit_options(1), .behaviour = {.returns_dict = true}},
             {.options = fit_options(1), .behaviour = {.skips_second_batch = true, .shows_progress = false}}});
  }
  TEST_CASE("hooks as Lightning: an exception (c26)") {
    compare("c26_exception", {{.options = fit_options(1),
                               .behaviour = {.serves_validation = true, .raises_in_second_batch = true},
                               .checkpoints = {{.dirpath = "c"}},
                               .fails = true}});
  }
  TEST_CASE("hooks as Lightning: nothing to do (c29)") {
    RecordedRun no_epochs{.options = fit_options(0), .behaviour = validates};
    RecordedRun no_steps{.options = fit_options(0), .behaviour = validates}, two_steps = no_steps;
    no_steps.options.max_epochs = {};
    no_steps.options.max_steps = 0;
    two_steps.options.max_epochs = -1;
    two_steps.options.max_steps = 2;
    compare("c29_zero", {no_epochs, no_steps, two_steps});
  }
}

}  // namespace fulmen::trainer::testing
