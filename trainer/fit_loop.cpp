#include <fulmen/autograd/grad_mode.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/data_parallel.h>
#include <fulmen/trainer/fit_loop.h>

// Epochs, batches, and validation between them.
namespace fulmen::trainer {

bool FitLoop::reached_limits() {
  const TrainerOptions& o = run_.options;
  const bool steps_done = o.max_steps != -1 && at_.global_step >= o.max_steps;
  if (steps_done || run_.num_training_batches == 0 || run_.interrupted) return true;
  const int64_t epochs = o.lightning_compatible ? counted_.epochs.current.processed : at_.epoch;
  if (run_.max_epochs == -1 || epochs < run_.max_epochs) return false;
  at_.epoch = counted_.epochs.current.completed = epochs;
  return true;
}

bool FitLoop::can_stop() const {
  const TrainerOptions& o = run_.options;
  const int64_t epochs = o.lightning_compatible ? counted_.epochs.current.processed : at_.epoch;
  return epochs >= o.min_epochs.value_or(o.min_steps ? 1 : 0) && at_.global_step >= o.min_steps.value_or(0);
}

bool FitLoop::more_epochs() {
  if (reached_limits() || (run_.should_stop && can_stop())) return false;
  // Asked for too early: whoever asked may ask again.
  if (!run_.options.lightning_compatible) run_.should_stop = false;
  return true;
}

void FitLoop::start_epoch() {
  if (run_.options.lightning_compatible) return start_epoch_as_lightning();
  if (at_.point != Progress::Point::EpochStart) return go_on_within_epoch();
  reload_train_loader();
  at_.batches = 0;
  run_.is_last_batch = at_.last_batch = false;
  run_.mark_batch(run_.train_loader->state());  // from these hooks a checkpoint goes back to before the epoch
  run_.train_loader->begin_epoch();
  have_ahead_ = false;
  run_.call({"on_epoch_start", LogRule::EpochOnly}, &Callback::on_epoch_start, &Hooks::on_epoch_start);
  run_.call({"on_train_epoch_start", LogRule::EpochOnly}, &Callback::on_train_epoch_start,
            &Hooks::on_train_epoch_start);
  at_.point = Progress::Point::BatchClosed;
  run_.unfinished = Run::Unfinished::Nothing;
}

void FitLoop::reload_train_loader() {
  const int64_t every = run_.options.reload_dataloaders_every_n_epochs;
  if (every == 0 || at_.epoch - train_loaded_in_ < every) return;
  run_.train_loader.reset();
  request_loaders();
}

/// A checkpoint from within the epoch: what its last batch still owes comes first.
void FitLoop::go_on_within_epoch() {
  check_resumed_epoch();
  run_.is_last_batch = at_.last_batch || at_.batches == run_.num_training_batches;
  run_.batch_idx = at_.batches - 1;
  steps_ = closes_window(at_.batches);
  if (at_.point == Progress::Point::BatchDone) {
    run_.in_batch = true;
    log_step_row();
    if (validation_due()) validate();
  }
  if (at_.point != Progress::Point::BatchClosed) close_batch();
}

bool FitLoop::more_batches() const {
  if (run_.is_last_batch || run_.interrupted) return false;
  const int64_t known = run_.num_training_batches, max_steps = run_.options.max_steps;
  if (max_steps != -1 && at_.global_step >= max_steps) return false;
  if (run_.should_stop && can_stop()) return false;
  return known < 0 || at_.batches < known;
}

bool FitLoop::next_batch() {
  if (run_.options.lightning_compatible ? !more_batches_as_lightning() : !more_batches()) return false;
  if (!fetch()) {
    run_.unfinished = Run::Unfinished::Nothing;
    counted_.end_batch();
    return false;
  }
  run_.batch_idx = at_.batches;
  run_.stepped_in_batch = false;
  evaluations_ = 0;
  steps_ = closes_window(at_.batches + 1);
  return true;
}

bool FitLoop::fetch() {
  data::LoaderEngine& loader = *run_.train_loader;
  const int64_t known = run_.num_training_batches;
  if (known >= 0) {
    run_.mark_batch(loader.source()->samples() ? std::vector<int64_t>() : loader.state());
    if (!batch_.fill()) return false;
    if (others_) others_->fill();
    run_.is_last_batch = at_.batches + 1 >= known;
    return true;
  }
  // A stream does not know its length: one batch is fetched ahead, so that the last one is known to be the last.
  run_.mark_batch(have_ahead_ ? std::exchange(run_.before_ahead, {}) : loader.state());
  if (!have_ahead_ && !ahead_.fill()) return false;
  batch_.take(ahead_);
  if (others_) others_->fill();
  run_.before_ahead = loader.state();
  have_ahead_ = ahead_.fill();
  if (!have_ahead_) run_.before_ahead.clear();
  const Amount& limit = run_.options.limit_train_batches;
  run_.is_last_batch = !have_ahead_ || (limit.is_count() && at_.batches + 1 == limit.count());
  return true;
}

/// Options and data of the epoch that a checkpoint is in the middle of must not contradict what is done of it.
void FitLoop::check_resumed_epoch() const {
  const int64_t known = run_.num_training_batches;
  if (known >= 0 && at_.batches > known) {
    throw Error("E016",
                str(ckpt_path_, " was saved after ", at_.batches, " batches of an epoch; now it has only ", known),
                "resume with the same data, batch_size and limit_train_batches, or from a file of an epoch's end");
  }
  if (run_.window_open(at_) && at_.window != run_.accumulate_grad_batches) {
    throw Error(
        "E016",
        str(ckpt_path_, " was saved in the middle of ", at_.window,
            " batches whose gradients make one step; now accumulate_grad_batches is ", run_.accumulate_grad_batches),
        "resume with the same accumulate_grad_batches, or from a file that was saved after a step");
  }
}

int FitLoop::start_batch() {
  Run& run = run_;
  values_shown_ = false;
  run.enter_batch(batch_.get(), 0);
  if (others_) others_->enter();
  counted_.batches.is_last = run.is_last_batch;
  counted_.batches.add(&Tally::ready);
  run.call_callbacks({"on_train_batch_start", LogRule::PerStep}, &Callback::on_train_batch_start,
                     module_steps_.ref(batch_.get()), run.batch_idx);
  const int answer = module_steps_.on_train_batch_start(batch_.get(), run.batch_idx);
  if (answer == -1) {
    run.in_batch = false;
    values_shown_ = run.options.lightning_compatible;                      // what this batch has logged is not shown
    run.is_last_batch = at_.last_batch = counted_.batches.is_last = true;  // the epoch counts as done
    run.unfinished = Run::Unfinished::Nothing;
    ++at_.total_batches;
    counted_.batches.add(&Tally::processed);
    if (run.options.lightning_compatible) move_schedulers(Interval::Step, false);
    move_schedulers(Interval::Epoch, false);
    counted_.end_batch();
  } else {
    counted_.batches.add(&Tally::started);
  }
  return answer;
}

void FitLoop::end_batch(StepOutput& output) {
  Run& run = run_;
  ++at_.batches;  // what fails from here on does not bring the batch back: its step has been taken
  ++at_.total_batches;
  counted_.batches.add(&Tally::processed);
  at_.last_batch = run.is_last_batch;
  at_.point = Progress::Point::BatchDone;
  run.unfinished = Run::Unfinished::Nothing;
  run.stepped_in_batch = false;
  if (steps_ && has_gradients()) move_schedulers(Interval::Step, false);
  if (run.is_last_batch) move_schedulers(Interval::Epoch, false);
  output.detach();
  if (run.module->collect_step_outputs) run.module->training_outputs_.push_back(output);
  run.call_callbacks({"on_train_batch_end", LogRule::PerStep}, &Callback::on_train_batch_end, output,
                     module_steps_.ref(batch_.get()), run.batch_idx);
  module_steps_.on_train_batch_end(output, batch_.get(), run.batch_idx);
  if (run.options.lightning_compatible) {
    run.metrics.publish(true);
    values_shown_ = true;
  }
  counted_.batches.add(&Tally::completed);
  log_step_row();
  if (steps_ && SignalWatch::raised()) run.interrupted = true;
}

void FitLoop::log_step_row() {
  if (steps_ && !run_.loggers.empty() && run_.logs_this_step()) run_.log_row(run_.metrics.logger_row(true));
}

bool FitLoop::validation_due() const {
  const Run& run = run_;
  if (!validates_in(at_.epoch) || run.interrupted) return false;
  if (run.should_stop && can_stop()) return true;
  const Amount& interval = run.options.val_check_interval;
  if (interval.is_duration()) return since_validation_.seconds() >= interval.seconds();
  if (run.val_check_batch < 0) return run.is_last_batch;
  const bool across_epochs = !run.options.check_val_every_n_epoch;
  return (across_epochs ? at_.total_batches : at_.batches) % run.val_check_batch == 0;
}

void FitLoop::validate() {
  Run& run = run_;
  run.metrics.publish(true);
  values_shown_ = true;
  run.validating = true;
  run.in_batch = false;
  const int64_t training_batch = run.batch_idx;
  run.mark_batch(run.sampler_state(nullptr));  // a validation that is broken off begins again
  if (steps_) run.module->on_validation_model_zero_grad();
  {
    NoGradGuard no_grad;
    reload_val_loaders();
    if (!run.val_loaders.empty()) run.evaluate(Stage::Validate, run.val_loaders, run.num_val_batches);
  }
  run.unfinished = Run::Unfinished::Nothing;
  since_validation_ = Stopwatch();
  run.validating = false;
  run.batch_idx = training_batch;
  run.metrics.open(MetricBook::Page::Training, false);
}

void FitLoop::reload_val_loaders() {
  const int64_t every = run_.options.reload_dataloaders_every_n_epochs;
  if (every > 0 && at_.epoch - val_loaded_in_ >= every) {
    run_.val_loaders_requested = false;
    at_.validation_batches.clear();
  }
  request_val_loaders();
}

void FitLoop::close_batch() {
  if (steps_ && has_gradients()) {
    run_.in_batch = true;
    move_schedulers(Interval::Step, true);
  }
  if (steps_) ++at_.stepped;
  at_.point = Progress::Point::BatchClosed;
  run_.in_batch = false;
  counted_.end_batch();
}

void FitLoop::end_epoch() {
  Run& run = run_;
  if (run.interrupted) return;  // in the middle of it: a resumed run goes on there
  if (!values_shown_) run.metrics.publish(true);
  run.in_batch = false;
  // An epoch that was cut short by max_steps or a callback can be finished by a resumed run.
  if (run.is_last_batch) at_.point = Progress::Point::EpochDone;
  counted_.epochs.add(&Tally::processed);
  const HookSite site{"on_train_epoch_end", LogRule::EpochOnly};
  auto call_callbacks = [&](bool monitors) {
    run.metrics.site = site;
    for (const auto& callback : run.callbacks) {
      if ((callback->order() > Callback::Order::Normal) == monitors) {
        callback->on_train_epoch_end(run.trainer, *run.module);
      }
    }
  };
  call_callbacks(false);
  run.module->on_train_epoch_end();
  run.update_metrics();
  call_callbacks(true);
  FULMEN_CALL(run, on_epoch_end, EpochOnly);
  run.update_metrics();
  const bool compatible = run.options.lightning_compatible;
  const bool complete = run.is_last_batch || (compatible && at_.batches == run.num_training_batches);
  if (complete && !(compatible && counted_.resumes_fit())) move_schedulers(Interval::Epoch, true);
  --at_.stepped;  // the row of the epoch stands at the step of its last batch
  run.log_row(run.metrics.logger_row(false));
  run.save_logs();
  run.module->training_outputs_.clear();
  if (run.is_last_batch) run.metrics.open(MetricBook::Page::Training, true);
  ++at_.stepped;
  counted_.epochs.add(&Tally::completed);
  counted_.end_epoch();
  at_.epoch = compatible ? counted_.epochs.current.completed : at_.epoch + 1;
  at_.cut_short = at_.point != Progress::Point::EpochDone;
  at_.point = Progress::Point::EpochStart;
}

}  // namespace fulmen::trainer
