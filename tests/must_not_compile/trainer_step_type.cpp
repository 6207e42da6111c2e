// expect: a step returns its loss as a Tensor, a Dict that holds 'loss', or `skip`
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch&, int64_t) override { return 0.5; }
  trainer::Optimizers configure_optimizers() override { return {}; }
};
