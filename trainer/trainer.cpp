#include <fulmen/autograd/grad_mode.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <fulmen/trainer/progress_bar.h>
#include <fulmen/trainer/run.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fulmen::trainer {
namespace {

template <class T>
void check_option(bool good, const char* option, const T& value, const char* allowed) {
  if (!good) throw Error("E016", str(option, " is ", value, "; allowed: ", allowed), str("change ", option));
}

void check_amount(const char* option, const Amount& amount) {
  if (amount.is_duration()) throw Error("E016", str(option, " is a time"), "give a number of batches, or a fraction");
  if (amount.is_fraction()) {
    check_option(amount.fraction() >= 0 && amount.fraction() <= 1, option, amount.fraction(),
                 "a fraction from 0.0 to 1.0, or a number of batches");
  } else {
    check_option(amount.count() >= 0, option, amount.count(), "a number of batches of at least 0, or a fraction");
  }
}

void check_loaders(const Engines& loaders, const char* entry_point, const char* hook) {
  if (!loaders.empty()) return;
  throw Error("E016", str(entry_point, ": there is no loader"), str("pass one, or override ", hook, " in the module"));
}

void check_devices(const TrainerOptions& o) {
  const std::vector<int> numbers = o.devices.numbers();
  bool distinct = !numbers.empty();
  for (size_t i = 1; i < numbers.size(); ++i) {
    distinct = distinct &&
               std::find(numbers.begin() + static_cast<ptrdiff_t>(i), numbers.end(), numbers[i - 1]) == numbers.end();
  }
  check_option(distinct, "devices", o.devices.text(), "at least one device, and none twice");
  const bool several = numbers.size() > 1;
  check_option(!several || !o.cuda_graph, "devices", o.devices.text(), "one device with cuda_graph");
  check_option(!several || o.on_nonfinite != OnNonfinite::Skip, "on_nonfinite", "skip",
               "stop or ignore with several devices");
}

void check(const TrainerOptions& o) {
  check_option(!o.max_epochs || *o.max_epochs >= -1, "max_epochs", o.max_epochs.value_or(0), "-1 (no limit) or more");
  check_option(o.max_steps >= -1, "max_steps", o.max_steps, "-1 (no limit) or more");
  check_option(o.min_epochs.value_or(0) >= 0, "min_epochs", o.min_epochs.value_or(0), "0 or more");
  check_option(o.min_steps.value_or(0) >= 0, "min_steps", o.min_steps.value_or(0), "0 or more");
  if (o.max_epochs && *o.max_epochs >= 0 && !o.lightning_compatible) {
    check_option(o.min_epochs.value_or(0) <= *o.max_epochs, "min_epochs", o.min_epochs.value_or(0),
                 "at most max_epochs");
  }
  check_amount("limit_train_batches", o.limit_train_batches);
  check_amount("limit_val_batches", o.limit_val_batches);
  check_amount("limit_test_batches", o.limit_test_batches);
  check_amount("limit_predict_batches", o.limit_predict_batches);
  check_amount("overfit_batches", o.overfit_batches);
  const Amount& interval = o.val_check_interval;
  if (!interval.is_duration()) check_amount("val_check_interval", interval);
  if (!o.max_time.empty()) seconds_of(o.max_time, "max_time");
  check_option(o.reload_dataloaders_every_n_epochs >= 0, "reload_dataloaders_every_n_epochs",
               o.reload_dataloaders_every_n_epochs, "0 (never) or more");
  check_option(interval.is_duration() || interval.is_fraction() ? interval.fraction() > 0 : interval.count() > 0,
               "val_check_interval", 0, "more than 0");
  if (!o.check_val_every_n_epoch && interval.is_fraction()) {
    throw Error("E016", "check_val_every_n_epoch is not set, and val_check_interval is a fraction of an epoch",
                "give val_check_interval as a number of batches");
  }
  check_option(o.check_val_every_n_epoch.value_or(1) >= 1, "check_val_every_n_epoch",
               o.check_val_every_n_epoch.value_or(1), "1 or more, or std::nullopt");
  check_option(o.fast_dev_run >= 0, "fast_dev_run", o.fast_dev_run, "0 (off) or a number of batches");
  check_option(o.num_sanity_val_steps >= -1, "num_sanity_val_steps", o.num_sanity_val_steps, "-1 (all) or more");
  check_option(o.log_every_n_steps >= 0, "log_every_n_steps", o.log_every_n_steps, "0 (never) or more");
  check_option(o.accumulate_grad_batches >= 1, "accumulate_grad_batches", o.accumulate_grad_batches, "1 or more");
  check_option(!o.gradient_clip_val || *o.gradient_clip_val >= 0, "gradient_clip_val", o.gradient_clip_val.value_or(0),
               "0 (off) or more");
  check_option(o.accelerator == "auto" || o.accelerator == "cpu" || o.accelerator == "cuda", "accelerator",
               o.accelerator, "auto, cpu or cuda");
  check_devices(o);
  check_option(!is_16_mixed(o.precision) || !o.cuda_graph, "precision", o.precision,
               "another one with cuda_graph: a scaled step waits for the device");
  check_option(!o.cuda_graph || o.accumulate_grad_batches == 1, "accumulate_grad_batches", o.accumulate_grad_batches,
               "1 with cuda_graph");
  check_option(!o.cuda_graph || o.on_nonfinite != OnNonfinite::Skip, "on_nonfinite", "skip",
               "stop or ignore with cuda_graph");
}

/// What would cost time, and was asked for.
void check_barebones(const TrainerOptions& o) {
  auto refuse = [](bool set, const char* option) {
    if (set)
      throw Error("E016", str(option, " is set, and barebones as well, which measures the training alone"),
                  str("leave one of them out"));
  };
  refuse(!o.loggers.empty(), "loggers");
  refuse(!o.callbacks.empty(), "callbacks");
  refuse(o.fast_dev_run > 0, "fast_dev_run");
  refuse(o.detect_anomaly, "detect_anomaly");
  refuse(o.profiler.is_simple() || o.profiler.given(), "profiler");
}

/// Where a run takes place. An emulated CUDA device is for tests: it is used when it is asked for.
Device device_of(const TrainerOptions& o) {
#ifdef FULMEN_EMULATED
  const bool worth_it = false;
#else
  const bool worth_it = o.accelerator == "auto" && cuda::is_available();
#endif
  if (o.accelerator != "cuda" && !worth_it) return Device(kCPU);
  if (!cuda::is_available()) {
    throw Error("E018", "accelerator is cuda, but " + cuda::why_not_available(),
                "use accelerator = \"auto\", which takes the CPU where there is no CUDA device");
  }
  for (int number : o.devices.numbers()) {
    if (number < cuda::device_count()) continue;
    throw Error("E018",
                str("devices asks for cuda:", number, ", but this machine has ", cuda::device_count(),
                    " CUDA device(s), counted from 0"),
                "ask for fewer");
  }
  return cuda::exact(Device(kCUDA, static_cast<DeviceIndex>(o.devices.first())));
}

}  // namespace

