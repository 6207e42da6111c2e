// expect: the loader gives batches of another type than the model's Batch, LightningModule's first argument
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch& batch, int64_t) override { return batch.data; }
  trainer::Optimizers configure_optimizers() override { return {}; }
};

void fit(trainer::Trainer& trainer, Net& net, const data::DataLoader<Tensor>& loader) { trainer.fit(net, loader); }
