#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Text that gives the same bits back; JSON has no infinity.
std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// "%02d" of epoch, "%.3f" of a loss: what stands after the colon in "{epoch:02d}".
std::string format_value(double value, std::string format) {
  const bool integer = format.empty() ? value == std::floor(value) && std::fabs(value) < 1e15
                                      : format.back() == 'd' || format.back() == 'i';
  const std::string allowed = "0123456789.+-# ";
  if (!format.empty() && std::isalpha(static_cast<unsigned char>(format.back()))) {
    const char kind = format.back();
    format.pop_back();
    FULMEN_CHECK(
        format.find_first_not_of(allowed) == std::string::npos && std::string("defgi").find(kind) != std::string::npos,
        "ModelCheckpoint: cannot format a number with \"", format, kind, "\" in the file name");
    char text[64];
    if (integer) {
      std::snprintf(text, sizeof text, ("%" + format + "lld").c_str(), static_cast<long long>(value));
    } else {
      std::snprintf(text, sizeof text, ("%" + format + kind).c_str(), value);
    }
    return text;
  }
  return integer ? std::to_string(static_cast<long long>(value)) : str(value);
}

}  // namespace

ModelCheckpoint::ModelCheckpoint(ModelCheckpointOptions options) : options_(std::move(options)) {
  const auto check = [](bool good, const char* what, const char* fix) {
    if (!good) throw Error("E016", std::string("ModelCheckpoint: ") + what, fix);
  };
  check(options_.save_top_k >= -1, "save_top_k is less than -1", "-1 keeps all, 0 none");
  check(options_.every_n_epochs >= 0 && options_.every_n_train_steps >= 0, "every_n_... is negative", "0 is off");
  check(options_.every_n_epochs == 0 || options_.every_n_train_steps == 0,
        "every_n_epochs and every_n_train_steps are both set", "choose one, or use two ModelCheckpoints");
  check(!options_.monitor.empty() || options_.save_top_k <= 1,
        "save_top_k needs a monitor that says which checkpoints are the best", "set monitor");
}

std::string ModelCheckpoint::state_key() const {
  const auto& o = options_;
  return str("ModelCheckpoint{'monitor': '", o.monitor, "', 'mode': '", o.mode == Mode::Min ? "min" : "max",
             "', 'every_n_train_steps': ", static_cast<long long>(o.every_n_train_steps),
             ", 'every_n_epochs': ", static_cast<long long>(o.every_n_epochs), ", 'dirpath': '", o.dirpath,
             "', 'filename': '", o.filename, "'}");
}

std::string ModelCheckpoint::folder(const Trainer& trainer) const {
  if (!dirpath_.empty()) return dirpath_;
  if (!options_.dirpath.empty()) return options_.dirpath;
  return trainer.log_dir() + "/checkpoints";
}

std::string ModelCheckpoint::format_name(const std::string& pattern, const Metrics& metrics) const {
  const std::string used = pattern.empty() ? "{epoch}-{step}" : pattern;
  std::string name;
  for (size_t at = 0; at < used.size();) {
    const size_t open = std::min(used.find('{', at), used.size());
    name += used.substr(at, open - at);
    if (open == used.size()) break;
    const size_t close = used.find('}', open);
    FULMEN_CHECK(close != std::string::npos, "ModelCheckpoint: \"", used, "\" has a { without a }");
    const std::string field = used.substr(open + 1, close - open - 1);
    const size_t colon = std::min(field.find(':'), field.size());
    const std::string key = field.substr(0, colon);
    const double* value = metrics.find(key);
    if (options_.auto_insert_metric_name) name += key + "=";
    name += format_value(value ? *value : 0, colon < field.size() ? field.substr(colon + 1) : "");
    at = close + 1;
  }
  std::replace(name.begin(), name.end(), '\\', '_');
  return name;
}

void ModelCheckpoint::setup(Trainer&, Module&, Stage stage) {
  if (stage == Stage::Fit) {
    last_step_saved_ = 0;
    dirpath_.clear();
  }
}

bool ModelCheckpoint::saves_after_epochs(const Trainer& trainer) const {
  if (options_.save_on_train_epoch_end) return *options_.save_on_train_epoch_end;
  const TrainerOptions& o = trainer.options();
  return o.val_check_interval == Amount(1.0) && o.check_val_every_n_epoch == 1;
}

bool ModelCheckpoint::may_save(const Trainer& trainer) const {
  return options_.save_top_k != 0 && trainer.stage() == Stage::Fit && !trainer.sanity_checking() &&
         trainer.options().fast_dev_run == 0 && trainer.global_step() != last_step_saved_;
}

void ModelCheckpoint::on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t) {
  const int64_t every = options_.every_n_train_steps;
  if (every > 0 && trainer.global_step() % every == 0 && may_save(trainer)) save(trainer);
}

void ModelCheckpoint::on_train_epoch_end(Trainer& trainer, Module&) {
  if (options_.every_n_train_steps > 0 || !saves_after_epochs(trainer) || !may_save(trainer)) return;
  if ((trainer.current_epoch() + 1) % std::max<int64_t>(1, options_.every_n_epochs) == 0) save(trainer);
}

