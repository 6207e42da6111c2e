// expect: configure_optimizers() returns an optimizer, several of them, or Optimizers with their schedulers
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::Optimizers configure_optimizers() override { return 3; }
};
