#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/callback.h>

#include <optional>
#include <string>
#include <vector>

namespace fulmen::trainer {

struct BackboneFinetuningOptions {
  /// The submodule that is frozen at first, by its path in the module.
  std::string backbone = "backbone";
  int64_t unfreeze_backbone_at_epoch = 10;
  /// The backbone's first rate: this, or else a share of the rate of the optimizer's first group.
  std::optional<double> backbone_initial_lr = {};
  double backbone_initial_ratio_lr = 0.1;
  /// By how much its rate grows in each later epoch.
  AnyFunction<double(int64_t)> lambda_func = [](int64_t) { return 2.0; };
  /// Once it has reached the first group's rate, it follows that.
  bool should_align = true;
  /// Whether batch norm in the frozen backbone still learns its scale and statistics.
  bool train_bn = true;
};

/// Trains the head of a model first and its backbone later, at a lower rate: until the epoch comes the backbone's
/// parameters require no gradient, then they become a group of their own in the optimizer. configure_optimizers leaves
/// them out: it gives the optimizer those parameters that require gradients.
class BackboneFinetuning : public Callback {
 public:
  explicit BackboneFinetuning(BackboneFinetuningOptions options = {});
  void setup(Trainer&, Module&, Stage) override;
  void on_fit_start(Trainer&, Module&) override;
  void on_train_epoch_start(Trainer&, Module&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;
  bool is_frozen() const { return !unfrozen_; }

 private:
  void unfreeze(Trainer& trainer, Module& module);
  BackboneFinetuningOptions options_;
  bool unfrozen_ = false, aligned_ = false;
  size_t group_ = 0;
};

}  // namespace fulmen::trainer
