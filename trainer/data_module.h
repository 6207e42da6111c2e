#pragma once
#include <fulmen/data/batch.h>
#include <fulmen/data/loader.h>
#include <fulmen/trainer/hooks.h>

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
};

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
};

}  // namespace fulmen::trainer
