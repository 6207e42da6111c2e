#pragma once
#include <fulmen/nn/ordered_dict.h>
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/optimizers.h>

#include <optional>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// A second set of weights, the average of those the optimizer has passed. Validation sees the averages, checkpoints
/// hold them as the model's weights (and the optimizer's own beside them), and at the end of the fit the model gets
/// them. Derived classes say when and how to average.
class WeightAveraging : public Callback {
 public:
  explicit WeightAveraging(bool use_buffers = true) : use_buffers_(use_buffers) {}

  /// How often update() has been called.
  int64_t updates() const { return updates_; }

  void setup(Trainer&, Module&, Stage) override;
  void on_fit_start(Trainer&, Module&) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_train_end(Trainer&, Module&) override;
  void on_validation_epoch_start(Trainer&, Module&) override;
  void on_validation_epoch_end(Trainer&, Module&) override;
  void on_exception(Trainer&, Module&, const std::exception&) override;
  void on_save_checkpoint(Trainer&, Module&, Checkpoint&) override;
  void on_load_checkpoint(Trainer&, Module&, const Checkpoint&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;

 protected:
  /// After optimizer step `step` (from 0), after epoch `epoch`: is it time to average?
  virtual bool due_after_step(int64_t step) const = 0;
  virtual bool due_after_epoch(int64_t epoch) const = 0;
  /// Moves an average towards a value; `updates` averages have been made before, at least one.
  virtual void average(Tensor& average, const Tensor& value, int64_t updates) const = 0;

 private:
  bool in_use(const Trainer& trainer) const;
  void start(Module& module);
  void update(Module& module);
  void swap(Module& module);

  const bool use_buffers_;
  OrderedDict<std::string, Tensor> averages_{"Average"};
  int64_t updates_ = 0, last_step_ = 0, last_epoch_ = -1;
  bool swapped_ = false;  ///< validation is under way: the model holds the averages, and averages_ its weights
};

struct EMAWeightAveragingOptions {
  /// average = decay * average + (1 - decay) * weight
  double decay = 0.999;
  bool use_buffers = true;
  int64_t update_every_n_steps = 1;
  /// Averaging begins at this step; with update_starting_at_epoch, also at the end of every epoch from that one on.
  std::optional<int64_t> update_starting_at_step = {};
  std::optional<int64_t> update_starting_at_epoch = {};
};

/// Exponential moving average of the weights (Polyak and Juditsky 1992, in its usual form).
class EMAWeightAveraging : public WeightAveraging {
 public:
  explicit EMAWeightAveraging(EMAWeightAveragingOptions options = {});

 protected:
  bool due_after_step(int64_t step) const override;
  bool due_after_epoch(int64_t epoch) const override;
  void average(Tensor& average, const Tensor& value, int64_t updates) const override;

 private:
  EMAWeightAveragingOptions options_;
};

}  // namespace fulmen::trainer
