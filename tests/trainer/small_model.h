#pragma once
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/random.h>
#include <fulmen/data/transforms.h>
#include <fulmen/nn/nn.h>
#include <fulmen/optim/optim.h>
#include <fulmen/trainer/model_checkpoint.h>
#include <fulmen/trainer/trainer.h>

#include "recording.h"

namespace fulmen::trainer::testing {

/// A small regression with everything a checkpoint has to hold: dropout (random state), a transform, momentum.
class SmallModel : public LightningModule<Batch, Tensor> {
 public:
  struct Hparams {
    int64_t hidden = 8;
    double lr = 0.01, dropout = 0.2;
    std::string optimizer = "adamw";
    std::vector<int64_t> widths = {4, 5};
    void fields(auto&& f) {
      f("hidden", hidden), f("lr", lr), f("dropout", dropout), f("optimizer", optimizer), f("widths", widths);
    }
  };
  explicit SmallModel(Hparams h) : hp(save_hyperparameters(h)) {}

  Tensor forward(const Tensor& x) { return net->forward(x); }
  StepOutput training_step(const Batch& batch, int64_t) override {
    Tensor loss = (forward(batch.data) - target(batch.target)).square().mean();
    log("train_loss", loss, {.on_epoch = true, .prog_bar = true});
    return loss;
  }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    log("val_loss", (forward(batch.data) - target(batch.target)).square().mean());
    return {};
  }
  Tensor predict_step(const Batch& batch, int64_t, int64_t) override { return target.inverse(forward(batch.data)); }
  Optimizers configure_optimizers() override {
    if (hp.optimizer == "sgd") return optim::SGD(parameters(), optim::SGDOptions(hp.lr).momentum(0.9));
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr)))
        .schedule<optim::StepLR>({.interval = Interval::Step}, 3, 0.9);
  }

  Hparams hp;
  data::Standardize target = register_transform("target", data::Standardize());
  nn::Sequential net = register_module(
      "net", nn::Sequential(nn::Linear(3, hp.hidden), nn::ReLU(), nn::Dropout(hp.dropout), nn::Linear(hp.hidden, 1)));
};

/// 37 samples of a noisy plane.
inline data::DataLoader<Batch> plane(bool shuffle, int64_t batch_size = 5, int64_t samples = 37) {
  Generator stream(7);
  Tensor x = randn({samples, 3}, stream);
  Tensor y = x.sum(IntArrayRef({1}), true) * Scalar(2.0) + Scalar(3.0);
  return data::DataLoader<Batch>(Batch(x, y), {.batch_size = batch_size, .shuffle = shuffle});
}

/// All samples of it as one batch.
inline Batch whole_plane() {
  auto loader = plane(false, 37);
  Batch all;
  loader.begin_epoch();
  loader.next(all);
  return all;
}

/// A trainer that says nothing and writes nothing.
inline TrainerOptions quiet(int64_t max_epochs) {
  TrainerOptions options;
  options.max_epochs = max_epochs;
  options.enable_progress_bar = options.enable_model_summary = options.enable_checkpointing = options.logger = false;
  return options;
}

inline void fit_target(SmallModel& model) {
  Tensor all = empty({3});
  for (int i = 0; i < 3; ++i) all.data_ptr<float>()[i] = static_cast<float>(3 * i);
  model.target.fit(all);
}

}  // namespace fulmen::trainer::testing