void ModelCheckpoint::on_validation_end(Trainer& trainer, Module&) {
  if (options_.every_n_train_steps > 0 || saves_after_epochs(trainer) || !may_save(trainer)) return;
  if ((trainer.current_epoch() + 1) % std::max<int64_t>(1, options_.every_n_epochs) == 0) save(trainer);
}

void ModelCheckpoint::on_exception(Trainer& trainer, Module&, const std::exception&) {
  if (!options_.save_on_exception || trainer.interrupted() || !may_save(trainer)) return;
  write(trainer, free_path(folder(trainer), format_name(options_.filename, candidates(trainer)), "", false));
}

Metrics ModelCheckpoint::candidates(const Trainer& trainer) const {
  Metrics metrics = trainer.callback_metrics();
  if (!metrics.contains("epoch")) metrics.set("epoch", static_cast<double>(trainer.current_epoch()));
  if (!metrics.contains("step")) metrics.set("step", static_cast<double>(trainer.global_step()));
  return metrics;
}

void ModelCheckpoint::save(Trainer& trainer) {
  const Metrics metrics = candidates(trainer);
  if (options_.monitor.empty()) {
    save_newest(trainer, metrics);
  } else {
    save_monitored(trainer, metrics);
  }
  if (options_.save_last) save_last(trainer);
}

void ModelCheckpoint::save_newest(Trainer& trainer, const Metrics& metrics) {
  const std::string before = best_path_;
  const std::string path = free_path(folder(trainer), format_name(options_.filename, metrics),
                                     options_.save_top_k == 1 ? before : "", !options_.enable_version_counter);
  best_path_ = path;
  write(trainer, path);
  if (options_.save_top_k == 1 && !before.empty() && before != path) remove(before);
}

void ModelCheckpoint::save_monitored(Trainer& trainer, const Metrics& metrics) {
  double score = metrics[options_.monitor];
  if (std::isnan(score)) score = options_.mode == Mode::Min ? infinity : -infinity;
  const auto worst = std::max_element(kept_.begin(), kept_.end(),
                                      [this](const Saved& a, const Saved& b) { return better(a.score, b.score); });
  const bool full = options_.save_top_k > 0 && static_cast<int64_t>(kept_.size()) >= options_.save_top_k;
  if (full && !better(score, worst->score)) return;
  const std::string replaced = full ? worst->path : "";
  if (full) kept_.erase(worst);
  const std::string path =
      free_path(folder(trainer), format_name(options_.filename, metrics), replaced, !options_.enable_version_counter);
  kept_.push_back({path, score});
  if (!best_score_ || better(score, *best_score_) || best_path_ == replaced) {
    const auto best = std::min_element(kept_.begin(), kept_.end(),
                                       [this](const Saved& a, const Saved& b) { return better(a.score, b.score); });
    best_path_ = best->path;
    best_score_ = best->score;
  }
  write(trainer, path);
  if (!replaced.empty() && replaced != path) remove(replaced);
}

void ModelCheckpoint::save_last(Trainer& trainer) {
  const std::string path = folder(trainer) + "/last.ckpt";
  last_path_ = path;
  write(trainer, path);
}

std::string ModelCheckpoint::free_path(const std::string& folder, const std::string& name, const std::string& replaced,
                                       bool may_overwrite) const {
  std::string path = folder + "/" + name + ".ckpt";
  if (may_overwrite) return path;
  for (int version = 1; path != replaced && std::filesystem::exists(path); ++version) {
    path = folder + "/" + name + "-v" + std::to_string(version) + ".ckpt";
  }
  return path;
}

void ModelCheckpoint::write(Trainer& trainer, const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(parent, error);
  FULMEN_CHECK(!error, "ModelCheckpoint: cannot make the folder ", parent.string(), ": ", error.message());
  if (dirpath_.empty()) dirpath_ = folder(trainer);
  last_step_saved_ = trainer.global_step();
  trainer.save_checkpoint(path, options_.save_weights_only);
}

void ModelCheckpoint::remove(const std::string& path) const {
  std::error_code error;
  std::filesystem::remove(path, error);
  if (error) warn("ModelCheckpoint: cannot remove " + path + ": " + error.message());
}

std::string ModelCheckpoint::state_dict() const {
  nlohmann::json kept = nlohmann::json::array();
  for (const Saved& saved : kept_) kept.push_back({saved.path, exact(saved.score)});
  nlohmann::json state = {{"best_model_path", best_path_},
                          {"last_model_path", last_path_},
                          {"dirpath", dirpath_},
                          {"kept", kept},
                          {"best_model_score", best_score_ ? exact(*best_score_) : ""}};
  return state.dump();
}

void ModelCheckpoint::load_state_dict(const std::string& json) {
  const nlohmann::json state = nlohmann::json::parse(json);
  best_path_ = state.value("best_model_path", "");
  // Files of another folder are not ours to replace.
  if (!options_.dirpath.empty() && state.value("dirpath", "") != options_.dirpath) return;
  last_path_ = state.value("last_model_path", "");
  if (const std::string score = state.value("best_model_score", ""); !score.empty()) best_score_ = std::stod(score);
  kept_.clear();
  for (const auto& saved : state.value("kept", nlohmann::json::array())) {
    const std::string path = saved.at(0);
    if (std::filesystem::exists(path)) kept_.push_back({path, std::stod(saved.at(1).get<std::string>())});
  }
}

}  // namespace fulmen::trainer
