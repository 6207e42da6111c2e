// expect: a step returns its loss as a Tensor, a Dict that holds 'loss', or `skip`
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput validation_step(const Batch&, int64_t, int64_t) override { return std::string("good"); }
};
