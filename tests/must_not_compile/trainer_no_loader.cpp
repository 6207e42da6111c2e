// expect: fit() takes a DataLoader, a vector of them, or a DataModule
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch& batch, int64_t) override { return batch.data; }
  trainer::Optimizers configure_optimizers() override { return {}; }
};

void fit(trainer::Trainer& trainer, Net& net) { trainer.fit(net, 3); }
