#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/checkpoint.h>
#include <fulmen/trainer/data_module.h>
#include <fulmen/trainer/logger.h>
#include <fulmen/trainer/options.h>
#include <fulmen/trainer/steps.h>

namespace fulmen::trainer {

class ModelCheckpoint;
struct Run;

/// Loaders without the type of their batches.
using Engines = std::vector<std::shared_ptr<data::LoaderEngine>>;
/// Where a run gets its loaders from, each asked for when it is needed.
struct LoaderRequests {
  AnyFunction<Engines()> train{}, val{}, test{}, predict{};
  bool served = false;  ///< by the module or a data module: asked again, they may be others
  AnyDataModule* data_module = nullptr;
  std::optional<FieldsRef> data_module_fields = {};
  TransferOverrides data_module_transfers = {};
};

namespace detail {
template <class T>
inline constexpr bool is_loader = false;
template <class B>
inline constexpr bool is_loader<data::DataLoader<B>> = true;
template <class T>
inline constexpr bool is_loader<std::vector<T>> = is_loader<T>;
template <class T>
struct LoadedBatch {
  using type = typename T::Batch;
};
template <class T>
struct LoadedBatch<std::vector<T>> : LoadedBatch<T> {};

template <class M>
constexpr bool check_module() {
  static_assert(IsLightningModule<M>, "the model must be derived from fulmen::trainer::LightningModule");
  return true;
}
template <class M, class... Loaders>
constexpr bool check_loaders() {
  static_assert((std::is_same_v<typename LoadedBatch<Loaders>::type, typename M::Batch> && ...),
                "the loader gives batches of another type than the model's Batch, LightningModule's first argument");
  return true;
}
template <class M>
constexpr bool check_trainable() {
  static_assert(overrides_of<M>().training_step,
                "fit() needs a training_step: override StepOutput training_step(const Batch&, int64_t) in your module");
  static_assert(overrides_of<M>().configure_optimizers,
                "fit() needs an optimizer: override Optimizers configure_optimizers() in your module");
  return true;
}

template <class B>
Engines engines_of(const data::DataLoader<B>& loader) {
  if (!loader) return {};
  auto kept = std::make_shared<data::DataLoader<B>>(loader);
  return {std::shared_ptr<data::LoaderEngine>(kept, &kept->engine())};
}
template <class B>
Engines engines_of(const std::vector<data::DataLoader<B>>& loaders) {
  Engines engines;
  for (const auto& loader : loaders) {
    for (auto& engine : engines_of(loader)) engines.push_back(std::move(engine));
  }
  return engines;
}
/// A module or a data module that serves its own loaders.
template <class S>
LoaderRequests requests_of(S& source) {
  return {.train = [&source] { return engines_of(source.train_dataloader()); },
          .val = [&source] { return engines_of(source.val_dataloader()); },
          .test = [&source] { return engines_of(source.test_dataloader()); },
          .predict = [&source] { return engines_of(source.predict_dataloader()); },
          .served = true};
}
template <class L>
AnyFunction<Engines()> request_of(const L& loaders) {
  return [loaders] { return engines_of(loaders); };
}
/// The same request, which refuses to serve several loaders where one list of predictions was asked for.
AnyFunction<Engines()> only_loader(AnyFunction<Engines()> request);
}  // namespace detail

/// A DataLoader, or a vector of them.
template <class T>
concept IsLoader = detail::is_loader<std::remove_cvref_t<T>>;
template <class D>
concept IsDataModule = std::derived_from<D, AnyDataModule>;

/// Runs the loops: fit, validate, test and predict. Hooks, their order, and the meaning of options are those of
/// Lightning 2.6; `explain()` prints them for this trainer.
///
///     Trainer trainer({.max_epochs = 20, .gradient_clip_val = 1.0});
///     trainer.fit(model, train_loader, val_loader);
///     std::vector<Tensor> prices = trainer.predict(model, new_houses);
class Trainer {
 public:
  /// Throws E016 when an option is out of range or options contradict each other.
  explicit Trainer(TrainerOptions options = {});
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // --- fit: trains ---------------------------------------------------------------------------------------------------
  template <class M, IsLoader Train>
  void fit(M& module, const Train& train, const FitOptions& options = {}) {
    if constexpr (detail::check_module<M>() && detail::check_loaders<M, Train>()) {
      fit_requests(module, {.train = detail::request_of(train)}, options);
    }
  }
  template <class M, IsLoader Train, IsLoader Val>
  void fit(M& module, const Train& train, const Val& val, const FitOptions& options = {}) {
    if constexpr (detail::check_module<M>() && detail::check_loaders<M, Train, Val>()) {
      fit_requests(module, {.train = detail::request_of(train), .val = detail::request_of(val)}, options);
    }
  }
  /// With the loaders that the module itself serves.
  template <class M>
  void fit(M& module, const FitOptions& options = {}) {
    if constexpr (detail::check_module<M>()) fit_requests(module, detail::requests_of(module), options);
  }
  template <class M, IsDataModule D>
  void fit(M& module, D& data, const FitOptions& options = {}) {
    if constexpr (detail::check_module<M>() && detail::check_loaders<M, D>()) {
      fit_requests(module, with(data), options);
    }
  }

