#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/timer.h>
#include <fulmen/trainer/trainer.h>

#include <nlohmann/json.hpp>

namespace fulmen::trainer {

Timer::Timer(const std::string& duration, Check check) : duration_(seconds_of(duration, "max_time")), check_(check) {}

double Timer::time_elapsed() const { return before_ + (running_ ? since_start_.seconds() : 0); }

void Timer::on_fit_start(Trainer& trainer, Module&) { check(trainer); }  // a resumed run may have used up its time

void Timer::on_train_start(Trainer&, Module&) {
  since_start_ = Stopwatch();
  running_ = true;
}

void Timer::on_train_end(Trainer&, Module&) {
  before_ = time_elapsed();
  running_ = false;
}

void Timer::on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t) {
  if (check_ == Check::AfterBatches) check(trainer);
}

void Timer::on_train_epoch_end(Trainer& trainer, Module&) {
  if (check_ == Check::AfterEpochs) check(trainer);
}

void Timer::check(Trainer& trainer) {
  if (time_elapsed() < duration_ || trainer.should_stop()) return;
  trainer.set_should_stop(true);
  trainer.print(str("Timer: the time of ", duration_, " seconds is over"));
}

std::string Timer::state_dict() const { return nlohmann::json{{"time_elapsed", time_elapsed()}}.dump(); }

void Timer::load_state_dict(const std::string& json) { before_ = nlohmann::json::parse(json).at("time_elapsed"); }

}  // namespace fulmen::trainer
