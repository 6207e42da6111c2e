// expect: override
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  void training_epoch_end(const std::vector<trainer::StepOutput>&) override {}
};