AnyFunction<Engines()> detail::only_loader(AnyFunction<Engines()> request) {
  return [request = std::move(request)] {
    Engines loaders = request ? request() : Engines();
    if (loaders.size() > 1) {
      throw Error("E016",
                  str("predict: one list of predictions was asked for, and there are ", loaders.size(), " loaders"),
                  "predict_by_loader gives a list per loader");
    }
    return loaders;
  };
}

const char* stage_name(Stage stage) {
  constexpr const char* names[] = {"fit", "validate", "test", "predict"};
  return names[static_cast<size_t>(stage)];
}

Trainer::Trainer(TrainerOptions options) {
  check(options);
  if (options.barebones) check_barebones(options);
  run_ = std::make_unique<Run>(*this, std::move(options));
  run_->device = device_of(run_->options);
  const Devices& devices = run_->options.devices;
  check_option(run_->device.is_cuda() || devices.count() == 1, "devices", devices.text(),
               "1 on a CPU, whose cores work together by themselves");
  if (run_->device.is_cuda()) run_->devices = devices.numbers();
  check_option(!run_->options.cuda_graph || run_->device.is_cuda(), "cuda_graph", true, "false on a CPU");
}

Trainer::~Trainer() = default;

std::vector<Metrics> Trainer::run_evaluation(Stage stage, ModuleSteps& steps, const LoaderRequests& requests,
                                             const RunOptions& options) try {
  Run& run = *run_;
  run.begin(stage, steps, requests, options.ckpt_path);
  run.log_hyperparams();
  run.tune_evaluation();
  const bool testing = stage == Stage::Test;
  const Overrides overrides = steps.overrides();
  FULMEN_CHECK(testing ? overrides.test_step : overrides.validation_step, stage_name(stage), ": the module has no ",
               testing ? "test_step" : "validation_step", "; override it");
  std::vector<Metrics> results;
  const Amount& limit = testing ? run.options.limit_test_batches : run.options.limit_val_batches;
  if (limit != Amount(0)) {
    InferenceMode inference(run.options.inference_mode);
    AutoGradMode no_grad(false);
    const Engines loaders =
        testing ? (requests.test ? requests.test() : Engines()) : (requests.val ? requests.val() : Engines());
    check_loaders(loaders, stage_name(stage), testing ? "test_dataloader()" : "val_dataloader()");
    run.num_val_batches = run.batches_of(loaders, limit, testing ? "limit_test_batches" : "limit_val_batches");
    results = run.evaluate(stage, loaders, run.num_val_batches);
  }
  run.end();
  if (options.verbose) {
    for (size_t i = 0; i < results.size(); ++i) {
      std::string line =
          std::string(stage_name(stage)) + (results.size() > 1 ? ", loader " + std::to_string(i) : "") + ":";
      for (const auto& [name, value] : results[i]) line += str(" ", name, "=", value);
      print(line);
    }
  }
  return results;
} catch (const TunerExit&) {
  run_->end();
  return {};
} catch (...) {
  run_->fail();
  throw;
}