  template <class M, class L>
  requires(!IsLoader<L> && !IsDataModule<L> && !std::same_as<L, FitOptions>) void fit(M&, const L&,
                                                                                      const FitOptions& = {}) {
    static_assert(sizeof(L) == 0, "fit() takes a DataLoader, a vector of them, or a DataModule");
  }

  // --- validate, test: metrics, one entry per loader
  // -------------------------------------------------------------------
  template <class M, IsLoader L>
  std::vector<Metrics> validate(M& module, const L& loaders, const RunOptions& options = {}) {
    detail::check_loaders<M, L>();
    return evaluate_requests(Stage::Validate, module, {.val = detail::request_of(loaders)}, options);
  }
  template <class M>
  std::vector<Metrics> validate(M& module, const RunOptions& options = {}) {
    return evaluate_requests(Stage::Validate, module, detail::requests_of(module), options);
  }
  template <class M, IsDataModule D>
  std::vector<Metrics> validate(M& module, D& data, const RunOptions& options = {}) {
    return evaluate_requests(Stage::Validate, module, with(data), options);
  }
  template <class M, IsLoader L>
  std::vector<Metrics> test(M& module, const L& loaders, const RunOptions& options = {}) {
    detail::check_loaders<M, L>();
    return evaluate_requests(Stage::Test, module, {.test = detail::request_of(loaders)}, options);
  }
  template <class M>
  std::vector<Metrics> test(M& module, const RunOptions& options = {}) {
    return evaluate_requests(Stage::Test, module, detail::requests_of(module), options);
  }
  template <class M, IsDataModule D>
  std::vector<Metrics> test(M& module, D& data, const RunOptions& options = {}) {
    return evaluate_requests(Stage::Test, module, with(data), options);
  }

  // --- predict: what predict_step gives, on the CPU
  // --------------------------------------------------------------------
  /// One element per batch, in order.
  template <class M, class B>
  std::vector<typename M::Prediction> predict(M& module, const data::DataLoader<B>& loader,
                                              const RunOptions& options = {}) {
    detail::check_loaders<M, data::DataLoader<B>>();
    auto nested = predict_requests(module, {.predict = detail::request_of(loader)}, options);
    return nested.empty() ? std::vector<typename M::Prediction>() : std::move(nested[0]);
  }
  /// Several loaders: a list per loader, also when there is only one.
  template <class M, class B>
  std::vector<std::vector<typename M::Prediction>> predict(M& module, const std::vector<data::DataLoader<B>>& loaders,
                                                           const RunOptions& options = {}) {
    detail::check_loaders<M, data::DataLoader<B>>();
    return predict_requests(module, {.predict = detail::request_of(loaders)}, options);
  }
  /// The loader of the module itself, or of a data module: one element per batch. It is an error if there are several.
  template <class M>
  std::vector<typename M::Prediction> predict(M& module, const RunOptions& options = {}) {
    return predict_only_loader(module, detail::requests_of(module), options);
  }
  template <class M, IsDataModule D>
  std::vector<typename M::Prediction> predict(M& module, D& data, const RunOptions& options = {}) {
    return predict_only_loader(module, with(data), options);
  }
  /// However many loaders the module or the data module serves: a list per loader.
  template <class M>
  std::vector<std::vector<typename M::Prediction>> predict_by_loader(M& module, const RunOptions& options = {}) {
    return predict_requests(module, detail::requests_of(module), options);
  }
  template <class M, IsDataModule D>
  std::vector<std::vector<typename M::Prediction>> predict_by_loader(M& module, D& data,
                                                                     const RunOptions& options = {}) {
    return predict_requests(module, with(data), options);
  }
  /// Hands every prediction to `sink` and keeps none: constant memory. The sink takes (prediction), or (prediction,
  /// batch_idx, dataloader_idx); if it returns bool, false stops the run.
  template <class M, IsLoader L, class Sink>
  requires(
      std::invocable<Sink&, typename M::Prediction> ||
      std::invocable<Sink&, typename M::Prediction, int64_t, int64_t>) void predict(M& module, const L& loaders,
                                                                                    Sink&& sink,
                                                                                    const RunOptions& options = {}) {
    detail::check_loaders<M, L>();
    StepsOf<M> steps(module, [&sink](typename M::Prediction prediction, int64_t i, int64_t loader) {
      auto call = [&]() -> decltype(auto) {
        if constexpr (std::invocable<Sink&, typename M::Prediction>) {
          return sink(std::move(prediction));
        } else {
          return sink(std::move(prediction), i, loader);
        }
      };
      if constexpr (std::same_as<decltype(call()), bool>) {
        return call();
      } else {
        call();
        return true;
      }
    });
    run_predict(steps, {.predict = detail::request_of(loaders)}, options);
  }

