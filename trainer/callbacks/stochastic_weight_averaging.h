#pragma once
#include <fulmen/nn/ordered_dict.h>
#include <fulmen/optim/schedulers/swa.h>
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/options.h>

#include <string>
#include <vector>

namespace fulmen::trainer {

struct StochasticWeightAveragingOptions {
  /// The learning rate while averages are taken: one, or one per parameter group.
  std::vector<double> swa_lrs = {};
  /// The epoch from which weights are averaged, counted from 1, or its fraction of max_epochs.
  Amount swa_epoch_start = 0.8;
  /// Epochs in which the learning rate goes to swa_lrs, and how.
  int64_t annealing_epochs = 10;
  optim::SWALR::Anneal annealing_strategy = optim::SWALR::Anneal::Cosine;
};

/// Averages the weights at the start of each of the last epochs, under a constant learning rate, and gives the mean to
/// the model at the end of the fit (Izmailov et al. 2018). From its first epoch on its schedule replaces the module's,
/// of which there may be one. If the model has batch norm, an epoch more follows, without learning, in which its
/// statistics become those of the averaged weights.
class StochasticWeightAveraging : public Callback {
 public:
  explicit StochasticWeightAveraging(StochasticWeightAveragingOptions options);

  void on_fit_start(Trainer&, Module&) override;
  void on_train_epoch_start(Trainer&, Module&) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_train_end(Trainer&, Module&) override;
  void on_exception(Trainer&, Module&, const std::exception&) override;
  void teardown(Trainer&, Module&, Stage) override;
  void on_save_checkpoint(Trainer&, Module&, Checkpoint&) override;
  void on_load_checkpoint(Trainer&, Module&, const Checkpoint&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;

 private:
  void install_schedule(Trainer& trainer);
  void update(Module& module);
  void transfer(Module& module) const;
  void begin_statistics(Trainer& trainer, Module& module);
  void end_statistics(Trainer& trainer, Module& module);
  void take_back_epoch(Trainer& trainer, Module& module);

  StochasticWeightAveragingOptions options_;
  int64_t first_epoch_ = 0, last_epoch_ = 0;  // counted from 0; -1: no end
  int64_t averaged_ = 0, latest_epoch_ = -1;
  bool scheduled_ = false, resumed_ = false;
  bool epoch_more_ = false;                     ///< the fit has one epoch more, for statistics
  int64_t window_before_ = 0;                   ///< while that epoch runs: accumulate_grad_batches
  std::vector<std::optional<double>> momenta_;  ///< and the batch norms' own
  OrderedDict<std::string, Tensor> averages_{"Average"};
};

}  // namespace fulmen::trainer
