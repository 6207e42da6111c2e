#include <fulmen/autograd/grad_mode.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/callbacks/batch_size_finder.h>
#include <fulmen/trainer/fit_loop.h>
#include <fulmen/trainer/trial.h>

#include <algorithm>

namespace fulmen::trainer {
namespace {

/// A checkpoint shares memory with the run; this one does not.
void detach_from_run(Checkpoint& checkpoint) {
  NoGradGuard no_grad;
  for (auto* tensors : {&checkpoint.weights, &checkpoint.others}) {
    for (auto& item : *tensors) item.value() = item.value().detach().clone();
  }
}

}  // namespace

Trial::Trial(Run& run)
    : run_(run),
      options_(run.options),
      callbacks_(run.callbacks),
      loggers_(run.loggers),
      schedulers_(run.optimizers.schedulers()),
      progress_(run.progress),
      metrics_(run.metrics),
      site_(run.metrics.site),
      batch_idx_(run.batch_idx),
      num_training_batches_(run.num_training_batches),
      val_check_batch_(run.val_check_batch),
      accumulate_grad_batches_(run.accumulate_grad_batches),
      should_stop_(run.should_stop) {
  random_.emplace();
  for (const auto& optimizer : run.optimizers.all()) {
    for (const auto& group : optimizer->param_groups()) initial_lrs_.push_back(group.initial_lr());
  }
  // Lightning's tuners write a checkpoint; ours leave out the callbacks, which see nothing of a trial anyway.
  if (!run.options.lightning_compatible) run.callbacks.clear();
  state_ = run.state(/*weights_only=*/run.stage != Stage::Fit);
  detach_from_run(state_);
  run.callbacks.clear();
  run.loggers.clear();
  run.in_trial = true;
  if (!run.options.lightning_compatible) run.progress = Progress();  // also in a fit that goes on from a checkpoint
  keep_samplers({run.train_loader});
}

void Trial::keep_samplers(const Engines& loaders) {
  for (const auto& loader : loaders) {
    const bool kept =
        std::any_of(samplers_.begin(), samplers_.end(), [&](const auto& s) { return s.loader == loader; });
    if (loader && !kept) samplers_.push_back({loader, loader->state()});
  }
}

void Trial::forget() {
  Run& run = run_;
  const bool interrupted = run.interrupted;
  run.options = options_;
  run.progress = progress_;
  run.metrics.let_go_of_metrics();
  if (options_.lightning_compatible) run.callbacks = callbacks_;
  run.optimizers.schedulers() = schedulers_;
  run.restore_module_state(state_, "the state before the trial");
  if (run.stage == Stage::Fit) {
    auto resumed = std::make_tuple(run.resumed_random, run.resumed_cuda_random, run.resumed_sampler);
    run.restore_training(state_, "the state before the trial");
    std::tie(run.resumed_random, run.resumed_cuda_random, run.resumed_sampler) = std::move(resumed);
  }
  size_t at = 0;
  for (const auto& optimizer : run.optimizers.all()) {
    for (auto& group : optimizer->param_groups()) group.set_initial_lr(initial_lrs_[at++]);
  }
  run.module->zero_grad();
  for (const SamplerState& sampler : samplers_) sampler.loader->load_state(sampler.state);
  drop_loaders();
  run.callbacks = callbacks_;
  run.loggers = loggers_;
  run.progress = progress_;
  if (options_.lightning_compatible) {  // Lightning's callbacks go on seeing what the trial logged
    metrics_.callback = run.metrics.callback;
    metrics_.logged = run.metrics.logged;
    metrics_.progress_bar = run.metrics.progress_bar;
  }
  run.metrics = metrics_;
  run.metrics.site = site_;
  run.batch_idx = batch_idx_;
  run.num_training_batches = num_training_batches_;
  run.val_check_batch = val_check_batch_;
  run.accumulate_grad_batches = accumulate_grad_batches_;
  run.should_stop = should_stop_;
  run.in_trial = run.in_batch = run.validating = run.is_last_batch = run.stepped_in_batch = false;
  run.interrupted = interrupted;
  random_.reset();
}

void Trial::train(std::shared_ptr<Callback> watching) {
  run_.callbacks.clear();
  if (watching) run_.callbacks.push_back(std::move(watching));
  run_.should_stop = run_.is_last_batch = false;
  FitLoop loop(run_, *run_.steps, *run_.requests, {});
  loop.run_trial([this] {
    keep_samplers({run_.train_loader});
    keep_samplers(run_.val_loaders);
  });
}

void Trial::drop_loaders() {
  run_.train_loader.reset();
  run_.val_loaders.clear();
  run_.val_loaders_requested = false;
  run_.num_val_batches.clear();
}

Engines Trial::evaluation_loaders() const {
  const LoaderRequests& r = *run_.requests;
  const auto& request = run_.stage == Stage::Test ? r.test : run_.stage == Stage::Predict ? r.predict : r.val;
  return request ? request() : Engines();
}

void Trial::evaluate(int64_t batches) {
  InferenceMode inference(run_.options.inference_mode);
  AutoGradMode no_grad(false);
  const Engines loaders = evaluation_loaders();
  keep_samplers(loaders);
  const std::vector<int64_t> limits = run_.batches_of(loaders, Amount(batches), "steps_per_trial");
  if (run_.stage == Stage::Predict) {
    run_.predict(loaders, limits);
  } else {
    run_.evaluate(run_.stage, loaders, limits);
  }
}

std::optional<int64_t> Trial::samples() {
  Engines loaders;
  if (run_.stage != Stage::Fit) {
    loaders = evaluation_loaders();
  } else if (run_.requests->train) {
    loaders = run_.requests->train();
  }
  std::optional<int64_t> most;
  for (const auto& loader : loaders) {
    if (const auto count = loader->source()->samples()) most = std::max(most.value_or(0), *count);
  }
  return most;
}

bool is_pointless_to_tune(const Run& run, const char* tuner) {
  if (run.options.fast_dev_run <= 0) return false;
  warn(str(tuner, ": nothing to find in a fast_dev_run"));
  return true;
}

void Run::tune_evaluation() {
  for (const auto& callback : std::vector(callbacks)) {
    if (auto* finder = dynamic_cast<BatchSizeFinder*>(callback.get())) finder->scale_batch_size(trainer);
  }
}

}  // namespace fulmen::trainer
