#include <fulmen/tensor/error.h>
#include <fulmen/trainer/metric/metric.h>
#include <fulmen/trainer/metric_book.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A mark is made with every batch, so a metric that keeps more numbers than this is not copied: in a checkpoint that
/// goes back to the beginning of a batch, it keeps what it saw of that batch.
constexpr size_t longest_marked_state = 1024;

double start_of(Reduce reduce) { return reduce == Reduce::Max ? -infinity : reduce == Reduce::Min ? infinity : 0; }

/// What a resumed run reports if nothing more is logged in the epoch; some metrics have no value yet.
double value_now(const metric::Metric& metric) {
  try {
    return metric.value();
  } catch (const Error&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

[[noreturn]] void refuse(const HookSite& site, std::string_view name, const char* what, const char* fix) {
  throw Error("E012", str("log: \"", name, "\" in ", site.name, ": ", what), fix);
}

}  // namespace

double MetricBook::Entry::reduced() const {
  if (metric) return metric->value();
  return reduce == Reduce::Mean ? total / weight : total;
}

void MetricBook::Entry::add(double value, double weight_of_value) {
  last = value;
  switch (reduce) {
    case Reduce::Mean:
      total += value * weight_of_value;
      weight += weight_of_value;
      break;
    case Reduce::Sum:
      total += value;
      break;
    case Reduce::Max:
      total = value > total || value != value ? value : total;
      break;
    case Reduce::Min:
      total = value < total || value != value ? value : total;
      break;
  }
}

std::string MetricBook::Entry::base_name() const {
  return suffix ? name + "/dataloader_idx_" + std::to_string(dataloader_idx) : name;
}

std::string MetricBook::Entry::full_name(bool step_value) const {
  std::string forked = name;
  if (on_step && on_epoch) forked += step_value ? "_step" : "_epoch";
  return suffix ? forked + "/dataloader_idx_" + std::to_string(dataloader_idx) : forked;
}

bool MetricBook::same_arguments(const Entry& entry, const LogOptions& options, LogRule rule, bool suffix) {
  return entry.on_step == options.on_step.value_or(rule == LogRule::PerStep) &&
         entry.on_epoch == options.on_epoch.value_or(rule != LogRule::PerStep) && entry.prog_bar == options.prog_bar &&
         entry.logger == options.logger && entry.reduce == options.reduce && entry.suffix == suffix;
}

MetricBook::Entry& MetricBook::find_or_add(std::string_view name, const LogOptions& options) {
  std::vector<Entry>& list = entries();
  auto is_it = [&](const Entry& entry) {
    return entry.name == name && entry.dataloader_idx == dataloader_idx && entry.hook == site.name;
  };
  auto found = cursor_ < list.size() && is_it(list[cursor_]) ? list.begin() + static_cast<ptrdiff_t>(cursor_)
                                                             : std::find_if(list.begin(), list.end(), is_it);
  const bool suffix = several_loaders && options.add_dataloader_idx;
  if (found == list.end()) {
    if (name.empty()) refuse(site, name, "the name is empty", "give the value a name");
    const bool mixes = several_loaders && !suffix && std::any_of(list.begin(), list.end(), [&](const Entry& entry) {
                         return entry.name == name && entry.hook == site.name;
                       });
    if (mixes) {
      refuse(site, name, "with add_dataloader_idx = false two loaders log the same name",
             "put dataloader_idx into the name, or leave add_dataloader_idx out");
    }
    Entry entry;
    entry.name = name;
    entry.hook = site.name;
    entry.dataloader_idx = dataloader_idx;
    entry.on_step = options.on_step.value_or(site.rule == LogRule::PerStep);
    entry.on_epoch = options.on_epoch.value_or(site.rule != LogRule::PerStep);
    entry.prog_bar = options.prog_bar;
    entry.logger = options.logger;
    entry.reduce = options.reduce;
    entry.suffix = suffix;
    entry.once = site.rule == LogRule::EpochOnly;
    entry.total = start_of(options.reduce);
    if (!entry.on_step && !entry.on_epoch) refuse(site, name, "on_step and on_epoch are both false", "set one of them");
    if (options.add_dataloader_idx && name.find("/dataloader_idx_") != std::string_view::npos) {
      refuse(site, name, "the loader's number is added to the name by itself",
             "log it without, or set add_dataloader_idx = false");
    }
    found = list.insert(list.end(), std::move(entry));
  } else if (!same_arguments(*found, options, site.rule, suffix)) {
    refuse(site, name, "logged twice in the same hook with different arguments",
           "give every call for this name the same arguments, or another name");
  }
  cursor_ = static_cast<size_t>(found - list.begin()) + 1;
  return *found;
}

void MetricBook::check_site(std::string_view name, const LogOptions& options) const {
  if (site.rule == LogRule::Forbidden) {
    refuse(site, name, "logging is not allowed here",
           "log in training_step, validation_step, test_step, or a hook that runs within an epoch");
  }
  if (site.rule == LogRule::EpochOnly && options.on_step.value_or(false)) {
    refuse(site, name, "on_step is set, but this hook runs once an epoch", "leave on_step out");
  }
}

void MetricBook::log(std::string_view name, double value, const LogOptions& options) {
  check_site(name, options);
  Entry& entry = find_or_add(name, options);
  const int64_t weight = options.batch_size > 0 ? options.batch_size : entry.once ? 1 : batch_size;
  entry.add(value, static_cast<double>(weight));
}

void MetricBook::log(std::string_view name, metric::Metric& metric, const LogOptions& options) {
  check_site(name, options);
  if (recording)
    refuse(site, name, "a metric cannot be logged in a recorded step", "log it in a hook outside of the step");
  Entry& entry = find_or_add(name, options);
  if (!entry.restored.empty()) metric.merge(entry.restored);
  entry.restored.clear();
  entry.metric = &metric;
  if (entry.on_step) entry.last = metric.value();
}

void MetricBook::let_go_of_metrics() {
  for (auto& page : pages_) {
    for (Entry& entry : page) {
      if (!entry.metric) continue;
      entry.restored = entry.metric->state();
      entry.total = value_now(*entry.metric);
      entry.weight = 1;
      entry.metric->reset();
      entry.metric = nullptr;
    }
  }
}

void MetricBook::forget(std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (entry.metric) entry.metric->reset();
  }
  entries.clear();
}

