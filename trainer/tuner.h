#pragma once
#include <fulmen/trainer/callbacks/batch_size_finder.h>
#include <fulmen/trainer/callbacks/learning_rate_finder.h>
#include <fulmen/trainer/trainer.h>

namespace fulmen::trainer {

/// Looks for settings before a run, with everything the run would use; the model stays as it is, apart from the number
/// that was looked for.
///
///     Tuner tuner(trainer);
///     tuner.lr_find(model, houses);           // now model.hp.lr is set
///     tuner.scale_batch_size(model, houses);  // and houses.batch_size
///     trainer.fit(model, houses);
class Tuner {
 public:
  explicit Tuner(Trainer& trainer) : trainer_(trainer) {}

  /// What fit() takes: nothing (the model serves its loaders), loaders, or a data module. None in a fast_dev_run.
  template <class M>
  std::optional<LearningRateSweep> lr_find(M& module, const LearningRateFinderOptions& options = {}) {
    return find_lr(options, [&] { trainer_.fit(module); });
  }
  template <class M, class D>
  requires(IsLoader<D> || IsDataModule<std::remove_const_t<D>>) std::optional<LearningRateSweep> lr_find(
      M& module, D& data, const LearningRateFinderOptions& options = {}) {
    return find_lr(options, [&] { trainer_.fit(module, data); });
  }
  template <class M, IsLoader Train, IsLoader Val>
  std::optional<LearningRateSweep> lr_find(M& module, const Train& train, const Val& val,
                                           const LearningRateFinderOptions& options = {}) {
    return find_lr(options, [&] { trainer_.fit(module, train, val); });
  }

  /// The largest batch size that fits, for `method`; written to the model or the data module that has it.
  template <class M>
  std::optional<int64_t> scale_batch_size(M& module, const BatchSizeFinderOptions& options = {},
                                          Stage method = Stage::Fit) {
    return find_batch_size(options, [&] { run(method, module); });
  }
  template <class M, IsDataModule D>
  std::optional<int64_t> scale_batch_size(M& module, D& data, const BatchSizeFinderOptions& options = {},
                                          Stage method = Stage::Fit) {
    return find_batch_size(options, [&] { run(method, module, data); });
  }

 private:
  template <class M, class... D>
  void run(Stage method, M& module, D&... data) {
    if (method == Stage::Validate) {
      trainer_.validate(module, data...);
    } else if (method == Stage::Test) {
      trainer_.test(module, data...);
    } else if (method == Stage::Predict) {
      trainer_.predict(module, data...);
    } else if constexpr (requires { trainer_.fit(module, data...); }) {
      trainer_.fit(module, data...);
    }
  }
  std::optional<LearningRateSweep> find_lr(const LearningRateFinderOptions& options, const AnyFunction<void()>& fit);
  std::optional<int64_t> find_batch_size(const BatchSizeFinderOptions& options, const AnyFunction<void()>& run);
  /// Runs with one callback more.
  void run_with(const std::shared_ptr<Callback>& tuner, const AnyFunction<void()>& run);

  Trainer& trainer_;
};

}  // namespace fulmen::trainer
