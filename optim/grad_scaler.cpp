#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/optim/grad_scaler.h>
#include <fulmen/tensor/error.h>

namespace fulmen::optim {

GradScaler::GradScaler(GradScalerOptions options) : options_(std::move(options)), scale_(options_.init_scale()) {
  FULMEN_CHECK(options_.init_scale() > 0, "GradScaler: init_scale must be positive, got ", options_.init_scale());
  FULMEN_CHECK(options_.growth_factor() > 1, "GradScaler: growth_factor must be larger than 1, got ",
               options_.growth_factor());
  FULMEN_CHECK(options_.backoff_factor() > 0 && options_.backoff_factor() < 1,
               "GradScaler: backoff_factor must be between 0 and 1, got ", options_.backoff_factor());
  FULMEN_CHECK(options_.growth_interval() > 0, "GradScaler: growth_interval must be positive, got ",
               options_.growth_interval());
}

Tensor GradScaler::scale(const Tensor& loss) const { return options_.enabled() ? loss * scale_ : loss; }

GradScaler::Optimized* GradScaler::find(const Optimizer& optimizer) {
  for (Optimized& state : optimized_) {
    if (state.optimizer == &optimizer) return &state;
  }
  return nullptr;
}

GradScaler::Optimized& GradScaler::unscaled(Optimizer& optimizer) {
  if (Optimized* found = find(optimizer)) return *found;
  const NoGradGuard constant;
  Tensor infinite;  // on the device: one wait for all gradients
  for (OptimizerParamGroup& group : optimizer.param_groups()) {
    for (const Tensor& parameter : group.params()) {
      Tensor gradient = parameter.grad();
      if (!gradient.defined()) continue;
      FULMEN_CHECK(gradient.scalar_type() != kHalf,
                   "GradScaler: attempting to unscale FP16 gradients; keep the parameters in float32 and use Autocast");
      gradient.mul_(1 / scale_);
      const Tensor bad = gradient.isfinite().logical_not().any();
      infinite = infinite.defined() ? infinite.logical_or(bad.to(infinite.device())) : bad;
    }
  }
  const bool finite = !infinite.defined() || !infinite.item().toBool();
  return optimized_.emplace_back(Optimized{&optimizer, Stage::Unscaled, finite});
}

void GradScaler::unscale_(Optimizer& optimizer) {
  if (!options_.enabled()) return;
  FULMEN_CHECK(!find(optimizer),
               "GradScaler: unscale_() has already been called on this optimizer since the last update()");
  unscaled(optimizer);
}

bool GradScaler::gradients_are_finite(Optimizer& optimizer) {
  return !options_.enabled() || unscaled(optimizer).finite;
}

bool GradScaler::step(Optimizer& optimizer) {
  if (options_.enabled()) {
    Optimized& state = unscaled(optimizer);
    FULMEN_CHECK(state.stage != Stage::Stepped, "GradScaler: step() has already been called since the last update()");
    state.stage = Stage::Stepped;
    if (!state.finite) return false;
  }
  optimizer.step();
  return true;
}

void GradScaler::update() {
  if (!options_.enabled()) return;
  FULMEN_CHECK(!optimized_.empty(), "GradScaler: update() without a step() or unscale_() before it");
  bool finite = true;
  for (const Optimized& state : optimized_) finite = finite && state.finite;
  optimized_.clear();
  if (!finite) {
    scale_ *= options_.backoff_factor();
    growth_tracker_ = 0;
  } else if (++growth_tracker_ == options_.growth_interval()) {
    scale_ *= options_.growth_factor();
    growth_tracker_ = 0;
  }
}

void GradScaler::load_state(double scale, int64_t growth_tracker) {
  FULMEN_CHECK(scale > 0 && growth_tracker >= 0, "GradScaler: a state of scale ", scale, " and growth_tracker ",
               growth_tracker, " is not one");
  scale_ = scale;
  growth_tracker_ = growth_tracker;
}

}  // namespace fulmen::optim
