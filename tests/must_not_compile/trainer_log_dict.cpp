// expect: log() takes a number, a Tensor of one element, or a metric
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  trainer::StepOutput training_step(const Batch& batch, int64_t) override {
    log("v", Dict{{"b", batch.data}});
    return batch.data;
  }
};
