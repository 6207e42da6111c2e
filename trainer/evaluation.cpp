#include <fulmen/autograd/grad_mode.h>
#include <fulmen/trainer/run.h>

#include <numeric>

namespace fulmen::trainer {
namespace {

/// The hooks of a stage that exist under three names.
struct StageHooks {
  using OfCallback = void (Callback::*)(Trainer&, AnyLightningModule&);
  using OfModule = void (Hooks::*)();
  using Batch = void (Callback::*)(Trainer&, AnyLightningModule&, const AnyRef&, int64_t, int64_t);
  using BatchEnd = void (Callback::*)(Trainer&, AnyLightningModule&, const StepOutput&, const AnyRef&, int64_t,
                                      int64_t);
  using Mode = void (AnyLightningModule::*)();

  const char* names[7];  // start, epoch_start, batch_start, step, batch_end, epoch_end, end
  OfCallback start, epoch_start, epoch_end, end;
  OfModule module_start, module_epoch_start, module_epoch_end, module_end;
  Batch batch_start;
  BatchEnd batch_end;
  Mode eval, train;
};

const StageHooks validation_hooks = {
    {"on_validation_start", "on_validation_epoch_start", "on_validation_batch_start", "validation_step",
     "on_validation_batch_end", "on_validation_epoch_end", "on_validation_end"},
    &Callback::on_validation_start,
    &Callback::on_validation_epoch_start,
    &Callback::on_validation_epoch_end,
    &Callback::on_validation_end,
    &Hooks::on_validation_start,
    &Hooks::on_validation_epoch_start,
    &Hooks::on_validation_epoch_end,
    &Hooks::on_validation_end,
    &Callback::on_validation_batch_start,
    &Callback::on_validation_batch_end,
    &AnyLightningModule::on_validation_model_eval,
    &AnyLightningModule::on_validation_model_train};
const StageHooks test_hooks = {{"on_test_start", "on_test_epoch_start", "on_test_batch_start", "test_step",
                                "on_test_batch_end", "on_test_epoch_end", "on_test_end"},
                               &Callback::on_test_start,
                               &Callback::on_test_epoch_start,
                               &Callback::on_test_epoch_end,
                               &Callback::on_test_end,
                               &Hooks::on_test_start,
                               &Hooks::on_test_epoch_start,
                               &Hooks::on_test_epoch_end,
                               &Hooks::on_test_end,
                               &Callback::on_test_batch_start,
                               &Callback::on_test_batch_end,
                               &AnyLightningModule::on_test_model_eval,
                               &AnyLightningModule::on_test_model_train};
const StageHooks predict_hooks = {{"on_predict_start", "on_predict_epoch_start", "on_predict_batch_start",
                                   "predict_step", "on_predict_batch_end", "on_predict_epoch_end", "on_predict_end"},
                                  &Callback::on_predict_start,
                                  &Callback::on_predict_epoch_start,
                                  &Callback::on_predict_epoch_end,
                                  &Callback::on_predict_end,
                                  &Hooks::on_predict_start,
                                  &Hooks::on_predict_epoch_start,
                                  &Hooks::on_predict_epoch_end,
                                  &Hooks::on_predict_end,
                                  &Callback::on_predict_batch_start,
                                  nullptr,
                                  &AnyLightningModule::on_predict_model_eval,
                                  &AnyLightningModule::on_predict_model_train};

/// The loop that validation, test and prediction have in common: every loader, every batch, `step` in the middle.
template <class Step>
void for_each_batch(Run& run, Stage stage, const StageHooks& hooks, LogRule batch_rule, const Engines& loaders,
                    const std::vector<int64_t>& limits, Step&& step) {
  ModuleSteps& steps = *run.steps;
  MetricBook& metrics = run.metrics;
  metrics.several_loaders = loaders.size() > 1;
  bool more = true;
  for (size_t i = 0; i < loaders.size() && more; ++i) {
    const auto loader = static_cast<int64_t>(i);
    metrics.dataloader_idx = loader;
    run.current_loader = loaders[i];
    BatchSlot batch(loaders[i]);
    if (limits[i] != 0) loaders[i]->begin_epoch();
    for (int64_t b = 0; more && (limits[i] < 0 || b < limits[i]) && !run.interrupted && batch.fill(); ++b) {
      run.batch_idx = b;
      run.enter_batch(batch.get(), loader);
      run.call_callbacks({hooks.names[2], batch_rule}, hooks.batch_start, steps.ref(batch.get()), b, loader);
      steps.on_batch_start(stage, batch.get(), b, loader);
      metrics.site = {hooks.names[3], batch_rule};
      more = step(batch.get(), b, loader);
      run.in_batch = false;
    }
  }
  metrics.dataloader_idx = 0;
  metrics.several_loaders = false;
}

/// Counts the batches of a fit's validations for a Lightning that resumes there.
class BatchCount {
 public:
  BatchCount(Run& run, const std::vector<int64_t>& limits)
      : run_(run), limits_(limits), counts_(run.stage == Stage::Fit), counters_(run.progress.counted) {
    if (!counts_) return;
    counters_.begin_validation();
    // Lightning takes batches that the run before had seen for seen, and yet begins with the first.
    const int64_t seen = counters_.validation.current.ready;
    if (seen > 0) left_ = std::max<int64_t>(1, std::accumulate(limits.begin(), limits.end(), -seen));
  }
  ~BatchCount() {
    if (counts_) counters_.end_validation_batch();
  }
  BatchCount(const BatchCount&) = delete;