void MetricBook::open(Page page, bool fresh) {
  page_ = page;
  cursor_ = 0;
  if (fresh) forget(entries());
}

void MetricBook::publish(bool step_values, bool of_loaders, unsigned lists) {
  for (const Entry& entry : entries()) {
    const bool wanted = step_values ? entry.on_step : entry.on_epoch;
    if (!wanted || (entry.suffix && !of_loaders)) continue;
    const double value = step_values ? entry.last : entry.reduced();
    const std::string name = entry.full_name(step_values);
    if (entry.logger && (lists & OfLoggers)) logged.set(name, value);
    if (entry.prog_bar && (lists & OfProgressBar)) progress_bar.set(name, value);
    // Validation and test put nothing but epoch values where callbacks look.
    if ((lists & OfCallbacks) && (page_ == Page::Training || !step_values)) {
      callback.set(entry.base_name(), value);
      callback.set(name, value);
    }
  }
}

Metrics MetricBook::logger_row(bool step_values) const {
  Metrics row;
  for (const Entry& entry : entries()) {
    if (!entry.logger || !(step_values ? entry.on_step : entry.on_epoch)) continue;
    if (step_values && page_ == Page::Evaluation && entry.dataloader_idx != dataloader_idx) continue;
    row.set(entry.full_name(step_values), step_values ? entry.last : entry.reduced());
  }
  return row;
}

Metrics MetricBook::loader_results(int64_t loader) const {
  Metrics results;
  for (const Entry& entry : entries()) {
    if (entry.on_epoch && (entry.dataloader_idx == loader || !entry.suffix)) {
      results.set(entry.full_name(false), entry.reduced());
    }
  }
  return results;
}

