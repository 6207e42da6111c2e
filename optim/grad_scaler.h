#pragma once
#include <fulmen/optim/optimizer.h>

#include <vector>

namespace fulmen::optim {

/// Names and defaults are those of `torch.amp.GradScaler`.
struct GradScalerOptions {
  GradScalerOptions() = default;
  FULMEN_ARG(double, init_scale) = 65536;
  /// After growth_interval steps without an infinity.
  FULMEN_ARG(double, growth_factor) = 2;
  /// After a step with one.
  FULMEN_ARG(double, backoff_factor) = 0.5;
  FULMEN_ARG(int64_t, growth_interval) = 2000;
  /// Without, every member does what it would do without a scaler.
  FULMEN_ARG(bool, enabled) = true;
};

/// Keeps the small gradients of a float16 backward pass from becoming zero: the loss is multiplied by a large number,
/// the gradients are divided by it before the step, and a step whose gradients are not finite is left out.
///
///     scaler.scale(loss).backward();
///     scaler.unscale_(optimizer);   // only to look at or to clip gradients
///     scaler.step(optimizer);
///     scaler.update();
class GradScaler {
 public:
  explicit GradScaler(GradScalerOptions options = {});

  /// The loss times the scale.
  Tensor scale(const Tensor& loss) const;
  /// Divides the gradients of an optimizer by the scale; once per step.
  void unscale_(Optimizer& optimizer);
  /// The optimizer's step, unless a gradient is infinite or not a number; false when it was left out.
  bool step(Optimizer& optimizer);
  /// Whether `step` will take the step: unscales the gradients if that is still to be done.
  bool gradients_are_finite(Optimizer& optimizer);
  /// Adjusts the scale after the step of every optimizer, once per iteration.
  void update();

  bool is_enabled() const { return options_.enabled(); }
  double get_scale() const { return options_.enabled() ? scale_ : 1; }
  /// Steps since the scale last changed.
  int64_t growth_tracker() const { return growth_tracker_; }
  const GradScalerOptions& options() const { return options_; }
  /// What a resumed run needs back.
  void load_state(double scale, int64_t growth_tracker);

 private:
  enum class Stage : uint8_t { Unscaled, Stepped };
  struct Optimized {
    const Optimizer* optimizer;
    Stage stage;
    bool finite;
  };
  Optimized* find(const Optimizer& optimizer);
  Optimized& unscaled(Optimizer& optimizer);

  GradScalerOptions options_;
  double scale_;
  int64_t growth_tracker_ = 0;
  std::vector<Optimized> optimized_;  // since the last update
};

}  // namespace fulmen::optim
