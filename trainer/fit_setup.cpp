#include <fulmen/autograd/anomaly.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/data_parallel.h>
#include <fulmen/trainer/fit_loop.h>
#include <fulmen/trainer/model_checkpoint.h>

#include <algorithm>

// Beginning and end of a fit.
namespace fulmen::trainer {

FitLoop::FitLoop(Run& run, ModuleSteps& steps, const LoaderRequests& requests, const FitOptions& options)
    : run_(run),
      at_(run.progress),
      counted_(at_.counted),
      module_steps_(steps),
      requests_(requests),
      ckpt_path_(options.ckpt_path) {
  if (run.devices.size() > 1) others_ = std::make_unique<DataParallel>(run, steps);
}
FitLoop::~FitLoop() = default;

void FitLoop::begin() {
  Run& run = run_;
  std::optional<Checkpoint> checkpoint = run.begin(Stage::Fit, module_steps_, requests_, ckpt_path_);
  run.request_training_data = [this] { request_loaders(); };
  configure_optimizers();
  FULMEN_CALL(run, on_fit_start, Forbidden);
  run.log_hyperparams();
  if (checkpoint) run.restore_training(*checkpoint, run.resumed_from);
  const bool compatible = run.options.lightning_compatible;
  if (std::exchange(at_.epoch_was_done, false) && !compatible) {
    move_schedulers(Interval::Epoch, true);  // those that watch a metric were still to come
    ++at_.epoch;
  }
  run.module->zero_grad();
  // Between two epochs Lightning does not take itself for resumed.
  if (compatible ? !counted_.resumes_validation() : !checkpoint) sanity_check();
  const bool resumed = checkpoint.has_value();
  if (resumed) run.restore_gradients(*checkpoint);
  checkpoint.reset();
  const bool trains = run.options.limit_train_batches != Amount(0);
  if (trains) request_loaders();
  if (!trains) {
    if (compatible) reached_limits();
    run.num_training_batches = 0;
    return;
  }
  if (resumed) run.restore_position(run.resumed_from);
  if (reached_limits() || (run.should_stop && can_stop())) return;
  if (compatible) {
    counted_.begin_fit(run.options.max_steps != -1);
    follow_counters();
  }
  start_training();
}

void FitLoop::start_training() {
  Run& run = run_;
  if (run.options.detect_anomaly) anomaly_ = std::make_unique<autograd::DetectAnomalyGuard>();
  since_validation_ = Stopwatch();
  if (validates_in(at_.epoch)) request_val_loaders();
  signals_.emplace();
  started_ = true;
  FULMEN_CALL(run, on_train_start, EpochOnly);
}

void FitLoop::configure_optimizers() {
  Run& run = run_;
  const TrainerOptions& o = run.options;
  automatic_ = run.module->automatic_optimization;
  run.metrics.site = {"configure_optimizers", LogRule::Forbidden};
  run.optimizers = run.module->configure_optimizers();
  if (automatic_ && run.optimizers.size() > 1) {
    throw Error("E016", str("configure_optimizers gives ", run.optimizers.size(), " optimizers; the trainer steps one"),
                "set automatic_optimization = false, and step them with optimizer(0), optimizer(1), ... in "
                "training_step");
  }
  const bool closure = automatic_ && !run.optimizers.empty() && run.optimizers[0].needs_closure();
  if (closure && run.precision.scaler()) {
    throw Error("E016", "precision is 16-mixed, and " + run.optimizers[0].name() + " does not work with a scaled loss",
                "use bf16-mixed or 32-true, or another optimizer");
  }
  if (closure && o.cuda_graph) {
    throw Error("E016", "cuda_graph is set, and " + run.optimizers[0].name() + " takes steps of varying length",
                "leave cuda_graph out, or use another optimizer");
  }
  if (o.cuda_graph && !run.optimizers.empty()) {
    if (module_steps_.overrides().optimizer_step) {
      throw Error("E016", "cuda_graph is set, and the module overrides optimizer_step",
                  "a recorded step takes the optimizer's own step; leave one of the two out");
    }
    graph_.emplace(run, module_steps_);
  }
}

void FitLoop::request_loaders() {
  Run& run = run_;
  if (run.train_loader) return;
  train_loaded_in_ = at_.epoch;
  const Engines loaders = requests_.train ? requests_.train() : Engines();
  if (loaders.size() != 1) {
    throw Error("E016", str("fit: one training loader is needed; got ", loaders.size()),
                "pass one to fit(), or override train_dataloader() in the module; combine() makes one of several");
  }
  run.train_loader = loaders[0];
  const bool overfits = run.options.overfit_batches != Amount(0);
  if (overfits && run.train_loader->options().shuffle) {
    warn("overfit_batches: the training loader's shuffling is switched off");
    data::LoaderOptions unshuffled = run.train_loader->options();
    unshuffled.shuffle = false;
    unshuffled.order = {};
    run.train_loader = std::make_shared<data::LoaderEngine>(run.train_loader->source(), unshuffled);
  }
  run.num_training_batches = run.batches_of(*run.train_loader, run.options.limit_train_batches,
                                            overfits ? "overfit_batches" : "limit_train_batches",
                                            others_ ? static_cast<int64_t>(run.devices.size()) : 1);
  if (run.options.lightning_compatible) run.train_loader->begin_epoch();
  batch_ = BatchSlot(run.train_loader);
  ahead_ = BatchSlot(run.train_loader);
  if (others_) others_->use(run.train_loader);
  set_validation_interval();
}

void FitLoop::set_validation_interval() {
  Run& run = run_;
  const Amount& interval = run.options.val_check_interval;
  const int64_t batches = run.num_training_batches;
  if (interval.is_duration()) return;
  if (interval.is_fraction()) {
    run.val_check_batch =
        batches < 0 ? -1
                    : std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(batches) * interval.fraction()));
    if (batches < 0 && interval.fraction() != 1.0) {
      throw Error("E016",
                  str("val_check_interval is ", interval.fraction(), ", but the loader does not know its length"),
                  "give a number of batches, or 1.0");
    }
    return;
  }
  run.val_check_batch = interval.count();
  if (run.options.check_val_every_n_epoch && batches >= 0 && interval.count() > batches) {
    throw Error("E016", str("val_check_interval is ", interval.count(), " batches, but an epoch has only ", batches),
                "choose at most that many, or set check_val_every_n_epoch to std::nullopt to count across epochs");
  }
}

