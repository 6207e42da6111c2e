#pragma once
#include <fulmen/trainer/callback.h>

#include <map>

namespace fulmen::trainer {

/// Changes accumulate_grad_batches with the epoch: `{{0, 8}, {4, 4}, {8, 1}}` accumulates 8 batches in epochs 0 to 3,
/// then 4, and from epoch 8 on none. Before the first epoch that is named: 1. Not together with
/// TrainerOptions::accumulate_grad_batches, nor with manual optimization (E016).
class GradientAccumulationScheduler : public Callback {
 public:
  explicit GradientAccumulationScheduler(std::map<int64_t, int64_t> scheduling);
  void on_train_start(Trainer&, Module&) override;
  void on_train_epoch_start(Trainer&, Module&) override;

 private:
  std::map<int64_t, int64_t> scheduling_;  // first epoch -> batches
};

}  // namespace fulmen::trainer