size_t Trainer::run_predict(ModuleSteps& steps, const LoaderRequests& requests, const RunOptions& options) try {
  Run& run = *run_;
  run.begin(Stage::Predict, steps, requests, options.ckpt_path);
  run.log_hyperparams();
  run.tune_evaluation();
  size_t count = 0;
  if (run.options.limit_predict_batches != Amount(0)) {
    InferenceMode inference(run.options.inference_mode);
    AutoGradMode no_grad(false);
    const Engines loaders = requests.predict ? requests.predict() : Engines();
    check_loaders(loaders, "predict", "predict_dataloader()");
    run.num_val_batches = run.batches_of(loaders, run.options.limit_predict_batches, "limit_predict_batches");
    count = run.predict(loaders, run.num_val_batches);
  }
  run.end();
  return count;
} catch (const TunerExit&) {
  run_->end();
  return 0;
} catch (...) {
  run_->fail();
  throw;
}

const TrainerOptions& Trainer::options() const { return run_->options; }
int64_t Trainer::current_epoch() const { return run_->progress.epoch; }
int64_t Trainer::global_step() const { return run_->progress.global_step; }

const Metrics& Trainer::callback_metrics() const {
  if (run_->running) run_->update_metrics(MetricBook::OfCallbacks);
  return run_->metrics.callback;
}
const Metrics& Trainer::logged_metrics() const {
  if (run_->running) run_->update_metrics(MetricBook::OfLoggers);
  return run_->metrics.logged;
}
const Metrics& Trainer::progress_bar_metrics() const {
  if (run_->running) run_->update_metrics(MetricBook::OfProgressBar);
  return run_->metrics.progress_bar;
}

Stage Trainer::stage() const { return run_->stage; }
bool Trainer::is_running() const { return run_->running; }
bool Trainer::validating() const { return run_->validating; }
bool Trainer::has_validated() const { return run_->progress.counted.has_validated; }
bool Trainer::sanity_checking() const { return run_->sanity_checking; }
bool Trainer::is_last_batch() const { return run_->is_last_batch; }
int64_t Trainer::batch_idx() const { return run_->batch_idx; }
int64_t Trainer::num_training_batches() const { return run_->num_training_batches; }
std::vector<int64_t> Trainer::num_val_batches() const { return run_->num_val_batches; }
std::vector<int64_t> Trainer::num_test_batches() const {
  return run_->stage == Stage::Test ? run_->num_val_batches : std::vector<int64_t>();
}
std::vector<int64_t> Trainer::num_predict_batches() const {
  return run_->stage == Stage::Predict ? run_->num_val_batches : std::vector<int64_t>();
}
std::vector<int64_t> Trainer::num_sanity_val_batches() const {
  std::vector<int64_t> counts = run_->num_val_batches;
  const int64_t wanted = run_->options.num_sanity_val_steps;
  for (int64_t& count : counts) {
    if (wanted != -1) count = count < 0 ? wanted : std::min(count, wanted);
  }
  return counts;
}