  // --- state
  // -----------------------------------------------------------------------------------------------------------
  const TrainerOptions& options() const;
  /// Epochs completed, and optimizer steps taken.
  int64_t current_epoch() const;
  int64_t global_step() const;
  /// What callbacks, loggers and the progress bar see: the newest value of everything that was logged.
  const Metrics& callback_metrics() const;
  const Metrics& logged_metrics() const;
  const Metrics& progress_bar_metrics() const;
  /// The run that is under way: which entry point, and whether it validates inside of fit, or before it.
  Stage stage() const;
  bool is_running() const;
  bool validating() const;
  bool sanity_checking() const;
  /// Whether a validation of this fit has seen a batch.
  bool has_validated() const;
  /// Whether the batch under way is its epoch's last.
  bool is_last_batch() const;
  /// The batch under way in its epoch, and how many the epoch has (-1 if its loader does not know).
  int64_t batch_idx() const;
  int64_t num_training_batches() const;
  /// Batches of each loader that this fit's validations see (its sanity check, `test`, `predict`), limits applied.
  std::vector<int64_t> num_val_batches() const;
  std::vector<int64_t> num_sanity_val_batches() const;
  std::vector<int64_t> num_test_batches() const;
  std::vector<int64_t> num_predict_batches() const;
  /// Samples of the batch under way, as the loader counts them.
  std::span<const int64_t> batch_indices() const;
  /// Optimizer steps of the whole fit; -1 if nobody knows.
  int64_t estimated_stepping_batches() const;
  /// Set by callbacks to end the fit after the current batch.
  bool should_stop() const;
  void set_should_stop(bool stop);
  /// Whether Ctrl-C (or a TERM signal) ended the last run early. The step under way was finished and, in fit, a
  /// checkpoint "interrupted.ckpt" written.
  bool interrupted() const;
  /// The first optimizer of the fit that is under way (null if there is none), and all of them with their schedulers.
  optim::Optimizer* optimizer() const;
  Optimizers& optimizers() const;
  /// Batches whose gradients make one optimizer step; callbacks may change it between epochs.
  int64_t accumulate_grad_batches() const;
  void set_accumulate_grad_batches(int64_t batches);
  /// Whether the step under way has a row in the log; and how many steps the log has seen.
  bool logs_this_step() const;
  int64_t logged_steps() const;
  /// Puts a value where EarlyStopping and ModelCheckpoint look, without logging it.
  void add_callback_metric(std::string_view name, double value);
  /// -1 for no limit.
  int64_t max_epochs() const;
  /// The checkpoint that this fit goes on from; empty if it is a new one.
  const std::string& ckpt_path() const;
  const std::vector<std::shared_ptr<Callback>>& callbacks() const;
  /// The first ModelCheckpoint; null if there is none.
  ModelCheckpoint* checkpoint_callback() const;
  const std::vector<std::shared_ptr<Logger>>& loggers() const;
  /// Where logs and checkpoints of this run go.
  std::string log_dir() const;

