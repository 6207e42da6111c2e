#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/callbacks/exception_checkpoint.h>
#include <fulmen/trainer/callbacks/profiler.h>
#include <fulmen/trainer/callbacks/timer.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <fulmen/trainer/model_summary.h>
#include <fulmen/trainer/progress_bar.h>
#include <fulmen/trainer/run.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <typeindex>

namespace fulmen::trainer {
namespace {

template <class C>
bool has(const std::vector<std::shared_ptr<Callback>>& callbacks) {
  return std::any_of(callbacks.begin(), callbacks.end(),
                     [](const auto& c) { return dynamic_cast<const C*>(c.get()) != nullptr; });
}

const std::type_info& type_of(const Callback& callback) { return typeid(callback); }

/// Callbacks with state are found in a checkpoint by their keys.
void check_state_keys(const std::vector<std::shared_ptr<Callback>>& callbacks) {
  for (size_t i = 0; i < callbacks.size(); ++i) {
    for (size_t k = i + 1; k < callbacks.size(); ++k) {
      const std::string key = callbacks[i]->state_key();
      if (key != callbacks[k]->state_key() || callbacks[i]->state_dict().empty()) continue;
      throw Error("E016", "callbacks: two of them keep their state under the same key " + key,
                  "give them different options, or override state_key()");
    }
  }
}

/// Options that tell the trainer how to optimize, for a module that does it itself.
void check_manual_optimization(const TrainerOptions& o) {
  auto refuse = [](bool set, const char* option) {
    if (set) {
      throw Error("E016", str(option, " is set, and the module optimizes manually"),
                  str("leave ", option, " out and do it in training_step, or set automatic_optimization = true"));
    }
  };
  refuse(o.gradient_clip_val.value_or(0) > 0, "gradient_clip_val");
  refuse(o.accumulate_grad_batches != 1, "accumulate_grad_batches");
  refuse(o.cuda_graph, "cuda_graph");
  refuse(o.devices.count() > 1, "devices");
}

volatile std::sig_atomic_t signal_raised = 0;
struct sigaction previous_interrupt, previous_terminate;

void raise_flag(int signal) {
  if (signal_raised) {  // the second time: as if we were not here
    ::sigaction(SIGINT, &previous_interrupt, nullptr);
    ::sigaction(SIGTERM, &previous_terminate, nullptr);
    ::raise(signal);
    return;
  }
  signal_raised = 1;
}

}  // namespace

SignalWatch::SignalWatch() {
  signal_raised = 0;
  struct sigaction action = {};
  action.sa_handler = raise_flag;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_interrupt);
  ::sigaction(SIGTERM, &action, &previous_terminate);
}

SignalWatch::~SignalWatch() {
  ::sigaction(SIGINT, &previous_interrupt, nullptr);
  ::sigaction(SIGTERM, &previous_terminate, nullptr);
}

bool SignalWatch::raised() { return signal_raised != 0; }

std::string Callback::state_key() const { return nn::type_name(typeid(*this)); }

Run::Run(Trainer& owner, TrainerOptions settings) : trainer(owner), options(std::move(settings)) {
  TrainerOptions& o = options;
  if (o.barebones) {
    o.enable_checkpointing = o.enable_progress_bar = o.enable_model_summary = o.logger = false;
    o.num_sanity_val_steps = o.log_every_n_steps = 0;
  }
  max_epochs = o.max_epochs.value_or(o.max_steps >= 0 || !o.max_time.empty() ? -1 : 1000);
  loggers = o.loggers;
  if (loggers.empty() && o.logger) loggers.push_back(std::make_shared<CsvLogger>(o.default_root_dir));
  own_callbacks = o.callbacks;
  const auto profiler = o.profiler.is_simple() ? std::make_shared<Profiler>() : o.profiler.given();
  if (profiler) own_callbacks.insert(own_callbacks.begin(), profiler);
  if (o.fast_dev_run > 0) {
    max_epochs = 1;
    o.max_steps = o.fast_dev_run;
    o.num_sanity_val_steps = 0;
    o.val_check_interval = 1.0;
    o.check_val_every_n_epoch = 1;
    o.limit_train_batches = o.limit_val_batches = o.limit_test_batches = o.limit_predict_batches = o.fast_dev_run;
    loggers.clear();
    std::erase_if(own_callbacks, [&o](const auto& c) {
      // Lightning's writes last.ckpt even so.
      const bool saves = dynamic_cast<const ModelCheckpoint*>(c.get()) && !o.lightning_compatible;
      return saves || dynamic_cast<const EarlyStopping*>(c.get());
    });
  } else if (o.enable_checkpointing && !has<ModelCheckpoint>(own_callbacks) &&
             !(o.lightning_compatible && has<OnExceptionCheckpoint>(own_callbacks))) {
    own_callbacks.push_back(std::make_shared<ModelCheckpoint>());
  }
  if (o.overfit_batches != Amount(0)) o.limit_train_batches = o.limit_val_batches = o.overfit_batches;
  if (!o.max_time.empty()) own_callbacks.push_back(std::make_shared<Timer>(o.max_time));
  if (o.enable_progress_bar && !has<ProgressBar>(own_callbacks)) {
    own_callbacks.push_back(std::make_shared<ProgressBar>());
  }
  if (o.enable_model_summary && !has<ModelSummary>(own_callbacks)) {
    own_callbacks.push_back(std::make_shared<ModelSummary>());
  }
  callbacks = own_callbacks;
}

