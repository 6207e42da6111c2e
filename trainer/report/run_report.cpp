#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/allocator.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/metric/classification.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <fulmen/trainer/report/page.h>
#include <fulmen/trainer/report/run_report.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace fulmen::trainer {
namespace {

using nlohmann::json;
using report::readable;

/// A curve of at most so many points: when it is full, every other one goes and from then on every other one comes.
struct Track {
  void add(double at, double value, int64_t most) {
    if (seen++ % stride != 0) return;
    series.x.push_back(at);
    series.y.push_back(value);
    if (static_cast<int64_t>(series.x.size()) < most) return;
    size_t kept = 0;
    for (size_t i = 0; i < series.x.size(); i += 2, ++kept) {
      series.x[kept] = series.x[i];
      series.y[kept] = series.y[i];
    }
    series.x.resize(kept);
    series.y.resize(kept);
    stride *= 2;
  }
  bool due() const { return seen % stride == 0; }
  report::Series series;
  int64_t seen = 0, stride = 1;
};

Track& track_of(std::vector<Track>& tracks, const std::string& name) {
  for (Track& track : tracks) {
    if (track.series.name == name) return track;
  }
  tracks.emplace_back().series.name = name;
  return tracks.back();
}

json to_json(const std::vector<Track>& tracks) {
  json out = json::array();
  for (const Track& track : tracks) {
    json y = json::array();
    for (double value : track.series.y) std::isfinite(value) ? y.push_back(value) : y.push_back(nullptr);
    out.push_back({{"name", track.series.name},
                   {"steps", track.series.steps},
                   {"x", track.series.x},
                   {"y", y},
                   {"seen", track.seen},
                   {"stride", track.stride}});
  }
  return out;
}

std::vector<Track> from_json(const json& saved) {
  std::vector<Track> out;
  for (const json& item : saved) {
    Track& track = out.emplace_back();
    track.series.name = item.at("name");
    track.series.steps = item.at("steps");
    track.series.x = item.at("x").get<std::vector<double>>();
    for (const json& value : item.at("y")) track.series.y.push_back(value.is_null() ? NAN : value.get<double>());
    track.seen = item.at("seen");
    track.stride = std::max<int64_t>(1, item.at("stride"));
  }
  return out;
}

std::vector<report::Series> series_of(const std::vector<Track>& tracks) {
  std::vector<report::Series> out;
  for (const Track& track : tracks) {
    if (!track.series.x.empty()) out.push_back(track.series);
  }
  return out;
}

std::string duration(double seconds) {
  char text[40];
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (seconds < 1) {
    std::snprintf(text, sizeof text, "%.3g ms", seconds * 1e3);
  } else if (seconds < 60) {
    std::snprintf(text, sizeof text, "%.3g s", seconds);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
  }
  return text;
}

int64_t count_of(const std::vector<Tensor>& parameters, bool trainable) {
  int64_t count = 0;
  for (const Tensor& parameter : parameters) count += !trainable || parameter.requires_grad() ? parameter.numel() : 0;
  return count;
}

void append(std::vector<double>& out, const Tensor& tensor, int64_t most) {
  const Tensor values = tensor.detach().to(Device(kCPU)).to(kDouble).contiguous();
  const auto* data = static_cast<const double*>(values.const_data_ptr());
  const int64_t room = std::max<int64_t>(0, most - static_cast<int64_t>(out.size()));
  out.insert(out.end(), data, data + std::min(room, values.numel()));
}

}  // namespace

struct RunReport::Body {
  RunReportOptions options;
  std::string path;
  Stopwatch watch;
  std::optional<Stopwatch> epoch_watch;
  std::vector<Track> metrics, rates, seconds, megabytes;
  std::set<std::string> of_validation;
  Metrics before_validation;
  std::vector<double> prediction, truth;
  std::optional<metric::ConfusionMatrix> confusion;
  std::optional<metric::CalibrationError> calibration;
  int64_t classes = 0;
  std::vector<report::Text> texts;
  bool resumed = false;

  void forget_predictions() {
    prediction.clear();
    truth.clear();
    confusion.reset();
    calibration.reset();
    classes = 0;
  }
  void add_metric(const std::string& name, double step, double value) {
    Track& track = track_of(metrics, name);
    if (!track.series.x.empty() && track.series.x.back() == step) return;
    track.add(step, value, options.max_points);
  }
  report::Content content(Trainer& trainer, Module& module, const std::string& outcome) const;
};

RunReport::RunReport(RunReportOptions options) : body_(std::make_unique<Body>()) {
  if (options.max_points < 2) {
    throw Error("E016", str("RunReport: max_points is ", options.max_points, "; allowed: 2 or more"), "change it");
  }
  body_->options = std::move(options);
}
RunReport::~RunReport() = default;

