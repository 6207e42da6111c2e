#include <fulmen/tensor/error.h>
#include <fulmen/trainer/fit_loop.h>

#include <cmath>

namespace fulmen::trainer {
namespace {

/// The value of a one-element tensor, without a copy when it lies in CPU memory.
double value_of(const Tensor& tensor) {
  if (tensor.is_cpu()) {
    if (tensor.scalar_type() == kFloat) return *static_cast<const float*>(tensor.const_data_ptr());
    if (tensor.scalar_type() == kDouble) return *static_cast<const double*>(tensor.const_data_ptr());
  }
  return tensor.item().toDouble();
}

std::string first_bad_parameter(const nn::Module& module) {
  for (const auto& item : module.named_parameters()) {
    const Tensor values = item.value().detach();
    if (values.is_floating_point() && !values.isfinite().all().item().toBool()) return item.key();
  }
  return {};
}

}  // namespace

FitLoop::FitLoop(Run& run, ModuleSteps& steps, const LoaderRequests& requests, const FitOptions& options)
    : run_(run), at_(run.progress), module_steps_(steps), requests_(requests), ckpt_path_(options.ckpt_path) {}

bool FitLoop::reached_limits() const {
  const TrainerOptions& o = run_.options;
  const bool steps_done = o.max_steps != -1 && at_.global_step >= o.max_steps;
  const bool epochs_done = run_.max_epochs != -1 && at_.epoch >= run_.max_epochs;
  return steps_done || epochs_done || run_.num_training_batches == 0 || run_.interrupted;
}

bool FitLoop::can_stop() const {
  const TrainerOptions& o = run_.options;
  return at_.epoch >= o.min_epochs.value_or(0) && at_.global_step >= o.min_steps.value_or(0);
}

bool FitLoop::more_epochs() {
  if (reached_limits() || (run_.should_stop && can_stop())) return false;
  run_.should_stop = false;  // asked for too early: whoever asked may ask again
  return true;
}

void FitLoop::start_epoch() {
  if (at_.point != Progress::Point::EpochStart) {
    // A checkpoint from within the epoch: what its last batch still owes comes first.
    steps_ = window_length() == 0 || at_.batches % window_length() == 0 || at_.batches == run_.num_training_batches;
    run_.is_last_batch = at_.batches == run_.num_training_batches;
    run_.batch_idx = at_.batches - 1;
    if (at_.point == Progress::Point::BatchDone) {
      run_.in_batch = true;
      log_step_row();
      if (validation_due()) validate();
    }
    if (at_.point != Progress::Point::BatchClosed) close_batch();
    return;
  }
  at_.batches = 0;
  run_.is_last_batch = false;
  run_.metrics.open(MetricBook::Page::Training, true);
  run_.train_loader->begin_epoch();
  have_ahead_ = false;
  run_.call({"on_epoch_start", LogRule::EpochOnly}, &Callback::on_epoch_start, &Hooks::on_epoch_start);
  run_.call({"on_train_epoch_start", LogRule::EpochOnly}, &Callback::on_train_epoch_start,
            &Hooks::on_train_epoch_start);
}

bool FitLoop::next_batch() {
  if (run_.is_last_batch || run_.interrupted) return false;
  const TrainerOptions& o = run_.options;
  if (o.max_steps != -1 && at_.global_step >= o.max_steps) return false;
  if (run_.should_stop && can_stop()) return false;
  const int64_t known = run_.num_training_batches;
  if (known >= 0) {
    if (at_.batches >= known || !batch_.fill()) return false;
    run_.is_last_batch = at_.batches + 1 == known;
  } else {
    // A stream does not know its length: one batch is fetched ahead, so that the last one is known to be the last.
    if (!have_ahead_ && !(have_ahead_ = ahead_.fill())) return false;
    batch_.take(ahead_);
    have_ahead_ = ahead_.fill();
    const Amount& limit = o.limit_train_batches;
    run_.is_last_batch = !have_ahead_ || (!limit.is_fraction() && at_.batches + 1 == limit.count());
  }
  run_.batch_idx = at_.batches;
  const int64_t window = window_length();
  steps_ = window == 0 || (at_.batches + 1) % window == 0 || run_.is_last_batch;
  return true;
}

int FitLoop::start_batch() {
  Run& run = run_;
  run.metrics.begin_batch();
  run.metrics.site = {"on_before_batch_transfer", LogRule::Forbidden};
  module_steps_.transfer(batch_.get(), run.device, 0);
  run.metrics.batch_size = module_steps_.batch_size(batch_.get());
  run.in_batch = true;
  run.call_callbacks({"on_train_batch_start", LogRule::PerStep}, &Callback::on_train_batch_start,
                     module_steps_.ref(batch_.get()), run.batch_idx);
  const int answer = module_steps_.on_train_batch_start(batch_.get(), run.batch_idx);
  if (answer == -1) {
    run.in_batch = false;
    run.is_last_batch = true;  // the epoch counts as done
  }
  return answer;
}

bool FitLoop::replay(StepOutput& output) {
  if (!graph_ || !steps_) return false;
  const bool replayed = graph_->train(
      batch_.get(),
      [this](const void* batch) {
        enter_step();
        StepOutput recorded = module_steps_.training_step(batch, run_.batch_idx);
        learn(recorded);
        run_.optimizers.optimizer()->step();
        return recorded;
      },
      output);
  return replayed && is_finite_or_stop(output.loss());
}

void FitLoop::enter_step() { run_.metrics.site = {"training_step", LogRule::PerStep}; }

int64_t FitLoop::window_length() const { return run_.options.accumulate_grad_batches; }

bool FitLoop::accept(const StepOutput& output) {
  if (output.is_skip()) return false;
  const Tensor& loss = output.loss();
  if (!loss.defined()) {
    std::string keys;
    for (const auto& [name, tensor] : output.outputs()) keys += (keys.empty() ? "" : ", ") + name;
    throw Error("E009", "training_step: expected a Dict with the key \"loss\"; got {" + keys + "}",
                "add the tensor to be minimised as \"loss\"");
  }
  if (loss.numel() != 1) {
    throw Error("E004", str("training_step: expected a loss of one element; got ", loss.sizes()), "return loss.mean()");
  }
  if (!loss.requires_grad()) {
    throw Error("E005",
                str("training_step: expected a loss attached to parameters; got a tensor without history, ", loss),
                "was it computed under no_grad, detached, or from integers?");
  }
  return is_finite_or_stop(loss);
}

bool FitLoop::is_finite_or_stop(const Tensor& loss) {
  const OnNonfinite policy = run_.options.on_nonfinite;
  if (policy == OnNonfinite::Ignore || cuda::is_capturing()) return true;
  const double value = value_of(loss);
  if (std::isfinite(value)) return true;
  if (policy == OnNonfinite::Skip) return false;
  const std::string parameter = first_bad_parameter(*run_.module);
  throw Error(
      "E006",
      str("the loss is not finite: ", std::isnan(value) ? std::string("nan") : str(value), " at epoch ", at_.epoch,
          " batch ", run_.batch_idx, ", ",
          parameter.empty() ? "all parameters are finite: look at the batch" : "first bad parameter " + parameter),
      "lower the learning rate, clip gradients, look for NaN in the data; see TrainerOptions::on_nonfinite");
}

void FitLoop::learn(StepOutput& output) {
  optim::Optimizer* optimizer = run_.optimizers.optimizer().get();
  if (!optimizer) return;
  const bool accepted = accept(output);
  const int64_t window = window_length();
  if (at_.batches % window == 0) {
    window_filled_ = false;
    FULMEN_CALL(run_, on_before_zero_grad, PerStep, *optimizer);
    run_.module->optimizer_zero_grad(at_.epoch, run_.batch_idx, *optimizer);
  }
  if (accepted) {
    // The mean over the batches that the window really holds; the last window of an epoch may be shorter.
    int64_t share = window;
    const int64_t known = run_.num_training_batches;
    if (known >= 0 && !run_.options.lightning_quirks) share = std::min(window, known - at_.batches / window * window);
    const Tensor loss = share == 1 ? output.loss() : output.loss().div(share);
    if (run_.options.lightning_quirks) output.replace_loss(loss);
    backward(loss);
    window_filled_ = true;
  }
  if (steps_ && has_gradients()) prepare_step();
}

void FitLoop::backward(const Tensor& loss) {
  FULMEN_CALL(run_, on_before_backward, PerStep, loss);
  run_.module->backward(loss);
  FULMEN_CALL(run_, on_after_backward, PerStep);
}

void FitLoop::prepare_step() {
  optim::Optimizer& optimizer = *run_.optimizers.optimizer();
  FULMEN_CALL(run_, on_before_optimizer_step, PerStep, optimizer);
  run_.module->configure_gradient_clipping(optimizer, run_.options.gradient_clip_val,
                                           run_.options.gradient_clip_algorithm);
}

void FitLoop::count_step() {
  if (has_gradients()) ++at_.global_step;
}

void FitLoop::move_schedulers(Interval interval) {
  for (const Optimizers::Scheduled& scheduled : run_.optimizers.schedulers()) {
    if (scheduled.when.interval != interval) continue;
    const int64_t count = interval == Interval::Step ? at_.global_step : at_.epoch + 1;
    if (count % scheduled.when.frequency == 0) run_.module->lr_scheduler_step(*scheduled.scheduler);
  }
}

void FitLoop::end_batch(StepOutput& output) {
  Run& run = run_;
  if (steps_ && has_gradients()) move_schedulers(Interval::Step);
  if (run.is_last_batch) move_schedulers(Interval::Epoch);
  ++at_.batches;
  ++at_.total_batches;
  at_.point = Progress::Point::BatchDone;
  output.detach();
  run.call_callbacks({"on_train_batch_end", LogRule::PerStep}, &Callback::on_train_batch_end, output,
                     module_steps_.ref(batch_.get()), run.batch_idx);
  module_steps_.on_train_batch_end(output, batch_.get(), run.batch_idx);
  log_step_row();
  if (steps_ && SignalWatch::raised()) run.interrupted = true;
}

void FitLoop::log_step_row() {
  const int64_t every = run_.options.log_every_n_steps;
  if (!steps_ || every == 0 || run_.loggers.empty()) return;
  if ((at_.stepped + 1) % every == 0 || run_.should_stop) run_.log_row(run_.metrics.logger_row(true));
}

bool FitLoop::validation_due() const {
  const Run& run = run_;
  if (!validates_in(at_.epoch) || run.interrupted) return false;
  if (run.should_stop && can_stop()) return true;
  if (run.val_check_batch < 0) return run.is_last_batch;
  const bool across_epochs = !run.options.check_val_every_n_epoch;
  return (across_epochs ? at_.total_batches : at_.batches) % run.val_check_batch == 0;
}

void FitLoop::close_batch() {
  if (steps_) ++at_.stepped;
  at_.point = Progress::Point::BatchClosed;
  run_.in_batch = false;
}

void FitLoop::end_epoch() {
  Run& run = run_;
  if (run.interrupted) return;  // in the middle of it: a resumed run goes on there
  run.metrics.publish(true);
  run.in_batch = false;
  // An epoch that was cut short by max_steps or a callback can be finished by a resumed run.
  if (run.is_last_batch) at_.point = Progress::Point::EpochDone;
  const HookSite site{"on_train_epoch_end", LogRule::EpochOnly};
  run.metrics.site = site;
  auto call_order = [&](bool monitors) {
    run.metrics.site = site;
    for (const auto& callback : run.callbacks) {
      if ((callback->order() != Callback::Order::Normal) == monitors) {
        callback->on_train_epoch_end(run.trainer, *run.module);
      }
    }
  };
  call_order(false);
  run.module->on_train_epoch_end();
  run.update_metrics();
  call_order(true);
  FULMEN_CALL(run, on_epoch_end, EpochOnly);
  run.update_metrics();
  --at_.stepped;  // the row of the epoch stands at the step of its last batch
  run.log_row(run.metrics.logger_row(false));
  ++at_.stepped;
  ++at_.epoch;
  at_.cut_short = at_.point != Progress::Point::EpochDone;
  at_.point = Progress::Point::EpochStart;
}

}  // namespace fulmen::trainer