/// The newest of the files that are "last" for one of the callbacks; empty if there is none.
static std::string newest_checkpoint(const Trainer& trainer, const std::vector<std::shared_ptr<Callback>>& callbacks) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  for (const auto& callback : callbacks) {
    if (const auto* checkpoints = dynamic_cast<const ModelCheckpoint*>(callback.get())) {
      const std::vector<std::string> found = checkpoints->last_checkpoints(trainer);
      paths.insert(paths.end(), found.begin(), found.end());
    }
    if (const auto* checkpoint = dynamic_cast<const OnExceptionCheckpoint*>(callback.get())) {
      if (fs::exists(checkpoint->ckpt_path())) paths.push_back(checkpoint->ckpt_path());
    }
  }
  const auto newest = std::max_element(paths.begin(), paths.end(), [](const auto& a, const auto& b) {
    return fs::last_write_time(a) < fs::last_write_time(b);
  });
  return newest == paths.end() ? std::string() : *newest;
}

std::string Run::path_of_checkpoint(const std::string& wanted) const {
  if (wanted.empty() && stage == Stage::Fit && has<OnExceptionCheckpoint>(own_callbacks)) {
    return newest_checkpoint(trainer, own_callbacks);
  }
  if (wanted == "last") {
    const std::string newest = newest_checkpoint(trainer, own_callbacks);
    if (newest.empty()) {
      warn(R"(ckpt_path = "last": there is no such checkpoint, and none is loaded. )"
           "Does a ModelCheckpoint have save_last = true?");
    }
    return newest;
  }
  if (wanted != "best") return wanted;
  const ModelCheckpoint* checkpoints = trainer.checkpoint_callback();
  if (!checkpoints) {
    throw Error("E016", "ckpt_path is \"best\", and this trainer has no ModelCheckpoint",
                "give the file's path, or the trainer a ModelCheckpoint");
  }
  if (checkpoints->best_model_path().empty()) {
    throw Error("E016", "ckpt_path is \"best\", and no checkpoint has been saved yet",
                "fit first, or give the file's path");
  }
  return checkpoints->best_model_path();
}

/// Nothing of the fit before, if there was one.
void Run::forget_fit() {
  if (!options.lightning_compatible) progress = Progress();
  module->training_outputs_.clear();
  train_loader.reset();
  val_loaders.clear();
  val_loaders_requested = false;
  num_training_batches = -1;
  num_val_batches.clear();
  optimizers = {};
  unfinished = Unfinished::Nothing;
  buffers.clear();
  batch_mark = window_mark = {};
  before_ahead.clear();
}