void RunReport::add_text(int64_t step, std::string_view text) { body_->texts.push_back({step, std::string(text)}); }
const std::string& RunReport::path() const { return body_->path; }

void RunReport::on_fit_start(Trainer&, Module&) {
  Body& b = *body_;
  if (!std::exchange(b.resumed, false)) {
    b.metrics.clear();
    b.rates.clear();
    b.of_validation.clear();
    b.texts.clear();
  }
  b.seconds.clear();
  b.megabytes.clear();
  b.forget_predictions();
  b.watch = Stopwatch();
}

void RunReport::on_train_epoch_start(Trainer&, Module&) { body_->epoch_watch.emplace(); }

void RunReport::on_train_batch_end(Trainer& trainer, Module&, const StepOutput& output, const AnyRef&, int64_t) {
  Body& b = *body_;
  const auto step = static_cast<double>(trainer.global_step());
  // Reading a loss from a CUDA device waits for it, so there only as often as the log does.
  const int64_t every = trainer.options().log_every_n_steps;
  const bool cheap = output.loss().defined() && output.loss().is_cpu();
  if (output.loss().defined() && (cheap || (every > 0 && trainer.global_step() % every == 0))) {
    Track& loss = track_of(b.metrics, "loss of each step");
    loss.series.steps = true;
    loss.add(step, loss.due() ? output.loss().item().toDouble() : 0, b.options.max_points);
  }
  const optim::Optimizer* optimizer = trainer.optimizer();
  if (!optimizer) return;
  const auto& groups = optimizer->param_groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    if (b.rates.size() <= i) b.rates.emplace_back().series.name = "group " + std::to_string(i);
    if (groups.size() == 1) b.rates[i].series.name = "learning rate";
    b.rates[i].add(step, groups[i].options().get_lr(), b.options.max_points);
  }
}

void RunReport::on_validation_start(Trainer& trainer, Module&) {
  body_->forget_predictions();
  if (!trainer.sanity_checking()) body_->before_validation = trainer.callback_metrics();
}

void RunReport::on_validation_batch_end(Trainer& trainer, Module&, const StepOutput& output, const AnyRef&, int64_t,
                                        int64_t) {
  if (trainer.stage() != Stage::Fit || trainer.sanity_checking()) return;
  Body& b = *body_;
  const Dict& outputs = output.outputs();
  const Tensor *target = outputs.find("target"), *prediction = outputs.find("prediction");
  const Tensor* logits = outputs.find("logits");
  if (!target) return;
  if (logits && logits->dim() == 2 && logits->size(1) >= 2) {
    if (!b.confusion) {
      b.classes = logits->size(1);
      b.confusion.emplace(metric::ConfusionMatrixOptions{.num_classes = b.classes});
      b.calibration.emplace(metric::CalibrationErrorOptions{.num_classes = b.classes});
    }
    b.confusion->update(*logits, *target);
    b.calibration->update(*logits, *target);
  } else if (prediction && prediction->numel() == target->numel()) {
    append(b.prediction, *prediction, b.options.max_predictions);
    append(b.truth, *target, b.options.max_predictions);
  }
}

// What validation changed is of validation; everything else is of training, and recorded at the end of the epoch.
void RunReport::on_validation_end(Trainer& trainer, Module&) {
  if (trainer.stage() != Stage::Fit || trainer.sanity_checking()) return;
  Body& b = *body_;
  for (const auto& [name, value] : trainer.callback_metrics()) {
    const double* before = b.before_validation.find(name);
    if (!before || (*before != value && !(std::isnan(*before) && std::isnan(value)))) b.of_validation.insert(name);
    if (b.of_validation.count(name)) b.add_metric(name, static_cast<double>(trainer.global_step()), value);
  }
}

void RunReport::on_train_epoch_end(Trainer& trainer, Module&) {
  Body& b = *body_;
  const Metrics& all = trainer.callback_metrics();
  const auto ends_with = [](const std::string& name, std::string_view end) { return name.ends_with(end); };
  for (const auto& [name, value] : all) {
    // A forked value is there as `x`, `x_step` and `x_epoch`.
    const bool forked = (ends_with(name, "_step") && all.contains(name.substr(0, name.size() - 5))) ||
                        (ends_with(name, "_epoch") && all.contains(name.substr(0, name.size() - 6)));
    if (!forked && !b.of_validation.count(name)) {
      b.add_metric(name, static_cast<double>(trainer.global_step()), value);
    }
  }
  const auto epoch = static_cast<double>(trainer.current_epoch() + 1);
  if (b.epoch_watch) track_of(b.seconds, "seconds").add(epoch, b.epoch_watch->seconds(), b.options.max_points);
  track_of(b.megabytes, "tensors in use")
      .add(epoch, static_cast<double>(memory_stats().in_use) * 1e-6, b.options.max_points);
  track_of(b.megabytes, "taken from the system")
      .add(epoch, static_cast<double>(memory_stats().reserved) * 1e-6, b.options.max_points);
}

