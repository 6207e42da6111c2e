// expect: Dict
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch&, int64_t) override { return Dict{{"loss", 1.0}}; }
};
