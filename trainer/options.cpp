#include <fulmen/tensor/error.h>
#include <fulmen/trainer/options.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>

namespace fulmen::trainer {
namespace {

template <class T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string time_text(double seconds) {
  const auto all = static_cast<long long>(seconds);
  char text[40];
  std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld:%02lld", all / 86400, all / 3600 % 24, all / 60 % 60,
                all % 60);
  return text;
}

std::string to_text(const Amount& v) {
  if (v.is_duration()) return time_text(v.seconds());
  if (v.is_count()) return std::to_string(v.count());
  const std::string text = str(v.fraction());
  return text.find('.') == std::string::npos ? text + ".0" : text;
}
/// A point makes it a fraction: "1.0" is everything, "1" is one batch.
bool from_text(const std::string& text, Amount& v) {
  int64_t count;
  double fraction;
  if (parse(text, count)) {
    v = Amount(count);
  } else if (parse(text, fraction)) {
    v = Amount(fraction);
  } else if (text.find(':') != std::string::npos) {
    v = Amount(text.c_str());
  } else {
    return false;
  }
  return true;
}

template <class T>
std::string to_text(const std::optional<T>& v) {
  return v ? str(*v) : "none";
}
template <class T>
bool from_text(const std::string& text, std::optional<T>& v) {
  T value;
  if (text == "none") {
    v.reset();
  } else if (parse(text, value)) {
    v = value;
  } else {
    return false;
  }
  return true;
}

struct Word {
  const char* text;
  int value;
};
constexpr Word clip_words[] = {{"norm", 0}, {"value", 1}};
constexpr Word nonfinite_words[] = {{"stop", 0}, {"skip", 1}, {"ignore", 2}};

template <class E, size_t N>
std::string word_of(E value, const Word (&words)[N]) {
  return words[static_cast<size_t>(value)].text;
}
template <class E, size_t N>
bool from_word(const std::string& text, E& value, const Word (&words)[N]) {
  for (const Word& word : words) {
    if (text != word.text) continue;
    value = static_cast<E>(word.value);
    return true;
  }
  return false;
}

std::string to_text(const ProfilerChoice& v) { return v.is_simple() ? "simple" : "none"; }
bool from_text(const std::string& text, ProfilerChoice& v) {
  v = ProfilerChoice(text);
  return true;
}
std::string to_text(const Devices& v) { return v.text(); }
bool from_text(const std::string& text, Devices& v) {
  v = Devices(text);
  return true;
}
std::string to_text(ClipAlgorithm v) { return word_of(v, clip_words); }
bool from_text(const std::string& text, ClipAlgorithm& v) { return from_word(text, v, clip_words); }
std::string to_text(OnNonfinite v) { return word_of(v, nonfinite_words); }
bool from_text(const std::string& text, OnNonfinite& v) { return from_word(text, v, nonfinite_words); }

/// Options of other types than fields may have travel as text.
template <class T>
void visit_text(FieldVisitor& f, const char* name, T& value) {
  std::string text = to_text(value);
  const std::string before = text;
  f.visit(name, text);
  if (text != before && !from_text(text, value)) {
    throw Error("E016", str(name, " is \"", text, "\", which is no value of this option"), "the default is " + before);
  }
}

}  // namespace

double seconds_of(const std::string& time, const char* option) {
  int64_t parts[4] = {};
  int count = 0;
  bool right = true;
  for (size_t at = 0; at <= time.size() && right; ++count) {
    const size_t colon = std::min(time.find(':', at), time.size());
    right = count < 4 && parse(std::string_view(time).substr(at, colon - at), parts[count < 4 ? count : 3]) &&
            parts[count < 4 ? count : 3] >= 0;
    at = colon + 1;
  }
  if (!right || count != 4) {
    throw Error("E016", str(option, " is \"", time, "\", which is no time"),
                "days:hours:minutes:seconds, e.g. 00:00:30:00 for half an hour");
  }
  return static_cast<double>(((parts[0] * 24 + parts[1]) * 60 + parts[2]) * 60 + parts[3]);
}