std::optional<Checkpoint> Run::begin(Stage what, ModuleSteps& module_steps, const LoaderRequests& loader_requests,
                                     const std::string& ckpt_path) {
  stage = what;
  steps = &module_steps;
  module = &module_steps.module();
  requests = &loader_requests;
  data_module = loader_requests.data_module;
  running = true;
  in_trial = skip_backward = validating = sanity_checking = should_stop = interrupted = in_batch = is_last_batch =
      stepped_in_batch = false;
  accumulate_grad_batches = options.accumulate_grad_batches;
  metrics.clear();
  progress.validation_batches.clear();
  if (what == Stage::Fit) forget_fit();
  FULMEN_CHECK(!module->trainer_ || module->trainer_ == &trainer, "this module is being run by another trainer");
  module->trainer_ = &trainer;
  module->metrics_ = options.barebones ? nullptr : &metrics;
  metrics.open(what == Stage::Fit ? MetricBook::Page::Training : MetricBook::Page::Evaluation, true);
  callbacks = own_callbacks;
  metrics.site = {"ckpt_path", LogRule::Forbidden};
  const std::string path = path_of_checkpoint(ckpt_path);
  std::optional<Checkpoint> checkpoint;
  if (!path.empty()) checkpoint = read_checkpoint(path, what != Stage::Fit);
  if (what == Stage::Fit) resumed_from = path;

  metrics.site = {"configure_callbacks", LogRule::Forbidden};
  for (const auto& callback : module->configure_callbacks()) {
    std::erase_if(callbacks, [&](const auto& c) { return type_of(*c) == type_of(*callback); });
    callbacks.push_back(callback);
  }
  std::stable_partition(callbacks.begin(), callbacks.end(),
                        [](const auto& c) { return c->order() != Callback::Order::Save; });
  std::stable_partition(callbacks.begin(), callbacks.end(),
                        [](const auto& c) { return c->order() == Callback::Order::Tune; });
  check_state_keys(callbacks);
  if (what == Stage::Fit && !module->automatic_optimization) check_manual_optimization(options);

  metrics.site = {"prepare_data", LogRule::Forbidden};
  if (data_module) data_module->prepare_data();
  module->prepare_data();
  if (data_module) data_module->setup(what);
  FULMEN_CALL(*this, setup, Forbidden, what);
  metrics.site = {"configure_model", LogRule::Forbidden};
  module->configure_model();
  if (checkpoint) restore_module_state(*checkpoint, path);
  if (!device.is_cpu()) module->to(device);
  precision = Precision(options.precision, device);
  if (precision.converts_to()) module->to(*precision.converts_to());
  if (what == Stage::Fit && !options.lightning_compatible) {
    for (const auto& item : module->named_buffers()) {
      if (item.value().defined()) buffers.insert(item.key(), item.value());
    }
  }
  return checkpoint;
}

void Run::enter_batch(void* batch, int64_t dataloader_idx) {
  metrics.begin_batch();
  metrics.site = {"on_before_batch_transfer", LogRule::Forbidden};
  steps->transfer(batch, device, dataloader_idx);
  if (precision.converts_to()) steps->convert(batch, *precision.converts_to());
  metrics.batch_size = steps->batch_size(batch);
  in_batch = true;
}

void Run::end() {
  if (data_module) data_module->teardown(stage);
  FULMEN_CALL(*this, teardown, Forbidden, stage);
  for (const auto& logger : loggers) logger->finalize(interrupted ? "failed" : "success");
  metrics.let_go_of_metrics();
  module->trainer_ = nullptr;
  module->metrics_ = nullptr;
  running = false;
  request_training_data = {};
}

