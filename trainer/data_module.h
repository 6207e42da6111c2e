#pragma once
#include <fulmen/data/batch.h>
#include <fulmen/data/loader.h>
#include <fulmen/trainer/fields.h>
#include <fulmen/trainer/hooks.h>

#include <concepts>
#include <cstddef>
#include <exception>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// The part of a DataModule that does not depend on the type of its batches.
struct AnyDataModule {
  virtual ~AnyDataModule() = default;
  virtual void prepare_data() {}
  virtual void setup(Stage) {}
  virtual void teardown(Stage) {}
  virtual void on_exception(const std::exception&) {}
  /// What a resumed run needs back, as JSON; empty for nothing.
  virtual std::string state_dict() const { return {}; }
  virtual void load_state_dict(const std::string& /*json*/) {}

  /// Remembers hyperparameters (a struct with `fields`) for logs and checkpoints, and returns them:
  /// `explicit Houses(Hparams h) : hp(save_hyperparameters(h)) {}`; load_from_checkpoint<Houses>(path) then builds it.
  template <HasFields H>
  H save_hyperparameters(H hparams) {
    hparams_ = fields_to_json(hparams);
    return hparams;
  }
  /// JSON of what save_hyperparameters was given; "{}" without.
  const std::string& hparams() const { return hparams_; }

 private:
  std::string hparams_ = "{}";
};

template <class B>
struct DatasetsModule;

/// Data apart from the model: download, split and serve it in one place, for any model of the same Batch.
template <class B = data::Example<>>
struct DataModule : AnyDataModule {
  using Batch = B;
  using Loader = data::DataLoader<B>;

  virtual Loader train_dataloader() { return {}; }
  virtual std::vector<Loader> val_dataloader() { return {}; }
  virtual std::vector<Loader> test_dataloader() { return {}; }
  virtual std::vector<Loader> predict_dataloader() { return {}; }

  /// Between the loader and the step. One that is overridden here is called instead of the module's.
  virtual B on_before_batch_transfer(B batch, int64_t /*dataloader_idx*/) { return batch; }
  virtual B transfer_batch_to_device(B batch, Device device, int64_t /*dataloader_idx*/) {
    return data::to_device(std::move(batch), device);
  }
  virtual B on_after_batch_transfer(B batch, int64_t /*dataloader_idx*/) { return batch; }

  /// Of datasets as DataLoader takes them, nullptr for none, and vectors of them where there may be several loaders;
  /// training is shuffled. `auto data = DataModule<>::from_datasets(train, val, nullptr, nullptr, {.batch_size = 32});`
  template <class Train = std::nullptr_t, class Val = std::nullptr_t, class Test = std::nullptr_t,
            class Predict = std::nullptr_t>
  static DatasetsModule<B> from_datasets(Train train = {}, Val val = {}, Test test = {}, Predict predict = {},
                                         const data::LoaderOptions& options = {});
};

/// What from_datasets gives.
template <class B>
struct DatasetsModule : DataModule<B> {
  using Loader = typename DataModule<B>::Loader;

  Loader train;
  std::vector<Loader> val, test, predict;

  Loader train_dataloader() override { return train; }
  std::vector<Loader> val_dataloader() override { return val; }
  std::vector<Loader> test_dataloader() override { return test; }
  std::vector<Loader> predict_dataloader() override { return predict; }
};

namespace detail {
template <class B>
std::vector<data::DataLoader<B>> loaders_of(std::nullptr_t, const data::LoaderOptions&) {
  return {};
}
template <class B, class D>
std::vector<data::DataLoader<B>> loaders_of(D dataset, const data::LoaderOptions& options) {
  return {data::DataLoader<B>(std::move(dataset), options)};
}
template <class B, class D>
std::vector<data::DataLoader<B>> loaders_of(std::vector<D> datasets, const data::LoaderOptions& options) {
  std::vector<data::DataLoader<B>> loaders;
  for (D& dataset : datasets) loaders.emplace_back(std::move(dataset), options);
  return loaders;
}
}  // namespace detail

template <class B>
template <class Train, class Val, class Test, class Predict>
DatasetsModule<B> DataModule<B>::from_datasets(Train train, Val val, Test test, Predict predict,
                                               const data::LoaderOptions& options) {
  DatasetsModule<B> module;
  if constexpr (!std::same_as<Train, std::nullptr_t>) {
    data::LoaderOptions shuffled = options;
    module.train = Loader(std::move(train), options);
    shuffled.shuffle = module.train.engine().source()->samples().has_value();  // a stream has its own order
    if (shuffled.shuffle) module.train = module.train.with(shuffled);
  }
  module.val = detail::loaders_of<B>(std::move(val), options);
  module.test = detail::loaders_of<B>(std::move(test), options);
  module.predict = detail::loaders_of<B>(std::move(predict), options);
  return module;
}

}  // namespace fulmen::trainer
