#include <fulmen/trainer/progress_bar.h>
#include <fulmen/trainer/trainer.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace fulmen::trainer {
namespace {

/// Nanoseconds of a clock that is coarse (milliseconds) and therefore costs next to nothing to read.
int64_t coarse_clock() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

constexpr int64_t bar_interval = 100'000'000, line_interval = 10'000'000'000;

std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto s = static_cast<long long>(seconds + 0.5);
  char text[40];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  }
  return text;
}

std::string number(double value) {
  char text[40];
  const double size = std::fabs(value);
  const bool plain = value == 0 || (size >= 1e-3 && size < 1e6);
  std::snprintf(text, sizeof text, plain ? "%.4g" : "%.3e", value);
  return text;
}

std::string metrics_text(const Metrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics) text += " " + name + "=" + number(value);
  return text;
}

}  // namespace

struct ProgressBar::Body {
  bool bar = false;
  int64_t width = 80, next_draw = 0, started = 0, first_batch = 0;
  int64_t last_line = 0;
  size_t drawn = 0;  // length of the line on the screen
  std::string label;

  void begin(std::string what, int64_t batches_before) {
    label = std::move(what);
    first_batch = batches_before;
    started = coarse_clock();
    next_draw = started + (bar ? 0 : line_interval);
  }
  void clear() {
    if (drawn == 0) return;
    std::fprintf(stderr, "\r%*s\r", static_cast<int>(drawn), "");
    drawn = 0;
  }
  /// The bar stays on the screen, what follows goes below it.
  void leave() {
    if (drawn > 0) std::fprintf(stderr, "\n");
    drawn = 0;
  }
  void line(const std::string& text) {
    clear();
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::string speed(int64_t done, int64_t total, int64_t now) const {
    const double seconds = static_cast<double>(now - started) * 1e-9;
    if (seconds <= 0) return {};
    const double rate = static_cast<double>(done - first_batch) / seconds;
    std::string text = " " + number(rate) + " it/s";
    if (total >= done && rate > 0) text += " eta " + duration(static_cast<double>(total - done) / rate);
    return text;
  }
  /// Called after every batch; does nothing until it is time to draw again.
  void tick(const Trainer& trainer, int64_t done, int64_t total) {
    const int64_t now = coarse_clock();
    if (now < next_draw) return;
    draw(trainer, done, total, now);
  }
  void draw(const Trainer& trainer, int64_t done, int64_t total, int64_t now) {
    next_draw = now + (bar ? bar_interval : line_interval);
    const std::string count = std::to_string(done) + (total >= 0 ? "/" + std::to_string(total) : "");
    std::string tail = count + speed(done, total, now) + metrics_text(trainer.progress_bar_metrics());
    if (!bar) return line(label + ": batch " + tail);
    winsize size{};
    width = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    constexpr int64_t cells = 24;
    std::string text = label + " ";
    if (total > 0) {
      const int64_t full = std::min(cells, cells * done / total);
      text += "[" + std::string(static_cast<size_t>(full), '#') + std::string(static_cast<size_t>(cells - full), '.') +
              "] ";
    }
    text += tail;
    text.resize(std::min(text.size(), static_cast<size_t>(std::max<int64_t>(20, width - 1))));
    const size_t rest = drawn > text.size() ? drawn - text.size() : 0;
    std::fprintf(stderr, "\r%s%*s", text.c_str(), static_cast<int>(rest), "");
    std::fflush(stderr);
    drawn = text.size();
  }
};

ProgressBar::ProgressBar(Style style) : body_(std::make_unique<Body>()) {
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal && std::string(terminal) == "dumb";
  body_->bar = style == Style::Bar || (style == Style::Auto && ::isatty(STDERR_FILENO) && !dumb);
}
ProgressBar::~ProgressBar() = default;

void ProgressBar::print(std::string_view text) { body_->line(std::string(text)); }

void ProgressBar::on_sanity_check_start(Trainer&, Module&) { body_->begin("Sanity check", 0); }
void ProgressBar::on_sanity_check_end(Trainer&, Module&) { body_->clear(); }

void ProgressBar::on_train_epoch_start(Trainer& trainer, Module&) {
  body_->begin("Epoch " + std::to_string(trainer.current_epoch()), 0);
}

void ProgressBar::on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t batch_idx) {
  body_->tick(trainer, batch_idx + 1, trainer.num_training_batches());
}

void ProgressBar::on_train_epoch_end(Trainer& trainer, Module&) {
  const int64_t now = coarse_clock();
  // Epochs that are faster than the eye share a line: at most one a second.
  Body& body = *body_;
  const int64_t done = trainer.batch_idx() + 1, total = trainer.num_training_batches();
  if (body.bar) return body.draw(trainer, done, total, now);
  const int64_t limit = trainer.options().max_epochs.value_or(-1);
  const bool last = limit >= 0 && trainer.current_epoch() + 1 >= limit;
  if (now - body.last_line < 1'000'000'000 && !last) return;
  body.last_line = now;
  body.line(body.label + ": " + std::to_string(done) + " batches in " +
            number(static_cast<double>(now - body.started) * 1e-9) + " s" +
            metrics_text(trainer.progress_bar_metrics()));
}

void ProgressBar::on_train_end(Trainer&, Module&) { body_->leave(); }

void ProgressBar::on_validation_start(Trainer& trainer, Module&) {
  if (trainer.stage() == Stage::Validate) body_->begin("Validation", 0);
}
void ProgressBar::on_validation_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&,
                                          int64_t batch_idx, int64_t loader) {
  if (trainer.stage() != Stage::Validate && !trainer.sanity_checking()) return;
  const auto totals = trainer.num_val_batches();
  body_->tick(trainer, batch_idx + 1, totals.empty() ? -1 : totals[static_cast<size_t>(loader)]);
}
void ProgressBar::on_validation_end(Trainer& trainer, Module&) {
  if (trainer.stage() == Stage::Validate) body_->clear();
}

void ProgressBar::on_test_start(Trainer&, Module&) { body_->begin("Test", 0); }
void ProgressBar::on_test_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t batch_idx,
                                    int64_t loader) {
  const auto totals = trainer.num_val_batches();
  body_->tick(trainer, batch_idx + 1, totals.empty() ? -1 : totals[static_cast<size_t>(loader)]);
}
void ProgressBar::on_test_end(Trainer&, Module&) { body_->clear(); }

void ProgressBar::on_predict_start(Trainer&, Module&) { body_->begin("Predict", 0); }
void ProgressBar::on_predict_batch_end(Trainer& trainer, Module&, const AnyRef&, const AnyRef&, int64_t batch_idx,
                                       int64_t loader) {
  const auto totals = trainer.num_val_batches();
  body_->tick(trainer, batch_idx + 1, totals.empty() ? -1 : totals[static_cast<size_t>(loader)]);
}
void ProgressBar::on_predict_end(Trainer&, Module&) { body_->clear(); }
void ProgressBar::on_exception(Trainer&, Module&, const std::exception&) { body_->leave(); }

}  // namespace fulmen::trainer
