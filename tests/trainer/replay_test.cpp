#include "replay.h"

#include <doctest/doctest.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/accumulation_scheduler.h>
#include <fulmen/trainer/callbacks/exception_checkpoint.h>
#include <fulmen/trainer/callbacks/learning_rate_finder.h>
#include <fulmen/trainer/callbacks/stochastic_weight_averaging.h>
#include <fulmen/trainer/callbacks/weight_averaging.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/lr_monitor.h>
#include <fulmen/trainer/model_checkpoint.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/paths.h"

// Hooks, their order, and every value that they see, against runs recorded with Lightning 2.6.6.
namespace fulmen::trainer::testing {
namespace {

/// An option's JSON as the text that a command line would have.
std::string text_of(const Json& value) {
  if (value.is_null()) return "none";
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

TrainerOptions trainer_options(const Json& arguments) {
  TrainerOptions options;
  options.enable_progress_bar = options.enable_model_summary = options.enable_checkpointing = false;
  options.num_sanity_val_steps = 0;
  options.log_every_n_steps = 1;
  options.lightning_compatible = true;
  for (const auto& item : arguments.items()) {
    const bool whole = item.value() == true && item.key() == "fast_dev_run";
    if (!set_field(options, item.key(), whole ? "1" : text_of(item.value()))) {
      throw Error("replay: there is no trainer option " + item.key());
    }
  }
  return options;
}

ModelCheckpointOptions checkpoint_options(const Json& a, const std::string& folder) {
  ModelCheckpointOptions o;
  if (a.contains("dirpath")) o.dirpath = folder + "/" + a["dirpath"].get<std::string>();
  o.filename = a.value("filename", "");
  o.monitor = a.value("monitor", "");
  o.mode = a.value("mode", "min") == "max" ? Mode::Max : Mode::Min;
  o.save_top_k = a.value("save_top_k", int64_t{1});
  if (const auto last = a.find("save_last"); last != a.end()) {
    o.save_last = last->is_string() ? SaveLast("link") : SaveLast(last->get<bool>());
  }
  o.save_weights_only = a.value("save_weights_only", false);
  o.save_on_exception = a.value("save_on_exception", false);
  o.every_n_train_steps = a.value("every_n_train_steps", int64_t{0});
  o.every_n_epochs = a.value("every_n_epochs", int64_t{0});
  if (a.contains("save_on_train_epoch_end")) o.save_on_train_epoch_end = a["save_on_train_epoch_end"].get<bool>();
  o.enable_version_counter = a.value("enable_version_counter", true);
  o.auto_insert_metric_name = a.value("auto_insert_metric_name", true);
  return o;
}

EarlyStoppingOptions stopping_options(const Json& a) {
  EarlyStoppingOptions o;
  o.monitor = a.at("monitor");
  o.patience = a.value("patience", int64_t{3});
  o.min_delta = a.value("min_delta", 0.0);
  o.mode = a.value("mode", "min") == "max" ? Mode::Max : Mode::Min;
  o.strict = a.value("strict", true);
  if (a.contains("stopping_threshold")) o.stopping_threshold = a["stopping_threshold"].get<double>();
  if (a.contains("divergence_threshold")) o.divergence_threshold = a["divergence_threshold"].get<double>();
  if (a.contains("check_on_train_epoch_end")) o.check_on_train_epoch_end = a["check_on_train_epoch_end"].get<bool>();
  return o;
}

std::shared_ptr<Callback> make_callback(const Json& spec, Recorder& recorder, const std::string& folder) {
  if (spec.is_string()) return std::make_shared<RecordedCallback>(recorder, spec.get<std::string>());
  const std::string kind = spec.begin().key();
  const Json a = spec.begin().value();
  if (kind == "Recorder") {
    return std::make_shared<RecordedCallback>(recorder, a["name"], a["logs"].get<std::vector<std::string>>());
  }
  if (kind == "ModelCheckpoint") return std::make_shared<ModelCheckpoint>(checkpoint_options(a, folder));
  if (kind == "OnExceptionCheckpoint") {
    return std::make_shared<OnExceptionCheckpoint>(folder + "/" + a["dirpath"].get<std::string>());
  }
  if (kind == "EarlyStopping") return std::make_shared<EarlyStopping>(stopping_options(a));
  if (kind == "LearningRateMonitor") {
    LearningRateMonitorOptions o;
    if (a.contains("logging_interval")) {
      o.logging_interval = a["logging_interval"] == "step" ? Interval::Step : Interval::Epoch;
    }
    o.log_momentum = a.value("log_momentum", false);
    return std::make_shared<LearningRateMonitor>(o);
  }
  if (kind == "LearningRateFinder") {
    LearningRateFinderOptions o;
    o.min_lr = a.value("min_lr", 1e-8);
    o.max_lr = a.value("max_lr", 1.0);
    o.num_training = a.value("num_training", int64_t{100});
    o.mode = a.value("mode", "exponential") == "linear" ? Sweep::Linear : Sweep::Exponential;
    return std::make_shared<LearningRateFinder>(o);
  }
  if (kind == "GradientAccumulationScheduler") {
    std::map<int64_t, int64_t> scheduling;
    for (const auto& item : a.items()) scheduling[std::stoll(item.key())] = item.value();
    return std::make_shared<GradientAccumulationScheduler>(scheduling);
  }
  if (kind == "EMAWeightAveraging") {
    EMAWeightAveragingOptions o;
    o.decay = a.value("decay", 0.999);
    o.update_every_n_steps = a.value("update_every_n_steps", int64_t{1});
    if (a.contains("update_starting_at_step")) o.update_starting_at_step = a["update_starting_at_step"].get<int64_t>();
    if (a.contains("update_starting_at_epoch"))
      o.update_starting_at_epoch = a["update_starting_at_epoch"].get<int64_t>();
    return std::make_shared<EMAWeightAveraging>(o);
  }
  if (kind == "StochasticWeightAveraging") {
    const Json& start = a["swa_epoch_start"];
    return std::make_shared<StochasticWeightAveraging>(StochasticWeightAveragingOptions{
        .swa_lrs = {a["swa_lrs"].get<double>()},
        .swa_epoch_start = start.is_number_integer() ? Amount(start.get<int64_t>()) : Amount(start.get<double>()),
        .annealing_epochs = a.value("annealing_epochs", int64_t{10})});
  }
  throw Error("replay: there is no callback " + kind);
}

/// The trainer and the module of a plan's runs; a run may go on with those of the run before.
class Replay {
 public:
  RecordedLines run(const Json& run) {
    recorder_.lines.clear();
    recorder_.folder = folder_.path();
    const bool with_data = run.value("datamodule", false);
    if (!run.value("same_trainer", false)) make_trainer(run);
    if (!run.value("same_module", false))
      module_ = std::make_unique<RecordedModule>(recorder_, run.value("module", Json::object()));
    Json plan = run.value("module", Json::object());
    RecordedDataModule data(recorder_, plan);
    try {
      enter(run, with_data ? &data : nullptr);
      if (run.value("fails", false)) recorder_.lines.push_back("# did not fail");
    } catch (const std::exception& error) {
      if (!run.value("fails", false)) recorder_.lines.push_back(std::string("# failed: ") + error.what());
    }
    recorder_.lines.push_back("# final " + Json{{"current_epoch", trainer_->current_epoch()},
                                                {"global_step", trainer_->global_step()},
                                                {"weights", module_->weights()}}
                                               .dump());
    Json files = Json::array();
    for (const std::string& file : folder_.files()) files.push_back(file);
    recorder_.lines.push_back("# files " + files.dump());
    return recorder_.lines;
  }

 private:
  void make_trainer(const Json& run) {
    TrainerOptions options = trainer_options(run.value("trainer", Json::object()));
    options.default_root_dir = folder_.path();
    if (options.logger) {
      options.loggers = {std::make_shared<RecordedLogger>(recorder_, folder_.path("log/version_0"))};
    }
    for (const Json& spec : run.value("callbacks", Json{"A", "B"})) {
      options.callbacks.push_back(make_callback(spec, recorder_, folder_.path()));
    }
    recorder_.trainer = nullptr;
    trainer_ = std::make_unique<Trainer>(options);
  }

  void enter(const Json& run, RecordedDataModule* data) {
    const std::string entry = run.value("entry", "fit");
    std::string checkpoint = run.value("ckpt_path", "");
    if (checkpoint.find('/') != std::string::npos) checkpoint = folder_.path(checkpoint);
    const RunOptions options{.ckpt_path = checkpoint, .verbose = false};
    if (entry == "fit") {
      data ? trainer_->fit(*module_, *data, FitOptions{checkpoint}) : trainer_->fit(*module_, FitOptions{checkpoint});
    } else if (entry == "validate") {
      data ? trainer_->validate(*module_, *data, options) : trainer_->validate(*module_, options);
    } else if (entry == "test") {
      data ? trainer_->test(*module_, *data, options) : trainer_->test(*module_, options);
    } else {
      data ? trainer_->predict_by_loader(*module_, *data, options) : trainer_->predict_by_loader(*module_, options);
    }
  }

  TemporaryFolder folder_;
  Recorder recorder_;
  std::unique_ptr<RecordedModule> module_;
  std::unique_ptr<Trainer> trainer_;
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

/// JSON in one spelling; comments, and payloads that only Python has, are left out.
RecordedLines comparable(const RecordedLines& lines) {
  RecordedLines out;
  for (std::string line : lines) {
    if (line.empty() || line.rfind("# run", 0) == 0 || line.rfind("# exception", 0) == 0) continue;
    if (line.rfind("# final ", 0) == 0) {
      const Json final = Json::parse(line.substr(8));
      out.push_back("# final " + Json{{"current_epoch", final["current_epoch"]},
                                      {"global_step", final["global_step"]},
                                      {"weights", final["weights"]}}
                                     .dump());
      continue;
    }
    if (line.rfind("# files ", 0) == 0) {
      std::replace(line.begin(), line.end(), '\'', '"');
      line = "# files " + Json::parse(line.substr(8)).dump();
    }
    const size_t values = line.find(" | {");
    if (values != std::string::npos) {
      const bool only_hook =
          line.find("on_exception") != std::string::npos || line.find("on_load_checkpoint") != std::string::npos;
      line = line.substr(0, values) + (only_hook ? "" : " | " + Json::parse(line.substr(values + 3)).dump());
    }
    out.push_back(line);
  }
  return out;
}

Json plan_at(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

void compare(const std::string& name, const Json& plan, const std::string& recording) {
  const std::vector<RecordedLines> recorded = recorded_runs(recording), ours = replay(plan);
  CHECK_MESSAGE(recorded.size() == ours.size(), name, ": runs in the plan and in ", recording);
  for (size_t run = 0; run < std::min(recorded.size(), ours.size()); ++run) {
    std::string difference = first_difference(ours[run], recorded[run]);
    for (const std::string& line : ours[run]) {
      if (!difference.empty() && line.rfind("# failed", 0) == 0) difference += "\n  " + line;
    }
    CHECK_MESSAGE(difference.empty(), name, ", run ", run, difference);
  }
}

/// All plans of a folder beside which a trace lies. Returns how many there are.
size_t compare_folder(const std::string& folder) {
  size_t compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::filesystem::path trace = entry.path();
    if (trace.extension() != ".trace") continue;
    const std::filesystem::path plan = std::filesystem::path(trace).replace_extension(".json");
    try {
      compare(plan.stem().string(), plan_at(plan.string()), trace.string());
    } catch (const std::exception& error) {
      FAIL_CHECK(plan.stem().string(), ": ", error.what());
    }
    ++compared;
  }
  return compared;
}

}  // namespace

std::vector<RecordedLines> replay(const Json& plan) {
  Replay all;
  std::vector<RecordedLines> runs;
  for (const Json& run : plan.at("runs")) runs.push_back(all.run(run));
  for (const Json& hook : plan.value("leave_out", Json::array())) {
    const std::string name = hook.get<std::string>();
    for (RecordedLines& lines : runs) {
      std::erase_if(lines, [&](const std::string& line) {
        const std::string event = line.substr(0, line.find(' '));
        return event.ends_with("." + name) || event.ends_with(".<" + name);
      });
    }
  }
  return runs;
}

std::vector<RecordedLines> recorded_runs(const std::string& path) {
  std::ifstream file(path);
  std::vector<RecordedLines> runs;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("# run", 0) == 0) runs.emplace_back();
    if (!runs.empty()) runs.back().push_back(line);
  }
  return runs;
}

std::string first_difference(const RecordedLines& ours, const RecordedLines& recorded) {
  const RecordedLines a = comparable(ours), b = comparable(recorded);
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string x = i < a.size() ? a[i] : "<end>", y = i < b.size() ? b[i] : "<end>";
    if (!same(x, y)) {
      return ", event " + std::to_string(i) + "\n   " + (i > 0 ? b[i - 1] : "") + "\n  ours      " + x +
             "\n  Lightning " + y;
    }
  }
  return {};
}

TEST_SUITE("trainer") {
  TEST_CASE("hooks as Lightning's: the configurations of ../shared") {
    const std::string shared = fulmen::testing::shared_dir();
    if (shared.empty()) return;
    const Json plans = plan_at(fulmen::testing::source_dir() + "/tests/trainer/recordings/lightning.json");
    for (const auto& item : plans.items()) {
      SUBCASE(item.key().c_str()) {
        compare(item.key(), item.value(), shared + "/conformance/hooks/" + item.key() + ".trace.txt");
      }
    }
  }
  TEST_CASE("hooks as Lightning's: our own recordings") {
    CHECK(compare_folder(fulmen::testing::source_dir() + "/tests/trainer/recordings") > 0);
  }
  TEST_CASE("hooks as Lightning's: the recordings of $FULMEN_RECORDINGS") {
    if (const char* folder = std::getenv("FULMEN_RECORDINGS")) CHECK(compare_folder(folder) > 0);
  }
}

}  // namespace fulmen::trainer::testing