std::span<const int64_t> Trainer::batch_indices() const {
  const bool training = run_->stage == Stage::Fit && !run_->validating && !run_->sanity_checking;
  const auto& loader = training ? run_->train_loader : run_->current_loader;
  return loader ? loader->indices() : std::span<const int64_t>();
}

int64_t Trainer::estimated_stepping_batches() const {
  const TrainerOptions& o = run_->options;
  if (run_->request_training_data) run_->request_training_data();
  const int64_t batches = run_->num_training_batches;
  if (batches < 0 || run_->max_epochs < 0) return o.max_steps;
  const int64_t window = run_->accumulate_grad_batches;
  const int64_t steps = (batches + window - 1) / window * run_->max_epochs;
  return o.max_steps < 0 ? steps : std::min(steps, o.max_steps);
}

bool Trainer::should_stop() const { return run_->should_stop; }
void Trainer::set_should_stop(bool stop) { run_->should_stop = stop; }
bool Trainer::interrupted() const { return run_->interrupted; }
optim::Optimizer* Trainer::optimizer() const { return run_->optimizers.first(); }
Optimizers& Trainer::optimizers() const { return run_->optimizers; }
int64_t Trainer::accumulate_grad_batches() const { return run_->accumulate_grad_batches; }
void Trainer::set_accumulate_grad_batches(int64_t batches) {
  check_option(batches >= 1, "accumulate_grad_batches", batches, "1 or more");
  run_->accumulate_grad_batches = batches;
}
bool Trainer::logs_this_step() const { return run_->logs_this_step(); }
int64_t Trainer::logged_steps() const { return run_->progress.stepped; }
void Trainer::add_callback_metric(std::string_view name, double value) {
  run_->update_metrics(MetricBook::OfCallbacks);
  run_->metrics.callback.set(name, value);
}
int64_t Trainer::max_epochs() const { return run_->max_epochs; }
const std::string& Trainer::ckpt_path() const { return run_->resumed_from; }
const std::vector<std::shared_ptr<Callback>>& Trainer::callbacks() const { return run_->callbacks; }
const std::vector<std::shared_ptr<Logger>>& Trainer::loggers() const { return run_->loggers; }

ModelCheckpoint* Trainer::checkpoint_callback() const {
  for (const auto& callback : run_->callbacks) {
    if (auto* found = dynamic_cast<ModelCheckpoint*>(callback.get())) return found;
  }
  return nullptr;
}

std::string Trainer::log_dir() const {
  for (const auto& logger : run_->loggers) {
    if (std::string dir = logger->log_dir(); !dir.empty()) return dir;
  }
  return run_->options.default_root_dir;
}

void Trainer::save_checkpoint(const std::string& path, bool weights_only) {
  write_checkpoint(path, run_->state(weights_only));
  for (const auto& logger : run_->loggers) logger->after_save_checkpoint(path);
}

void Trainer::print(std::string_view line) {
  for (const auto& callback : run_->callbacks) {
    if (auto* bar = dynamic_cast<ProgressBar*>(callback.get())) return bar->print(line);
  }
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void seed_everything(uint64_t seed) { manual_seed(seed); }

IsolateRng::IsolateRng() {
  states_.push_back(default_generator()->state());
  const int devices = cuda::is_available() ? static_cast<int>(cuda::device_count()) : 0;
  for (int i = 0; i < devices; ++i) {
    states_.push_back(default_generator(Device(kCUDA, static_cast<DeviceIndex>(i)))->state());
  }
}

IsolateRng::~IsolateRng() {
  default_generator()->set_state(states_[0]);
  for (size_t i = 1; i < states_.size(); ++i) {
    default_generator(Device(kCUDA, static_cast<DeviceIndex>(i - 1)))->set_state(states_[i]);
  }
}

}  // namespace fulmen::trainer
