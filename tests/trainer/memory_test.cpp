#include <doctest/doctest.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>

#include "small_model.h"
#include "tests/sanitized.h"

namespace fulmen::trainer::testing {
namespace {

/// Sanitizers keep freed memory aside, so their builds only show growth without bound.
constexpr int64_t allowed = fulmen::testing::sanitized ? 400 << 20 : 2 << 20;

/// Bytes of memory that this process has in use.
int64_t resident() {
  ::malloc_trim(0);
  int64_t size = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> size >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

class Doubling : public LightningModule<Tensor, Tensor> {
 public:
  Tensor predict_step(const Tensor& batch, int64_t, int64_t) override { return layer->forward(batch); }
  nn::Linear layer = register_module("layer", nn::Linear(4, 1));
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("predict with a sink: a million samples in constant memory") {
    constexpr int64_t samples = 1000000, batch_size = 250;
    const data::DataLoader<Tensor> loader(zeros({samples, 4}), {.batch_size = batch_size, .workers = 2});
    Doubling model;
    Trainer trainer(quiet(1));
    int64_t seen = 0, after_warm_up = 0, highest = 0;
    trainer.predict(model, loader, [&](const Tensor& prediction, int64_t batch, int64_t) {
      seen += prediction.size(0);
      if (batch == 400) after_warm_up = resident();
      if (batch > 400 && batch % 200 == 0) highest = std::max(highest, resident());
    });
    CHECK(seen == samples);
    CHECK(highest > 0);
    CHECK_MESSAGE(highest - after_warm_up < allowed, (highest - after_warm_up));
  }

  TEST_CASE("fit: many epochs in constant memory, with validation, checkpoints and a log") {
    TemporaryFolder folder;
    struct Watch : Callback {
      void on_train_epoch_start(Trainer& trainer, Module&) override {
        if (trainer.current_epoch() == 60) after_warm_up = resident();
        if (trainer.current_epoch() > 60 && trainer.current_epoch() % 20 == 0) highest = std::max(highest, resident());
      }
      int64_t after_warm_up = 0, highest = 0;
    };
    auto watch = std::make_shared<Watch>();
    TrainerOptions options = quiet(400);
    options.default_root_dir = folder.path();
    options.logger = true;
    options.log_every_n_steps = 1;
    options.callbacks = {watch, std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.every_n_epochs = 20})};
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer(options).fit(model, plane(true), plane(false));
    CHECK(watch->highest > 0);
    CHECK_MESSAGE(watch->highest - watch->after_warm_up < allowed, (watch->highest - watch->after_warm_up));
  }
}

}  // namespace fulmen::trainer::testing