report::Content RunReport::Body::content(Trainer& trainer, Module& module, const std::string& outcome) const {
  report::Content c;
  c.title = options.title.empty() ? nn::short_type_name(typeid(module)) : options.title;
  c.outcome = outcome;
  const std::vector<Tensor> all = module.parameters();
  c.figures = {{"epochs", std::to_string(trainer.current_epoch())},
               {"optimizer steps", std::to_string(trainer.global_step())},
               {"time", duration(watch.seconds())},
               {"parameters", readable(static_cast<double>(count_of(all, false)))},
               {"peak memory", readable(static_cast<double>(memory_stats().peak_reserved) * 1e-6) + " MB"}};
  c.metrics = series_of(metrics);
  c.rates = series_of(rates);
  c.seconds = series_of(seconds);
  c.megabytes = series_of(megabytes);
  c.prediction = prediction;
  c.truth = truth;
  if (confusion) {
    c.confusion = confusion->state();
    c.classes = static_cast<size_t>(classes);
    c.class_names = options.class_names;
    c.bins = calibration->bins();
    c.calibration_error = calibration->value();
  }
  c.texts = texts;
  for (const auto& child : module.named_children()) {
    c.parameters.emplace_back(child.key(), readable(static_cast<double>(count_of(child.value()->parameters(), false))));
  }
  c.parameters.emplace_back("all", readable(static_cast<double>(count_of(all, false))));
  c.parameters.emplace_back("of these, trained", readable(static_cast<double>(count_of(all, true))));
  const auto hparams = nlohmann::ordered_json::parse(module.hparams(), nullptr, false);
  if (hparams.is_object()) {
    for (const auto& [name, value] : hparams.items()) {
      c.hyperparameters.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  if (const ModelCheckpoint* saved = trainer.checkpoint_callback(); saved && !saved->best_model_path().empty()) {
    c.checkpoint.emplace_back("file", saved->best_model_path());
    if (!saved->options().monitor.empty() && saved->best_model_score()) {
      c.checkpoint.emplace_back(saved->options().monitor, readable(*saved->best_model_score()));
      c.figures.emplace_back("best " + saved->options().monitor, readable(*saved->best_model_score()));
    }
  }
  return c;
}

void RunReport::write(Trainer& trainer, Module& module, const std::string& outcome) {
  namespace fs = std::filesystem;
  Body& b = *body_;
  report::Content content = b.content(trainer, module, outcome);
  content.failed = outcome != "completed";
  const std::string path = b.options.path.empty() ? trainer.log_dir() + "/report.html" : b.options.path;
  std::error_code error;
  if (const fs::path folder = fs::path(path).parent_path(); !folder.empty()) fs::create_directories(folder, error);
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::binary);
  file << report::page(content);
  file.close();
  FULMEN_CHECK(file, "RunReport: cannot write ", fresh, ": ", std::strerror(errno));
  fs::rename(fresh, path, error);
  FULMEN_CHECK(!error, "RunReport: cannot write ", path, ": ", error.message());
  b.path = path;
}

void RunReport::on_fit_end(Trainer& trainer, Module& module) {
  if (trainer.options().fast_dev_run > 0) return;
  write(trainer, module, trainer.interrupted() ? "interrupted" : "completed");
}

void RunReport::on_exception(Trainer& trainer, Module& module, const std::exception& exception) {
  if (trainer.stage() != Stage::Fit || trainer.interrupted() || body_->metrics.empty()) return;
  const std::string what = exception.what();
  write(trainer, module, "failed: " + what.substr(0, what.find('\n')));
}

// Times and memory are of a machine, not of the run: they are left out, so that checkpoints of equal runs are equal.
std::string RunReport::state_dict() const {
  const Body& b = *body_;
  json texts = json::array();
  for (const report::Text& text : b.texts) texts.push_back({{"step", text.step}, {"text", text.text}});
  return json{{"metrics", to_json(b.metrics)},
              {"rates", to_json(b.rates)},
              {"of_validation", b.of_validation},
              {"texts", texts}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

void RunReport::load_state_dict(const std::string& text) {
  Body& b = *body_;
  const json state = json::parse(text);
  b.metrics = from_json(state.at("metrics"));
  b.rates = from_json(state.at("rates"));
  b.of_validation = state.at("of_validation").get<std::set<std::string>>();
  b.texts.clear();
  for (const json& item : state.at("texts")) b.texts.push_back({item.at("step"), item.at("text")});
  b.resumed = true;
}

}  // namespace fulmen::trainer