void MetricBook::clear() {
  for (auto& page : pages_) forget(page);
  callback.clear();
  logged.clear();
  progress_bar.clear();
  cursor_ = 0;
}

void MetricBook::mark(Mark& mark) {
  std::vector<Entry>& all = pages_[0];
  mark.entries = all.size();
  mark.numbers.clear();
  mark.seen.clear();
  for (size_t i = 0; i < all.size(); ++i) {
    Entry& e = all[i];
    mark.numbers.insert(mark.numbers.end(), {e.last, e.total, e.weight});
    if ((!e.metric && e.restored.empty()) || e.too_long_to_mark) continue;
    mark.seen.resize(all.size());
    mark.seen[i] = e.metric ? e.metric->state() : e.restored;
    e.too_long_to_mark = mark.seen[i].size() > longest_marked_state;
  }
}

std::string MetricBook::save(std::vector<double>& numbers, const Mark* mark) const {
  using nlohmann::json;
  json text = {{"entries", json::array()}};
  const std::vector<Entry>& all = pages_[0];
  const size_t count = mark ? std::min(mark->entries, all.size()) : all.size();
  for (size_t i = 0; i < count; ++i) {
    const Entry& e = all[i];
    text["entries"].push_back({e.name, e.hook, e.dataloader_idx, e.on_step, e.on_epoch, e.prog_bar, e.logger, e.suffix,
                               e.once, static_cast<int>(e.reduce), 0});
    if (mark) {
      const double* before = &mark->numbers[3 * i];
      numbers.insert(numbers.end(), before, before + 3);
    } else if (e.metric) {
      numbers.insert(numbers.end(), {e.last, value_now(*e.metric), 1.0});
    } else {
      numbers.insert(numbers.end(), {e.last, e.total, e.weight});
    }
    const std::vector<double> now = e.metric ? e.metric->state() : e.restored;
    const std::vector<double>& seen = mark && i < mark->seen.size() && !mark->seen[i].empty() ? mark->seen[i] : now;
    text["entries"].back().back() = seen.size();
    numbers.insert(numbers.end(), seen.begin(), seen.end());
  }
  const std::pair<const char*, const Metrics*> lists[] = {
      {"callback", &callback}, {"logged", &logged}, {"progress_bar", &progress_bar}};
  for (const auto& [key, metrics] : lists) {
    // Sorted, because the order of appearance depends on where a run was interrupted.
    std::vector<std::string> names = metrics->keys();
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) numbers.push_back((*metrics)[name]);
    text[key] = names;
  }
  return text.dump();
}

void MetricBook::restore(const std::string& text, const std::vector<double>& numbers) {
  using nlohmann::json;
  const json parsed = json::parse(text);
  size_t next = 0;
  auto take = [&] {
    FULMEN_CHECK(next < numbers.size(), "checkpoint: __metrics holds ", numbers.size(), " numbers, more are named");
    return numbers[next++];
  };
  clear();
  for (const json& item : parsed.at("entries")) {
    Entry e;
    e.name = item.at(0), e.hook = item.at(1), e.dataloader_idx = item.at(2);
    e.on_step = item.at(3), e.on_epoch = item.at(4), e.prog_bar = item.at(5), e.logger = item.at(6);
    e.suffix = item.at(7), e.once = item.at(8), e.reduce = static_cast<Reduce>(item.at(9).get<int>() & 3);
    e.last = take(), e.total = take(), e.weight = take();
    for (int64_t left = item.at(10); left > 0; --left) e.restored.push_back(take());
    pages_[0].push_back(std::move(e));
  }
  const std::pair<const char*, Metrics*> lists[] = {
      {"callback", &callback}, {"logged", &logged}, {"progress_bar", &progress_bar}};
  for (const auto& [key, metrics] : lists) {
    for (const json& name : parsed.at(key)) metrics->set(name.get<std::string>(), take());
  }
}

}  // namespace fulmen::trainer
