// expect: fit() needs an optimizer: override Optimizers configure_optimizers() in your module
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch& batch, int64_t) override { return batch.data; }
};

void fit(trainer::Trainer& trainer, Net& net, const data::DataLoader<>& loader) { trainer.fit(net, loader); }
