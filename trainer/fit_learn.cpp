#include <fulmen/tensor/error.h>
#include <fulmen/trainer/data_parallel.h>
#include <fulmen/trainer/fit_loop.h>

#include <algorithm>
#include <cmath>

// From a batch's loss to new weights and learning rates.
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

bool FitLoop::replay(StepOutput& output) {
  if (!graph_ || !steps_) return false;
  const bool replayed = graph_->train(
      batch_.get(),
      [this](const void* batch) {
        enter_step();
        StepOutput recorded;
        {
          const Precision::Scope scope(run_.precision);
          recorded = module_steps_.training_step(batch, run_.batch_idx);
        }
        learn(recorded);
        run_.optimizers.first()->step();
        return recorded;
      },
      output);
  return replayed && is_finite_or_stop(output.loss());
}

void FitLoop::enter_step() {
  run_.metrics.site = {"training_step", LogRule::PerStep};
  if (evaluations_++ > 0) run_.metrics.begin_batch();
  if (others_ && !run_.skip_backward) others_->train(window_length(), at_.batches % run_.accumulate_grad_batches == 0);
}

/// The batches that the window under way really holds; the last window of an epoch may be shorter.
int64_t FitLoop::window_length() const {
  const int64_t window = run_.accumulate_grad_batches, known = run_.num_training_batches;
  if (known < 0 || run_.options.lightning_compatible) return window;
  return std::min(window, known - at_.batches / window * window);
}

bool FitLoop::closes_window(int64_t batches_done) const {
  return batches_done % run_.accumulate_grad_batches == 0 || run_.is_last_batch ||
         batches_done == run_.num_training_batches;
}

bool has_loss(const StepOutput& output) {
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
  return true;
}

bool FitLoop::accept(const StepOutput& output) {
  const bool has = has_loss(output), accepted = has && is_finite_or_stop(output.loss());
  if (has && !accepted) run_.restore_buffers();
  if (!others_) return accepted;
  if (!accepted) others_->refuse_skip(run_.device);
  for (const Tensor& loss : others_->losses()) is_finite_or_stop(loss);
  return true;
}

bool FitLoop::is_finite_or_stop(const Tensor& loss) {
  const OnNonfinite policy = run_.options.on_nonfinite;
  if (policy == OnNonfinite::Ignore || run_.options.lightning_compatible || cuda::is_capturing()) return true;
  const double value = value_of(loss);
  if (std::isfinite(value)) return true;
  if (evaluations_ > 1) return true;  // an optimizer tries points of its own choice, and turns back from bad ones
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
  optim::Optimizer* optimizer = run_.optimizers.first();
  if (others_ && (!optimizer || run_.skip_backward)) others_->join(false);
  if (!optimizer || !automatic_) return;
  const bool accepted = !run_.skip_backward && accept(output);
  const int64_t window = run_.accumulate_grad_batches;
  const bool compatible = run_.options.lightning_compatible;
  if (at_.batches % window == 0) {
    at_.window_filled = false;
    FULMEN_CALL(run_, on_before_zero_grad, PerStep, *optimizer);
    run_.module->optimizer_zero_grad(at_.epoch, run_.batch_idx, *optimizer);
  }
  if (accepted) {
    const int64_t length = window_length();
    const Tensor loss = length == 1 ? output.loss() : output.loss().div(length);
    if (compatible) output.replace_loss(loss);
    run_.unfinished = Run::Unfinished::Window;
    run_.backward(others_ ? loss.mul(others_->share()) : loss);
    at_.window_filled = true;
  }
  if (others_ && !run_.skip_backward) others_->join(steps_);
  if (steps_ && has_gradients()) prepare_step();
}

void FitLoop::prepare_step() {
  optim::Optimizer& optimizer = *run_.optimizers.first();
  optim::GradScaler* scaler = run_.precision.scaler();
  if (scaler) scaler->unscale_(optimizer);
  FULMEN_CALL(run_, on_before_optimizer_step, PerStep, optimizer);
  run_.module->configure_gradient_clipping(optimizer, run_.options.gradient_clip_val,
                                           run_.options.gradient_clip_algorithm);
  if (scaler) run_.close_scaled_step(optimizer);
}

void Run::close_scaled_step(optim::Optimizer& optimizer) {
  optim::GradScaler& scaler = *precision.scaler();
  if (!scaler.gradients_are_finite(optimizer)) optimizer.zero_grad();  // a step without gradients changes nothing
  scaler.update();
}

void FitLoop::count_step() {
  if (has_gradients()) ++at_.global_step;
}

void FitLoop::move_schedulers(Interval interval, bool plateau) {
  if (!automatic_) return;
  // A callback may exchange schedulers at any time, so nothing is kept over the calls.
  for (size_t i = 0; i < run_.optimizers.schedulers().size(); ++i) {
    const Optimizers::Scheduled scheduled = run_.optimizers.schedulers()[i];
    const SchedulerOptions& when = scheduled.when;
    if (scheduled.scheduler->needs_metric() != plateau || when.interval != interval) continue;
    const int64_t steps = run_.options.lightning_compatible ? run_.batch_idx + 1 : at_.global_step;
    if ((interval == Interval::Step ? steps : at_.epoch + 1) % when.frequency != 0) continue;
    std::optional<double> metric;
    if (plateau) {
      const Metrics& metrics = run_.trainer.callback_metrics();
      if (!when.strict && !metrics.contains(when.monitor)) continue;
      metric = metrics[when.monitor];  // throws E011
    }
    run_.metrics.site = {"lr_scheduler_step", LogRule::PerStep};
    run_.module->lr_scheduler_step(scheduled, metric);
  }
}

void Run::backward(const Tensor& loss) {
  const HookSite site = metrics.site;
  FULMEN_CALL(*this, on_before_backward, PerStep, loss);
  metrics.site = {"backward", LogRule::PerStep};
  module->backward(precision.scaler() ? precision.scaler()->scale(loss) : loss);
  FULMEN_CALL(*this, on_after_backward, PerStep);
  metrics.site = site;
}

Tensor Run::step_optimizer(optim::Optimizer& optimizer, const optim::Optimizer::LossClosure& closure) {
  const HookSite site = metrics.site;
  auto ready = [this, &optimizer] {
    if (precision.scaler()) precision.scaler()->unscale_(optimizer);
    FULMEN_CALL(*this, on_before_optimizer_step, PerStep, optimizer);
    if (precision.scaler()) close_scaled_step(optimizer);
  };
  Tensor loss;
  if (closure) {
    loss = optimizer.step([&] {
      Tensor computed = closure();
      ready();
      return computed;
    });
  } else {
    ready();
    optimizer.step();
  }
  metrics.site = site;
  if (options.lightning_compatible || !stepped_in_batch) ++progress.global_step;
  stepped_in_batch = true;
  return loss;
}

Tensor LightningOptimizer::step(const optim::Optimizer::LossClosure& closure) {
  return trainer_->run_->step_optimizer(*optimizer_, closure);
}

}  // namespace fulmen::trainer
