// expect: a step returns its loss as a Tensor, a Dict that holds 'loss', or `skip`
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch& batch, int64_t) override { return std::vector<Tensor>{batch.data}; }
  trainer::Optimizers configure_optimizers() override { return {}; }
};
