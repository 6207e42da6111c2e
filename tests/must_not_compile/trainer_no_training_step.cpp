// expect: fit() needs a training_step: override StepOutput training_step(const Batch&, int64_t) in your module
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::Optimizers configure_optimizers() override { return {}; }
};

void fit(trainer::Trainer& trainer, Net& net, const data::DataLoader<>& loader) { trainer.fit(net, loader); }