  void start(int64_t batch, int64_t loader) {
    if (!counts_) return;
    const bool last = loader + 1 == std::ssize(limits_) && batch + 1 == limits_.back();
    counters_.validation.is_last = left_ == 1 || last;
    add(&Tally::ready);
    add(&Tally::started);
  }
  void process() { add(&Tally::processed); }
  /// Whether there is another one.
  bool complete() {
    add(&Tally::completed);
    if (counts_) {
      counters_.has_validated |= !run_.sanity_checking;
      counters_.end_validation_batch();
    }
    return --left_ != 0;
  }

 private:
  void add(int64_t Tally::*phase) {
    if (counts_) counters_.validation.add(phase);
  }

  Run& run_;
  const std::vector<int64_t>& limits_;
  bool counts_;
  LightningCounters& counters_;
  int64_t left_ = -1;
};

}  // namespace

std::vector<Metrics> Run::evaluate(Stage what, const Engines& loaders, const std::vector<int64_t>& limits) {
  const StageHooks& hooks = what == Stage::Test ? test_hooks : validation_hooks;
  metrics.open(MetricBook::Page::Evaluation, true);
  module->evaluation_outputs_.clear();
  module->evaluating_ = true;
  module->remember_modes();
  (module->*hooks.eval)();
  call({hooks.names[0], LogRule::EpochOnly}, hooks.start, hooks.module_start);
  call({"on_epoch_start", LogRule::EpochOnly}, &Callback::on_epoch_start, &Hooks::on_epoch_start);
  call({hooks.names[1], LogRule::EpochOnly}, hooks.epoch_start, hooks.module_epoch_start);

  progress.validation_batches.resize(std::max(progress.validation_batches.size(), loaders.size()));
  BatchCount count(*this, limits);
  for_each_batch(
      *this, what, hooks, LogRule::PerEpoch, loaders, limits, [&](const void* batch, int64_t b, int64_t loader) {
        StepOutput output;
        count.start(b, loader);
        {
          const Precision::Scope scope(precision);
          output = steps->evaluation_step(what, batch, b, loader);
        }
        count.process();
        output.detach();
        if (module->collect_step_outputs) module->evaluation_outputs_.push_back(output);
        call_callbacks({hooks.names[4], LogRule::PerEpoch}, hooks.batch_end, output, steps->ref(batch), b, loader);
        steps->on_batch_end(what, output, batch, b, loader);
        int64_t& seen = progress.validation_batches[static_cast<size_t>(loader)];
        if (!sanity_checking) log_row(metrics.logger_row(true), seen);
        ++seen;
        return count.complete();
      });

  metrics.publish(true);
  call({hooks.names[5], LogRule::EpochOnly}, hooks.epoch_end, hooks.module_epoch_end);
  call({"on_epoch_end", LogRule::EpochOnly}, &Callback::on_epoch_end, &Hooks::on_epoch_end);
  update_metrics();
  std::vector<Metrics> results;
  for (size_t i = 0; i < loaders.size(); ++i) results.push_back(metrics.loader_results(static_cast<int64_t>(i)));
  if (!sanity_checking) {
    log_row(metrics.logger_row(false));
    save_logs();
  }
  if (stage == Stage::Fit && !sanity_checking) {
    progress.point = Progress::Point::Validated;
    unfinished = Unfinished::Nothing;
  }
  call({hooks.names[6], LogRule::Forbidden}, hooks.end, hooks.module_end);
  (module->*hooks.train)();
  module->evaluating_ = false;
  module->evaluation_outputs_.clear();
  return results;
}

size_t Run::predict(const Engines& loaders, const std::vector<int64_t>& limits) {
  const StageHooks& hooks = predict_hooks;
  module->remember_modes();
  (module->*hooks.eval)();
  call({hooks.names[0], LogRule::Forbidden}, hooks.start, hooks.module_start);
  call({"on_epoch_start", LogRule::Forbidden}, &Callback::on_epoch_start, &Hooks::on_epoch_start);
  call({hooks.names[1], LogRule::Forbidden}, hooks.epoch_start, hooks.module_epoch_start);
  for_each_batch(*this, Stage::Predict, hooks, LogRule::Forbidden, loaders, limits,
                 [&](const void* batch, int64_t b, int64_t loader) {
                   const AnyRef prediction = [&] {
                     const Precision::Scope scope(precision);
                     return steps->predict_step(batch, b, loader);
                   }();
                   call_callbacks({hooks.names[4], LogRule::Forbidden}, &Callback::on_predict_batch_end, prediction,
                                  steps->ref(batch), b, loader);
                   steps->on_predict_batch_end(batch, b, loader);
                   return in_trial || steps->deliver(b, loader);
                 });
  call({hooks.names[5], LogRule::Forbidden}, hooks.epoch_end, hooks.module_epoch_end);
  call({"on_epoch_end", LogRule::Forbidden}, &Callback::on_epoch_end, &Hooks::on_epoch_end);
  call({hooks.names[6], LogRule::Forbidden}, hooks.end, hooks.module_end);
  (module->*hooks.train)();
  return loaders.size();
}

}  // namespace fulmen::trainer
