#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/profiler.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

void write_file(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  const bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file && std::fclose(file) == 0;
  if (!written || !closed) fail(str("Profiler: cannot write ", path, ": ", std::strerror(errno)));
}

}  // namespace

struct Profiler::Body {
  struct Timed {
    Action action;
    std::vector<Clock::time_point> running;  // the same action may run within itself
  };
  struct Event {
    size_t action;
    double start, duration;  // seconds since `begin`
  };

  size_t find(std::string_view name) {
    for (size_t i = 0; i < timed.size(); ++i) {
      if (timed[i].action.name == name) return i;
    }
    timed.push_back({{std::string(name)}, {}});
    return timed.size() - 1;
  }

  ProfilerOptions options;
  Clock::time_point begin = Clock::now();
  std::vector<Timed> timed;
  std::vector<Event> events;
  int64_t dropped = 0;
};

Profiler::Profiler(ProfilerOptions options) : body_(std::make_unique<Body>()) { body_->options = std::move(options); }
Profiler::~Profiler() = default;

void Profiler::start(std::string_view action) {
  Body::Timed& timed = body_->timed[body_->find(action)];
  timed.running.push_back(Clock::now());
}

void Profiler::stop(std::string_view action) {
  const Clock::time_point now = Clock::now();
  const size_t index = body_->find(action);
  Body::Timed& timed = body_->timed[index];
  FULMEN_CHECK(!timed.running.empty(), "Profiler: stop(\"", action, "\") without start()");
  const Clock::time_point from = timed.running.back();
  timed.running.pop_back();
  const double seconds = seconds_between(from, now);
  ++timed.action.calls;
  timed.action.seconds += seconds;
  if (body_->options.chrome_trace.empty()) return;
  if (static_cast<int64_t>(body_->events.size()) < body_->options.max_events) {
    body_->events.push_back({index, seconds_between(body_->begin, from), seconds});
  } else {
    ++body_->dropped;
  }
}

/// Ends an action if it is running.
void Profiler::close(std::string_view action) {
  if (!body_->timed[body_->find(action)].running.empty()) stop(action);
}

std::vector<Profiler::Action> Profiler::actions() const {
  std::vector<Action> out;
  for (const Body::Timed& timed : body_->timed) {
    if (timed.action.calls > 0) out.push_back(timed.action);
  }
  std::stable_sort(out.begin(), out.end(), [](const Action& a, const Action& b) { return a.seconds > b.seconds; });
  return out;
}

std::string Profiler::summary() const {
  const std::vector<Action> all = actions();
  size_t width = 6;
  for (const Action& action : all) width = std::max(width, action.name.size());
  const double whole = seconds_between(body_->begin, Clock::now());
  std::string out;
  char line[512];
  const auto row = [&](const char* name, const char* format, auto... values) {
    std::snprintf(line, sizeof line, "%-*.*s  ", static_cast<int>(width), 200, name);
    out += line;
    std::snprintf(line, sizeof line, format, values...);
    out += line;
    out += '\n';
  };
  row("Action", "%14s  %10s  %12s  %8s", "Mean [s]", "Calls", "Total [s]", "%");
  out += std::string(width + 52, '-') + "\n";
  row("Total", "%14s  %10s  %12.6g  %8.2f", "-", "-", whole, 100.0);
  for (const Action& action : all) {
    row(action.name.c_str(), "%14.6g  %10lld  %12.6g  %8.2f", action.seconds / static_cast<double>(action.calls),
        static_cast<long long>(action.calls), action.seconds, 100 * action.seconds / whole);
  }
  return out;
}

std::string Profiler::chrome_trace() const {
  std::string out = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n";
  out += "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"args\": {\"name\": \"fulmen\"}}";
  std::vector<std::string> names;
  for (const Body::Timed& timed : body_->timed) names.push_back(nlohmann::json(timed.action.name).dump());
  char line[160];
  for (const Body::Event& event : body_->events) {
    out += ",\n{\"name\": " + names[event.action];
    std::snprintf(line, sizeof line, ", \"ph\": \"X\", \"pid\": 1, \"tid\": 1, \"ts\": %.3f, \"dur\": %.3f}",
                  event.start * 1e6, event.duration * 1e6);
    out += line;
  }
  out += "\n], \"otherData\": {\"dropped\": " + std::to_string(body_->dropped) + "}}\n";
  return out;
}

void Profiler::report() {
  if (body_->options.filename.empty()) {
    std::fprintf(stderr, "%s", summary().c_str());
  } else {
    write_file(body_->options.filename, summary());
  }
  if (!body_->options.chrome_trace.empty()) write_file(body_->options.chrome_trace, chrome_trace());
}

void Profiler::setup(Trainer&, Module&, Stage stage) {
  body_->timed.clear();
  body_->events.clear();
  body_->dropped = 0;
  body_->begin = Clock::now();
  start(stage_name(stage));
}

void Profiler::teardown(Trainer&, Module&, Stage stage) {
  close("loading of batches");
  close(stage_name(stage));
  report();
}

void Profiler::on_exception(Trainer&, Module&, const std::exception&) {
  for (Body::Timed& timed : body_->timed) timed.running.clear();
}

void Profiler::on_train_epoch_start(Trainer&, Module&) {
  start("training epoch");
  start("loading of batches");
}

void Profiler::on_train_epoch_end(Trainer&, Module&) {
  close("loading of batches");
  stop("training epoch");
}

void Profiler::on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t) {
  close("loading of batches");
  start("training batch");
  start("training_step");
}

void Profiler::on_before_zero_grad(Trainer&, Module&, optim::Optimizer&) { close("training_step"); }

void Profiler::on_before_backward(Trainer&, Module&, const Tensor&) {
  close("training_step");
  start("backward");
}

void Profiler::on_after_backward(Trainer&, Module&) { close("backward"); }

void Profiler::on_before_optimizer_step(Trainer&, Module&, optim::Optimizer&) { start("optimizer step"); }

void Profiler::on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) {
  close("training_step");
  close("optimizer step");
  close("training batch");
  start("loading of batches");
}

void Profiler::on_validation_start(Trainer&, Module&) {
  close("loading of batches");
  start("validation");
}

void Profiler::on_validation_end(Trainer& trainer, Module&) {
  close("validation");
  if (trainer.stage() == Stage::Fit && !trainer.sanity_checking()) start("loading of batches");
}

void Profiler::on_validation_batch_start(Trainer&, Module&, const AnyRef&, int64_t, int64_t) {
  start("validation_step");
}
void Profiler::on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) {
  close("validation_step");
}
void Profiler::on_test_batch_start(Trainer&, Module&, const AnyRef&, int64_t, int64_t) { start("test_step"); }
void Profiler::on_test_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) {
  close("test_step");
}
void Profiler::on_predict_batch_start(Trainer&, Module&, const AnyRef&, int64_t, int64_t) { start("predict_step"); }
void Profiler::on_predict_batch_end(Trainer&, Module&, const AnyRef&, const AnyRef&, int64_t, int64_t) {
  close("predict_step");
}

}  // namespace fulmen::trainer
