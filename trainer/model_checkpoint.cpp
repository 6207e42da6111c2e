#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <charconv>
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

/// A number as Python prints it: the shortest text that gives the same double back, with a point.
std::string shortest(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  char text[40];
  if (size != 0 && (size < 1e-4 || size >= 1e16)) {
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
    return std::string(text, end);
  }
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  const std::string digits(text, end);
  return digits.find('.') == std::string::npos ? digits + ".0" : digits;
}

/// `format` is what stands after the colon in "{epoch:02d}" or "{val_loss:.3f}".
std::string format_value(double value, bool integer, std::string format) {
  if (format.empty()) return integer ? std::to_string(static_cast<long long>(value)) : shortest(value);
  const char last = format.back();
  const bool has_kind = std::isalpha(static_cast<unsigned char>(last)) != 0;
  const char kind = has_kind ? last : integer ? 'd' : 'g';
  if (has_kind) format.pop_back();
  FULMEN_CHECK(format.find_first_not_of("0123456789.+-# ") == std::string::npos &&
                   std::string("defgi").find(kind) != std::string::npos,
               "ModelCheckpoint: cannot format a number with \"", format, kind, "\" in the file name");
  char text[64];
  if (kind == 'd' || kind == 'i') {
    std::snprintf(text, sizeof text, ("%" + format + "lld").c_str(), static_cast<long long>(value));
  } else {
    std::snprintf(text, sizeof text, ("%" + format + kind).c_str(), value);
  }
  return text;
}

}  // namespace

SaveLast::SaveLast(const char* how) : save_(true), links_(true) {
  if (std::string_view(how) != "link") {
    throw Error("E016", str("ModelCheckpoint: save_last is \"", how, "\""), "give true, false, or \"link\"");
  }
}

ModelCheckpoint::ModelCheckpoint(ModelCheckpointOptions options) : options_(std::move(options)) {
  const auto check = [](bool good, const char* what, const char* fix) {
    if (!good) throw Error("E016", std::string("ModelCheckpoint: ") + what, fix);
  };
  check(options_.save_top_k >= -1, "save_top_k is less than -1", "-1 keeps all, 0 none");
  check(options_.every_n_epochs >= 0 && options_.every_n_train_steps >= 0, "every_n_... is negative", "0 is off");
  check((options_.every_n_epochs > 0) + (options_.every_n_train_steps > 0) + !options_.train_time_interval.empty() <= 1,
        "of every_n_epochs, every_n_train_steps and train_time_interval more than one is set",
        "choose one, or use two ModelCheckpoints");
  if (!options_.train_time_interval.empty()) seconds_of(options_.train_time_interval, "train_time_interval");
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

std::vector<std::string> ModelCheckpoint::last_checkpoints(const Trainer& trainer) const {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& file : std::filesystem::directory_iterator(folder(trainer), none)) {
    const std::string name = file.path().filename().string();
    if (name == "last.ckpt" || (name.rfind("last-v", 0) == 0 && file.path().extension() == ".ckpt")) {
      found.push_back(file.path().string());
    }
  }
  return found;
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
    const bool integer = !value || key == "epoch" || key == "step";
    name += format_value(value ? *value : 0, integer, colon < field.size() ? field.substr(colon + 1) : "");
    at = close + 1;
  }
  std::replace(name.begin(), name.end(), '\\', '_');
  return name;
}

void ModelCheckpoint::setup(Trainer& trainer, Module&, Stage stage) {
  if (stage != Stage::Fit) return;
  exact_ = !trainer.options().lightning_compatible;
  if (!exact_) return;  // Lightning's goes on with what it knows of the fit before
  last_step_saved_ = 0;
  saved_any_ = wait_for_validation_ = false;
  dirpath_.clear(), newest_path_.clear();
}

void ModelCheckpoint::on_train_start(Trainer&, Module&) { since_save_ = Stopwatch(); }

void ModelCheckpoint::on_train_end(Trainer& trainer, Module&) {
  if (options_.save_last && !saved_any_) save_last(trainer);
}

int64_t ModelCheckpoint::epochs_between() const {
  const bool other = options_.every_n_train_steps > 0 || !options_.train_time_interval.empty();
  return options_.every_n_epochs > 0 ? options_.every_n_epochs : other ? 0 : 1;
}

bool ModelCheckpoint::saves_after_epochs(const Trainer& trainer) const {
  if (options_.save_on_train_epoch_end) return *options_.save_on_train_epoch_end;
  const TrainerOptions& o = trainer.options();
  if (o.val_check_interval.is_duration() || o.check_val_every_n_epoch != 1) return false;
  int64_t val_batches = 0;
  for (int64_t count : trainer.num_val_batches()) val_batches += count < 0 ? 1 : count;
  return val_batches == 0 || validates_once_per_epoch(o);
}

bool ModelCheckpoint::may_save(const Trainer& trainer) const {
  return trainer.stage() == Stage::Fit && may_save_again(trainer);
}