  /// Writes the state of the run, from which `fit(..., {.ckpt_path = path})` goes on with the same bits.
  void save_checkpoint(const std::string& path, bool weights_only = false);
  /// The hooks of a fit, in order, under this trainer's options.
  std::string explain() const;
  /// Writes a line to standard error without tearing the progress bar.
  void print(std::string_view line);

 private:
  friend class AnyLightningModule;
  friend class LightningOptimizer;
  friend class Tuner;
  friend class LearningRateFinder;
  friend class BatchSizeFinder;
  friend class ModelSummary;
  friend class PredictionWriter;
  friend class StochasticWeightAveraging;
  friend struct Run;

  template <class D>
  static LoaderRequests with(D& data) {
    LoaderRequests requests = detail::requests_of(data);
    requests.data_module = &data;
    requests.data_module_fields = detail::tunables_of(data);
    requests.data_module_transfers = detail::transfer_overrides<D, DataModule<typename D::Batch>>();
    return requests;
  }
  template <class M>
  static void use_transfers(StepsOf<M>& steps, const LoaderRequests& requests) {
    if (const TransferOverrides& t = requests.data_module_transfers; t.before || t.move || t.after) {
      steps.transfer_with(static_cast<DataModule<typename M::Batch>&>(*requests.data_module), t);
    }
  }
  // Inlined, so that a user's step is three frames below fit(): run_fit, StepsOf, the step.
  template <class M>
  [[gnu::always_inline]] void fit_requests(M& module, const LoaderRequests& requests, const FitOptions& options) {
    if constexpr (detail::check_trainable<M>()) {
      StepsOf<M> steps(module);
      use_transfers(steps, requests);
      run_fit(steps, requests, options);
    }
  }
  template <class M>
  std::vector<Metrics> evaluate_requests(Stage stage, M& module, const LoaderRequests& requests,
                                         const RunOptions& options) {
    detail::check_module<M>();
    StepsOf<M> steps(module);
    use_transfers(steps, requests);
    return run_evaluation(stage, steps, requests, options);
  }
  template <class M>
  std::vector<typename M::Prediction> predict_only_loader(M& module, LoaderRequests requests,
                                                          const RunOptions& options) {
    requests.predict = detail::only_loader(std::move(requests.predict));
    auto lists = predict_requests(module, requests, options);
    return lists.empty() ? std::vector<typename M::Prediction>() : std::move(lists[0]);
  }
  template <class M>
  std::vector<std::vector<typename M::Prediction>> predict_requests(M& module, const LoaderRequests& requests,
                                                                    const RunOptions& options) {
    detail::check_module<M>();
    std::vector<std::vector<typename M::Prediction>> all;
    StepsOf<M> steps(module, [&all](typename M::Prediction prediction, int64_t, int64_t loader) {
      if (static_cast<size_t>(loader) >= all.size()) all.resize(static_cast<size_t>(loader) + 1);
      all[static_cast<size_t>(loader)].push_back(std::move(prediction));
      return true;
    });
    use_transfers(steps, requests);
    const size_t loaders = run_predict(steps, requests, options);
    all.resize(loaders);
    return all;
  }
  void run_fit(ModuleSteps& steps, const LoaderRequests& requests, const FitOptions& options);
  std::vector<Metrics> run_evaluation(Stage stage, ModuleSteps& steps, const LoaderRequests& requests,
                                      const RunOptions& options);
  /// Returns the number of loaders.
  size_t run_predict(ModuleSteps& steps, const LoaderRequests& requests, const RunOptions& options);

  std::unique_ptr<Run> run_;
};

/// Batches of predictions as one: tensors joined along dimension 0, structs member by member.
template <class P>
P concat(const std::vector<P>& predictions) {
  return data::join_batches(std::span<const P>(predictions));
}

/// Seeds every random stream that training draws from.
void seed_everything(uint64_t seed);

/// What is drawn at random while it exists leaves no trace: afterwards the default streams are where they were.
class IsolateRng {
 public:
  IsolateRng();
  ~IsolateRng();
  IsolateRng(const IsolateRng&) = delete;
  IsolateRng& operator=(const IsolateRng&) = delete;

 private:
  std::vector<std::vector<uint64_t>> states_;  // of the CPU, and of each CUDA device
};

}  // namespace fulmen::trainer
