// The program that the trainer_*.cpp beside it get wrong, right: it must compile.
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Net : trainer::LightningModule<data::Example<>, Tensor> {
  struct Hparams {
    double lr = 0.1;
    void fields(auto&& f) { f("lr", lr); }
  };
  trainer::StepOutput training_step(const Batch& batch, int64_t) override {
    log("loss", 0.5);
    return batch.data;
  }
  trainer::Optimizers configure_optimizers() override { return {}; }
};

void fit(trainer::Trainer& trainer, Net& net, const data::DataLoader<>& loader) { trainer.fit(net, loader); }
std::string json(Net::Hparams& hparams) { return trainer::fields_to_json(hparams); }