bool FitLoop::validates_in(int64_t epoch) const {
  const auto& every = run_.options.check_val_every_n_epoch;
  if (every && (epoch + 1) % *every != 0) return false;
  return requests_.val && module_steps_.overrides().validation_step && run_.options.limit_val_batches != Amount(0) &&
         (!run_.val_loaders_requested || !run_.val_loaders.empty());
}

void FitLoop::request_val_loaders() {
  Run& run = run_;
  if (run.val_loaders_requested) return;
  // Loaders that are asked for again now and then: a sanity check's are good for the first epoch, if that validates.
  const bool counts = !run.sanity_checking || validates_in(at_.epoch);
  val_loaded_in_ = counts ? at_.epoch : at_.epoch - run.options.reload_dataloaders_every_n_epochs;
  const bool before = std::exchange(run.validating, true);
  run.val_loaders_requested = true;
  run.val_loaders = requests_.val();
  run.num_val_batches =
      run.batches_of(run.val_loaders, run.options.limit_val_batches,
                     run.options.overfit_batches != Amount(0) ? "overfit_batches" : "limit_val_batches");
  run.validating = before;
}

void FitLoop::sanity_check() {
  Run& run = run_;
  if (run.options.num_sanity_val_steps == 0 || !requests_.val || !module_steps_.overrides().validation_step ||
      run.options.limit_val_batches == Amount(0)) {
    return;
  }
  const IsolateRng random_unchanged;
  run.mark_batch({});  // a checkpoint of this check is one of the beginning
  run.sanity_checking = true;
  run.call_callbacks({"on_sanity_check_start", LogRule::Forbidden}, &Callback::on_sanity_check_start);
  {
    NoGradGuard no_grad;
    request_val_loaders();
    const std::vector<int64_t> limits = run.trainer.num_sanity_val_batches();
    if (!run.val_loaders.empty()) run.evaluate(Stage::Validate, run.val_loaders, limits);
  }
  run.call_callbacks({"on_sanity_check_end", LogRule::Forbidden}, &Callback::on_sanity_check_end);
  run.sanity_checking = false;
  run.unfinished = Run::Unfinished::Nothing;
  run.metrics.clear();
  run.metrics.open(MetricBook::Page::Training, true);
  at_.validation_batches.clear();
  counted_.validation = {};
}

void FitLoop::end() {
  Run& run = run_;
  if (run.interrupted) {
    const Error interruption("the run was interrupted by a signal");
    run.call_callbacks({"on_exception", LogRule::Forbidden}, &Callback::on_exception, interruption);
    const ModelCheckpoint* checkpoints = run.trainer.checkpoint_callback();
    const std::string folder = checkpoints ? checkpoints->folder(run.trainer) : run.options.default_root_dir;
    if (run.options.fast_dev_run == 0) run.trainer.save_checkpoint(folder + "/interrupted.ckpt");
  }
  if (started_) FULMEN_CALL(run, on_train_end, Forbidden);
  FULMEN_CALL(run, on_fit_end, Forbidden);
  signals_.reset();
  anomaly_.reset();
  run.end();
}

}  // namespace fulmen::trainer