void Run::fail() noexcept try {
  if (!running) return;
  module->evaluating_ = false;
  if (stage == Stage::Fit && mark_to_go_back_to()) restore_buffers();
  // Whoever fails while being told of the failure is left aside: the first one is what the user has to see.
  auto aside = [](auto&& action) {
    try {
      action();
    } catch (...) {
    }
  };
  auto tell = [&](const std::exception& exception) {
    metrics.site = {"on_exception", LogRule::Forbidden};
    for (const auto& callback : callbacks) aside([&] { callback->on_exception(trainer, *module, exception); });
    if (data_module) aside([&] { data_module->on_exception(exception); });
    if (!options.lightning_compatible) {
      if (data_module) aside([&] { data_module->teardown(stage); });
      aside([&] { FULMEN_CALL(*this, teardown, Forbidden, stage); });
    }
    for (const auto& logger : loggers) aside([&] { logger->finalize("failed"); });
    aside([&] { metrics.let_go_of_metrics(); });
  };
  const std::string hook = metrics.site.name;
  try {
    throw;
  } catch (Error& error) {
    if (const void* where = error.module()) {
      const std::string path = module->path_of(where);
      const std::string root = nn::short_type_name(typeid(*module));
      error.set_module_path(path.empty() ? root : root + "." + path);
    }
    const bool at_batch = in_batch || validating || stage != Stage::Fit;
    const bool in_epoch = at_batch || metrics.site.rule != LogRule::Forbidden;
    std::string place = error.module() ? "in " + hook : hook;
    if (stage == Stage::Fit && in_epoch) place += ", epoch " + std::to_string(progress.epoch);
    if (at_batch) place += ", batch " + std::to_string(batch_idx);
    if (!hook.empty()) error.add_context(place);
    tell(error);
  } catch (const std::exception& error) {
    tell(error);
  } catch (...) {
    tell(Error("an exception of a type that is no std::exception"));
  }
  module->trainer_ = nullptr;
  module->metrics_ = nullptr;
  running = in_batch = validating = sanity_checking = false;
} catch (...) {  // no memory to say where it happened
  module->trainer_ = nullptr;
  module->metrics_ = nullptr;
  running = in_batch = validating = sanity_checking = false;
}

void Run::log_hyperparams() {
  if (loggers.empty() || !options.enable_autolog_hparams) return;
  std::string hparams = module->hparams_initial();
  if (data_module && data_module->hparams() != "{}") {
    nlohmann::json all = nlohmann::json::parse(hparams);
    const nlohmann::json of_data = nlohmann::json::parse(data_module->hparams());
    for (const auto& [name, value] : of_data.items()) {
      if (all.contains(name) && all[name] != value) {
        throw Error("E016",
                    "the hyperparameter " + name + " is " + all[name].dump() + " in the model and " + value.dump() +
                        " in the data module",
                    "give them different names, or the same value");
      }
      all[name] = value;
    }
    hparams = all.dump();
  }
  for (const auto& logger : loggers) logger->log_hyperparams(hparams);
}

void Run::update_metrics(unsigned lists) {
  // As in Lightning, the loaders of a sanity check have no results if there are several.
  metrics.publish(in_batch, in_batch || !(sanity_checking && num_val_batches.size() > 1), lists);
}

void Run::log_row(const Metrics& row, int64_t step) {
  if (loggers.empty() || row.empty()) return;
  Metrics complete = row;
  if (step < 0) {
    step = progress.stepped;
    if (const double* logged_step = row.find("step")) {  // a clock of the user's own
      step = static_cast<int64_t>(*logged_step);
      complete.erase("step");
    } else if (!row.contains("epoch")) {
      complete.set("epoch", static_cast<double>(progress.epoch));
    }
  }
  for (const auto& logger : loggers) logger->log_metrics(complete, step);
}

void Run::save_logs() {
  for (const auto& logger : loggers) logger->save();
}

bool Run::logs_this_step() const {
  const int64_t every = options.log_every_n_steps;
  return every > 0 && ((progress.stepped + 1) % every == 0 || should_stop);
}

int64_t Run::batches_of(const data::LoaderEngine& loader, const Amount& limit, const char* option,
                        int64_t at_once) const {
  std::optional<int64_t> all = loader.size();
  if (all) all = (*all + at_once - 1) / at_once;
  if (limit.is_count()) return all ? std::min(*all, limit.count()) : -1;
  if (!all) {
    if (limit.fraction() == 1.0) return -1;
    throw Error("E016", str(option, " is ", limit.fraction(), ", but the loader does not know its length"),
                "give a number of batches");
  }
  const auto batches = static_cast<int64_t>(static_cast<double>(*all) * limit.fraction());
  if (batches == 0 && *all > 0 && limit.fraction() > 0) {
    throw Error("E016", str(option, " is ", limit.fraction(), ", which leaves no batch of ", *all),
                str("give at least ", 1.0 / static_cast<double>(*all), ", or a number of batches"));
  }
  return batches;
}

std::vector<int64_t> Run::batches_of(const Engines& loaders, const Amount& limit, const char* option) const {
  std::vector<int64_t> counts;
  for (const auto& loader : loaders) counts.push_back(batches_of(*loader, limit, option));
  return counts;
}

}  // namespace fulmen::trainer
