#include <fulmen/tensor/error.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/trainer.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {

EarlyStopping::EarlyStopping(EarlyStoppingOptions options)
    : options_(std::move(options)),
      best_(options_.mode == Mode::Min ? std::numeric_limits<double>::infinity()
                                       : -std::numeric_limits<double>::infinity()) {
  if (options_.monitor.empty()) throw Error("E016", "EarlyStopping: no monitor", "name the metric to be watched");
  if (options_.patience < 0) throw Error("E016", "EarlyStopping: patience is negative", "0 or more checks");
  options_.min_delta = std::fabs(options_.min_delta);
}

std::string EarlyStopping::state_key() const {
  return str("EarlyStopping{'monitor': '", options_.monitor, "', 'mode': '", options_.mode == Mode::Min ? "min" : "max",
             "'}");
}

void EarlyStopping::setup(Trainer& trainer, Module&, Stage) {
  const TrainerOptions& o = trainer.options();
  on_train_epoch_end_ = options_.check_on_train_epoch_end.value_or(validates_once_per_epoch(o));
}

void EarlyStopping::on_train_epoch_end(Trainer& trainer, Module&) {
  if (on_train_epoch_end_) check(trainer);
}

void EarlyStopping::on_validation_end(Trainer& trainer, Module&) {
  if (!on_train_epoch_end_) check(trainer);
}

void EarlyStopping::check(Trainer& trainer) {
  if (trainer.stage() != Stage::Fit || trainer.sanity_checking() || trainer.options().fast_dev_run > 0) return;
  const Metrics& metrics = trainer.callback_metrics();
  const double* value = metrics.find(options_.monitor);
  if (!value) {
    if (options_.strict) metrics.require(options_.monitor, "EarlyStopping");
    return;
  }
  const Reason reason = judge(*value);
  if (reason == Reason::NotStopped) return;
  reason_ = reason;
  stopped_epoch_ = trainer.current_epoch();
  trainer.set_should_stop(true);
  trainer.print("EarlyStopping: " + message_);
}

EarlyStopping::Reason EarlyStopping::judge(double value) {
  const std::string& name = options_.monitor;
  if (options_.check_finite && !std::isfinite(value)) {
    message_ = str(name, " is ", value, ", not a finite number; the best was ", best_);
    return Reason::NotFinite;
  }
  if (options_.stopping_threshold && better(value, *options_.stopping_threshold)) {
    message_ = str(name, " = ", value, " reached the threshold ", *options_.stopping_threshold);
    return Reason::Threshold;
  }
  if (options_.divergence_threshold && better(*options_.divergence_threshold, value)) {
    message_ = str(name, " = ", value, " is worse than the divergence threshold ", *options_.divergence_threshold);
    return Reason::Divergence;
  }
  const double delta = options_.mode == Mode::Min ? options_.min_delta : -options_.min_delta;
  if (better(value + delta, best_)) {
    best_ = value;
    wait_ = 0;
    return Reason::NotStopped;
  }
  if (++wait_ < options_.patience) return Reason::NotStopped;
  message_ = str(name, " did not improve in ", static_cast<long long>(wait_), " checks; the best was ", best_);
  return Reason::Patience;
}

std::string EarlyStopping::state_dict() const {
  // Infinity, the best score before the first check, is no JSON number.
  char best[40];
  std::snprintf(best, sizeof best, "%.17g", best_);
  return nlohmann::json{
      {"wait_count", wait_}, {"stopped_epoch", stopped_epoch_}, {"best_score", best}, {"patience", options_.patience}}
      .dump();
}

void EarlyStopping::load_state_dict(const std::string& json) {
  const nlohmann::json state = nlohmann::json::parse(json);
  wait_ = state.at("wait_count");
  stopped_epoch_ = state.at("stopped_epoch");
  best_ = std::stod(state.at("best_score").get<std::string>());
}

}  // namespace fulmen::trainer
