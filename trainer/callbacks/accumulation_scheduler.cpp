#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/accumulation_scheduler.h>
#include <fulmen/trainer/trainer.h>

namespace fulmen::trainer {

GradientAccumulationScheduler::GradientAccumulationScheduler(std::map<int64_t, int64_t> scheduling)
    : scheduling_(std::move(scheduling)) {
  for (const auto& [epoch, batches] : scheduling_) {
    if (epoch >= 0 && batches >= 1) continue;
    throw Error("E016", str("GradientAccumulationScheduler: ", batches, " batches from epoch ", epoch),
                "epochs of 0 or more, batches of 1 or more");
  }
  scheduling_.emplace(0, 1);
}

void GradientAccumulationScheduler::on_train_start(Trainer& trainer, Module& module) {
  if (!module.automatic_optimization) {
    throw Error("E016", "GradientAccumulationScheduler: the module optimizes manually",
                "accumulate in its training_step, or set automatic_optimization = true");
  }
  if (trainer.options().accumulate_grad_batches != 1) {
    throw Error("E016", "accumulate_grad_batches is set, and there is a GradientAccumulationScheduler",
                "leave one of the two out");
  }
  // A resumed fit may be in the middle of an epoch; Lightning's then goes on without accumulation.
  if (!trainer.options().lightning_compatible) on_train_epoch_start(trainer, module);
}

void GradientAccumulationScheduler::on_train_epoch_start(Trainer& trainer, Module&) {
  trainer.set_accumulate_grad_batches(std::prev(scheduling_.upper_bound(trainer.current_epoch()))->second);
}

}  // namespace fulmen::trainer