bool ModelCheckpoint::may_save_again(const Trainer& trainer) const {
  return !trainer.sanity_checking() && trainer.options().fast_dev_run == 0 && trainer.global_step() != last_step_saved_;
}

bool ModelCheckpoint::due_after_batch(const Trainer& trainer) {
  const int64_t every = options_.every_n_train_steps;
  if (every > 0 && trainer.global_step() % every == 0) return true;
  const std::string& interval = options_.train_time_interval;
  if (interval.empty() || since_save_.seconds() < seconds_of(interval, "train_time_interval")) return false;
  since_save_ = Stopwatch();
  return true;
}

/// A metric of the validation that follows is newer than the one that is there now.
bool ModelCheckpoint::validates_after_this_batch(const Trainer& trainer) const {
  if (options_.monitor.empty() || saves_after_epochs(trainer) || !trainer.is_last_batch()) return false;
  const auto& every = trainer.options().check_val_every_n_epoch;
  const std::vector<int64_t> batches = trainer.num_val_batches();
  return std::any_of(batches.begin(), batches.end(), [](int64_t count) { return count != 0; }) &&
         (!every || (trainer.current_epoch() + 1) % *every == 0);
}

void ModelCheckpoint::on_train_batch_end(Trainer& trainer, Module& module, const StepOutput&, const AnyRef&, int64_t) {
  if (!due_after_batch(trainer)) return;
  const Metrics metrics = candidates(trainer);
  const bool metric_missing = !options_.monitor.empty() && !metrics.contains(options_.monitor);
  // Lightning does not look ahead when the module optimizes by itself.
  const bool looks_ahead = module.automatic_optimization || !trainer.options().lightning_compatible;
  if (metric_missing || (looks_ahead && validates_after_this_batch(trainer))) {
    wait_for_validation_ = true;
    return;
  }
  if (!may_save(trainer)) return;
  save_top_k(trainer, metrics);
  if (options_.save_last) save_last(trainer);
}

void ModelCheckpoint::on_train_epoch_end(Trainer& trainer, Module&) {
  if (may_save(trainer) && saves_after_epochs(trainer)) save_after_epoch(trainer);
}

void ModelCheckpoint::on_validation_end(Trainer& trainer, Module&) {
  if (!may_save(trainer) || saves_after_epochs(trainer)) return;
  if (!std::exchange(wait_for_validation_, false)) return save_after_epoch(trainer);
  save_top_k(trainer, candidates(trainer));
  if (options_.save_last) save_last(trainer);
}

void ModelCheckpoint::save_after_epoch(Trainer& trainer) {
  const int64_t every = epochs_between();
  if (every > 0 && (trainer.current_epoch() + 1) % every == 0) save_top_k(trainer, candidates(trainer));
  if (options_.save_last && last_step_saved_ == trainer.global_step()) save_last(trainer);
}

void ModelCheckpoint::on_exception(Trainer& trainer, Module&, const std::exception&) {
  if (!options_.save_on_exception || trainer.interrupted()) return;
  if (!(exact_ ? may_save(trainer) : may_save_again(trainer))) return;  // Lightning saves in a prediction, too
  const ModelCheckpoint before = *this;
  write(trainer, folder(trainer) + "/" + format_name(options_.filename, candidates(trainer)) + ".ckpt", before);
  if (options_.save_last) save_last(trainer);
}

Metrics ModelCheckpoint::candidates(const Trainer& trainer) const {
  Metrics metrics = trainer.callback_metrics();
  if (!metrics.contains("epoch")) metrics.set("epoch", static_cast<double>(trainer.current_epoch()));
  if (!metrics.contains("step")) metrics.set("step", static_cast<double>(trainer.global_step()));
  return metrics;
}

void ModelCheckpoint::save_top_k(Trainer& trainer, const Metrics& metrics) {
  if (options_.save_top_k == 0) return;
  if (options_.monitor.empty()) return save_newest(trainer, metrics);
  // Lightning hopes for a validation to come, and may end without a checkpoint.
  const bool hopes = trainer.options().lightning_compatible && !trainer.has_validated();
  if (hopes && !metrics.contains(options_.monitor)) return;
  double score = metrics.require(options_.monitor, "ModelCheckpoint");
  const bool full = options_.save_top_k > 0 && static_cast<int64_t>(kept_.size()) >= options_.save_top_k;
  if (full && !better(score, worst()->score)) return;
  if (std::isnan(score)) score = options_.mode == Mode::Min ? infinity : -infinity;
  save_monitored(trainer, metrics, score);
}

void ModelCheckpoint::save_newest(Trainer& trainer, const Metrics& metrics) {
  const ModelCheckpoint before = *this;
  const std::string replaced = best_path_;
  const std::string path =
      free_path(folder(trainer), format_name(options_.filename, metrics), replaced, !options_.enable_version_counter);
  best_path_ = path;
  write(trainer, path, before);
  if (options_.save_top_k == 1 && ours_to_remove(trainer, replaced, path)) remove(replaced);
}

