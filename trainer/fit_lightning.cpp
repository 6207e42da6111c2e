#include <fulmen/autograd/grad_mode.h>
#include <fulmen/trainer/fit_loop.h>

#include <algorithm>

// Epochs and batches in Lightning's order, where that depends on its counters: after a checkpoint.
namespace fulmen::trainer {

void FitLoop::follow_counters() {
  at_.epoch = counted_.epochs.current.completed;
  at_.batches = counted_.batches.current.ready;
  at_.total_batches = counted_.batches.total.ready;
  run_.is_last_batch = at_.last_batch = counted_.batches.is_last;
}

void FitLoop::start_epoch_as_lightning() {
  reload_train_loader();
  if (!counted_.within_epoch()) {
    if (!counted_.before_epoch()) counted_.epochs.add(&Tally::ready);
    run_.call({"on_epoch_start", LogRule::EpochOnly}, &Callback::on_epoch_start, &Hooks::on_epoch_start);
    FULMEN_CALL(run_, on_train_epoch_start, EpochOnly);
    counted_.epochs.add(&Tally::started);
  }
  if (counted_.begin_epoch(run_.num_training_batches, run_.accumulate_grad_batches, at_.stepped)) {
    run_.train_loader->begin_epoch();
    have_ahead_ = false;
  }
  follow_counters();
  run_.batch_idx = at_.batches - 1;
  steps_ = closes_window(at_.batches);
}

bool FitLoop::more_batches_as_lightning() {
  for (;;) {
    const int64_t max_steps = run_.options.max_steps;
    const bool done = run_.is_last_batch || at_.batches == run_.num_training_batches ||
                      (max_steps != -1 && at_.global_step >= max_steps);
    if (done && (!counted_.resumes_epoch() || counted_.has_validated)) return false;
    if (run_.interrupted || (run_.should_stop && can_stop())) return false;
    if (!counted_.resumes_epoch() || !validation_due()) break;
    if (counted_.within_validation()) {
      validate();
    } else if (!counted_.after_last_hook()) {
      pass_over_validation();
      break;
    }
    close_batch();
  }
  counted_.pass_over_validation();
  return true;
}

/// The validation after the batch with which the fit resumes counts as done.
void FitLoop::pass_over_validation() {
  NoGradGuard no_grad;
  reload_val_loaders();
  const std::vector<int64_t>& limits = run_.num_val_batches;
  const int64_t most = limits.empty() ? 0 : *std::max_element(limits.begin(), limits.end());
  if (most <= 0) return;
  counted_.begin_validation();
  for (Tally* tally : {&counted_.validation.total, &counted_.validation.current}) {
    for (int64_t Tally::*phase : {&Tally::ready, &Tally::started, &Tally::processed, &Tally::completed}) {
      tally->*phase += most;
    }
  }
  counted_.validation.is_last = true;
}

}  // namespace fulmen::trainer
