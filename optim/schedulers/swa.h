#pragma once
#include <fulmen/optim/schedulers/lr_scheduler.h>

namespace fulmen::optim {

/// Brings the learning rates to a constant one in `anneal_epochs` steps, along a cosine or a line, and keeps them
/// there: the schedule of stochastic weight averaging (Izmailov et al. 2018).
class SWALR : public LRScheduler {
 public:
  enum class Anneal : uint8_t { Cosine, Linear };
  /// `swa_lrs`: one rate, or one per parameter group.
  SWALR(Optimizer& optimizer, std::vector<double> swa_lrs, int64_t anneal_epochs = 10, Anneal anneal = Anneal::Cosine);

 protected:
  std::vector<double> get_lrs() override;

 private:
  /// The share of the final rate after `steps`.
  double share(int64_t steps) const;

  std::vector<double> swa_lrs_;
  const int64_t anneal_epochs_;
  const Anneal anneal_;
};

}  // namespace fulmen::optim