std::vector<ModelCheckpoint::Saved>::iterator ModelCheckpoint::worst() {
  return std::max_element(kept_.begin(), kept_.end(),
                          [this](const Saved& a, const Saved& b) { return better(a.score, b.score); });
}

void ModelCheckpoint::save_monitored(Trainer& trainer, const Metrics& metrics, double score) {
  const ModelCheckpoint before = *this;
  const bool full = options_.save_top_k > 0 && static_cast<int64_t>(kept_.size()) >= options_.save_top_k;
  std::string replaced;
  if (full) {
    replaced = worst()->path;
    kept_.erase(worst());
  }
  const std::string path =
      free_path(folder(trainer), format_name(options_.filename, metrics), replaced, !options_.enable_version_counter);
  const auto same = std::find_if(kept_.begin(), kept_.end(), [&](const Saved& saved) { return saved.path == path; });
  if (same != kept_.end()) {
    same->score = score;
  } else {
    kept_.push_back({path, score});
  }
  const auto best = std::min_element(kept_.begin(), kept_.end(),
                                     [this](const Saved& a, const Saved& b) { return better(a.score, b.score); });
  best_path_ = best->path;
  best_score_ = best->score;
  write(trainer, path, before);
  if (ours_to_remove(trainer, replaced, path)) remove(replaced);
}

void ModelCheckpoint::save_last(Trainer& trainer) {
  const ModelCheckpoint before = *this;
  const std::string replaced = last_path_;
  last_path_ = free_path(folder(trainer), "last", replaced, !options_.enable_version_counter);
  if (options_.save_last.links() && !newest_path_.empty() && options_.save_top_k != 0) {
    link(last_path_);
  } else {
    write(trainer, last_path_, before);
  }
  if (ours_to_remove(trainer, replaced, last_path_)) remove(replaced);
}

/// Not what has just been written, what the fit goes on from, or what lies in somebody else's folder.
bool ModelCheckpoint::ours_to_remove(const Trainer& trainer, const std::string& path,
                                     const std::string& replacement) const {
  namespace fs = std::filesystem;
  if (path.empty() || path == replacement) return false;
  std::error_code ignored;
  if (!trainer.ckpt_path().empty() && fs::equivalent(path, trainer.ckpt_path(), ignored)) return false;
  const std::string own = fs::absolute(folder(trainer)).lexically_normal().string() + "/";
  return fs::absolute(path).lexically_normal().string().rfind(own, 0) == 0;
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

void ModelCheckpoint::write(Trainer& trainer, const std::string& path, const ModelCheckpoint& before) try {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(parent, error);
  if (error) {
    throw Error("E015", str("ModelCheckpoint: the folder ", parent.string(), " cannot be made: ", error.message()),
                "choose another dirpath, or make room there");
  }
  if (dirpath_.empty()) dirpath_ = folder(trainer);
  last_step_saved_ = trainer.global_step();
  saved_any_ = true;
  trainer.save_checkpoint(path, options_.save_weights_only);
  newest_path_ = path;
} catch (...) {
  *this = before;
  throw;
}

void ModelCheckpoint::link(const std::string& path) const {
  namespace fs = std::filesystem;
  const fs::path beside = path + ".link";
  std::error_code error;
  fs::remove(beside, error);
  fs::create_symlink(fs::path(newest_path_).lexically_proximate(fs::path(path).parent_path()), beside, error);
  if (!error) fs::rename(beside, path, error);  // at no moment is there no last.ckpt
  FULMEN_CHECK(!error, "ModelCheckpoint: cannot link ", path, ": ", error.message());
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
                          {"waiting", wait_for_validation_},
                          {"last_step_saved", last_step_saved_},
                          {"best_model_score", best_score_ ? exact(*best_score_) : ""}};
  return state.dump();
}

void ModelCheckpoint::load_state_dict(const std::string& json) {
  const nlohmann::json state = nlohmann::json::parse(json);
  best_path_ = state.value("best_model_path", "");
  if (exact_) {
    wait_for_validation_ = state.value("waiting", false);
    last_step_saved_ = state.value("last_step_saved", int64_t{0});
    saved_any_ = last_step_saved_ > 0;
  }
  // Files of another folder are not ours to replace.
  if (!options_.dirpath.empty() && state.value("dirpath", "") != options_.dirpath) return;
  if (!options_.dirpath.empty()) dirpath_ = options_.dirpath;
  last_path_ = state.value("last_model_path", "");
  if (const std::string score = state.value("best_model_score", ""); !score.empty()) best_score_ = std::stod(score);
  kept_.clear();
  for (const auto& saved : state.value("kept", nlohmann::json::array())) {
    const std::string path = saved.at(0);
    const bool there = !exact_ || std::filesystem::exists(path);
    if (there) kept_.push_back({path, std::stod(saved.at(1).get<std::string>())});
  }
}

}  // namespace fulmen::trainer
