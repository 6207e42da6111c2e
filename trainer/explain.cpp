#include <fulmen/tensor/error.h>
#include <fulmen/trainer/run.h>

namespace fulmen::trainer {
namespace {

std::string text_of(const Amount& amount) {
  if (amount.is_count()) return str(amount.count(), " batches");
  return amount.fraction() == 1.0 ? "all batches" : str(amount.fraction() * 100, " % of the batches");
}

std::string validation_rhythm(const TrainerOptions& o) {
  std::string text = "VALIDATION ";
  const Amount& interval = o.val_check_interval;
  if (interval.is_duration()) {
    text += str("after every ", interval.seconds(), " seconds");
  } else if (interval == Amount(1.0)) {
    text += "after the last batch";
  } else if (interval.is_fraction()) {
    text += str("after every ", interval.fraction(), " of the epoch's batches");
  } else {
    text +=
        str("after every ", interval.count(), " batches", o.check_val_every_n_epoch ? "" : ", counted across epochs");
  }
  if (o.check_val_every_n_epoch.value_or(1) > 1) text += str(", in every ", *o.check_val_every_n_epoch, "th epoch");
  return text + (o.limit_val_batches == Amount(0) ? " (never: limit_val_batches is 0)" : "");
}

}  // namespace

std::string Trainer::explain() const {
  const TrainerOptions& o = run_->options;
  const int64_t epochs = run_->max_epochs, window = o.accumulate_grad_batches;
  std::string callbacks;
  for (const auto& callback : run_->callbacks) callbacks += (callbacks.empty() ? "" : ", ") + callback->state_key();
  std::string text = str("fit: a hook runs for the callbacks first (", callbacks.empty() ? "none" : callbacks,
                         "), then for the module\n");
  auto line = [&text](int depth, const std::string& what) {
    text += std::string(static_cast<size_t>(2 * depth), ' ') + what + "\n";
  };
  line(1, "configure_callbacks, prepare_data, setup, configure_model");
  line(1, "[ckpt_path: on_load_checkpoint, weights, transforms, callbacks]");
  line(1, "configure_optimizers, on_fit_start, [ckpt_path: optimizer, schedulers, counters, random state]");
  if (o.num_sanity_val_steps != 0 && o.fast_dev_run == 0) {
    line(1, str("on_sanity_check_start, VALIDATION with ",
                o.num_sanity_val_steps < 0 ? str("all") : str("at most ", o.num_sanity_val_steps),
                " batches per loader, on_sanity_check_end; not when resuming"));
  }
  line(1, "on_train_start");
  line(1, epochs < 0 ? str("for each epoch:") : str("for each of at most ", epochs, " epochs:"));
  if (o.reload_dataloaders_every_n_epochs > 0) {
    line(2, str("[every ", o.reload_dataloaders_every_n_epochs, " epochs: train_dataloader, later val_dataloader]"));
  }
  line(2, "on_epoch_start, on_train_epoch_start");
  line(2, str("for each batch (", text_of(o.limit_train_batches), "):"));
  line(3, "on_before_batch_transfer, transfer_batch_to_device, on_after_batch_transfer");
  line(3, "on_train_batch_start (-1 ends the epoch)");
  if (const size_t devices = run_->devices.size(); devices > 1) {
    line(3, str("[", devices,
                " devices: a batch for each; all but the first: training_step, training_step_end, backward]"));
  }
  line(3, "training_step, training_step_end");
  line(3, str("on_before_zero_grad, optimizer_zero_grad",
              window > 1 ? str("   (first of every ", window, " batches)") : str()));
  line(3, "on_before_backward, backward, on_after_backward");
  line(3, str("on_before_optimizer_step, configure_gradient_clipping, optimizer_step",
              window > 1 ? str("   (last of every ", window, " batches, and of the epoch)") : str()));
  line(3, "(automatic_optimization = false: training_step itself calls manual_backward and optimizer(i).step())");
  line(3, "lr_scheduler_step: schedulers of steps; after the last batch those of epochs");
  line(3, "on_train_batch_end");
  if (o.log_every_n_steps > 0) line(3, str("a row for the loggers every ", o.log_every_n_steps, " steps"));
  line(3, validation_rhythm(o));
  line(3, "lr_scheduler_step: those of steps that watch a metric");
  line(2, "on_train_epoch_end: callbacks, module, then EarlyStopping and ModelCheckpoint; on_epoch_end");
  line(2, "lr_scheduler_step: those of epochs that watch a metric");
  line(2, "a row of epoch metrics for the loggers");
  line(1, "on_train_end, on_fit_end, teardown");
  text += "VALIDATION:\n";
  line(1, "on_validation_model_zero_grad, on_validation_model_eval, on_validation_start");
  line(1, "on_epoch_start, on_validation_epoch_start");
  line(1, str("for each loader, for each batch (", text_of(o.limit_val_batches), "):"));
  line(2, "the three transfer hooks, on_validation_batch_start, validation_step, on_validation_batch_end");
  line(1, "on_validation_epoch_end, on_epoch_end, a row for the loggers, on_validation_end, on_validation_model_train");
  return text;
}

}  // namespace fulmen::trainer