Amount::Amount(const char* time) : fraction_(seconds_of(time, "val_check_interval")), kind_(Kind::Duration) {}

Devices::Devices(const std::string& text) {
  if (text == "auto") return;
  int64_t count = 0;
  bool right = true;
  if (text.find(',') == std::string::npos) {
    right = parse(text, count) && count >= 0;
    count_ = count;
  } else {
    for (size_t at = 0; at < text.size() && right;) {
      const size_t comma = std::min(text.find(',', at), text.size());
      int number = 0;
      right = parse(std::string_view(text).substr(at, comma - at), number) && number >= 0;
      numbers_.push_back(number);
      at = comma + 1;
    }
    count_ = static_cast<int64_t>(numbers_.size());
  }
  if (!right) {
    throw Error("E016", "devices is \"" + text + "\", which is no value of this option",
                "auto, how many (1), or which one (0,)");
  }
}

ProfilerChoice::ProfilerChoice(const std::string& name) : simple_(name == "simple") {
  if (!simple_ && name != "none") {
    throw Error("E016", "profiler is \"" + name + "\"; allowed: simple, none",
                "for a time line make a Profiler with chrome_trace set, and pass that");
  }
}

std::vector<int> Devices::numbers() const {
  if (!numbers_.empty()) return numbers_;
  std::vector<int> first_ones(static_cast<size_t>(count()));
  std::iota(first_ones.begin(), first_ones.end(), 0);
  return first_ones;
}

std::string Devices::text() const {
  if (is_auto()) return "auto";
  if (numbers_.empty()) return std::to_string(count_);
  std::string text;
  for (int number : numbers_) text += std::to_string(number) + ",";
  return text;
}

void TrainerOptions::fields(FieldVisitor& f) {
  visit_text(f, "max_epochs", max_epochs);
  visit_text(f, "min_epochs", min_epochs);
  visit_text(f, "min_steps", min_steps);
  f("max_steps", max_steps);
  f("max_time", max_time);
  visit_text(f, "limit_train_batches", limit_train_batches);
  visit_text(f, "limit_val_batches", limit_val_batches);
  visit_text(f, "limit_test_batches", limit_test_batches);
  visit_text(f, "limit_predict_batches", limit_predict_batches);
  visit_text(f, "overfit_batches", overfit_batches);
  f("fast_dev_run", fast_dev_run);
  visit_text(f, "val_check_interval", val_check_interval);
  visit_text(f, "check_val_every_n_epoch", check_val_every_n_epoch);
  f("num_sanity_val_steps", num_sanity_val_steps);
  f("reload_dataloaders_every_n_epochs", reload_dataloaders_every_n_epochs);
  f("log_every_n_steps", log_every_n_steps);
  f("enable_checkpointing", enable_checkpointing);
  f("enable_progress_bar", enable_progress_bar);
  f("enable_model_summary", enable_model_summary);
  f("enable_autolog_hparams", enable_autolog_hparams);
  f("accumulate_grad_batches", accumulate_grad_batches);
  visit_text(f, "gradient_clip_val", gradient_clip_val);
  visit_text(f, "gradient_clip_algorithm", gradient_clip_algorithm);
  visit_text(f, "on_nonfinite", on_nonfinite);
  f("detect_anomaly", detect_anomaly);
  visit_text(f, "profiler", profiler);
  f("barebones", barebones);
  f("lightning_compatible", lightning_compatible);
  f("inference_mode", inference_mode);
  f("accelerator", accelerator);
  visit_text(f, "devices", devices);
  f("precision", precision);
  f("cuda_graph", cuda_graph);
  f("default_root_dir", default_root_dir);
  f("logger", logger);
}

bool validates_once_per_epoch(const TrainerOptions& options) {
  const Amount& interval = options.val_check_interval;
  // To Python, which Lightning asks, one batch and all of them are the same number.
  const bool after_all = interval == Amount(1.0) || (options.lightning_compatible && interval == Amount(1));
  return after_all && options.check_val_every_n_epoch == 1;
}

}  // namespace fulmen::trainer
