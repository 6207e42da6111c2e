#include <fulmen/nn/utils/clip_grad.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/lightning_module.h>
#include <fulmen/trainer/metric_book.h>
#include <fulmen/trainer/run.h>

namespace fulmen::trainer {

AnyLightningModule::~AnyLightningModule() = default;

Optimizers AnyLightningModule::configure_optimizers() { return {}; }

void AnyLightningModule::optimizer_step(int64_t, int64_t, optim::Optimizer& optimizer,
                                        const optim::Optimizer::LossClosure& closure) {
  optimizer.step(closure);
}

void AnyLightningModule::optimizer_zero_grad(int64_t, int64_t, optim::Optimizer& optimizer) { optimizer.zero_grad(); }

void AnyLightningModule::backward(const Tensor& loss) { loss.backward(); }

void AnyLightningModule::configure_gradient_clipping(optim::Optimizer& optimizer, std::optional<double> clip_val,
                                                     ClipAlgorithm algorithm) {
  clip_gradients(optimizer, clip_val, algorithm);
}

void AnyLightningModule::clip_gradients(optim::Optimizer& optimizer, std::optional<double> clip_val,
                                        ClipAlgorithm algorithm) {
  const std::optional<double> of_trainer = trainer_ ? trainer_->options().gradient_clip_val : std::nullopt;
  if (clip_val && of_trainer && *clip_val != *of_trainer) {
    throw Error("E016", str("clip_gradients: ", *clip_val, ", and the trainer's gradient_clip_val is ", *of_trainer),
                "give one of the two");
  }
  if (!clip_val || *clip_val <= 0) return;
  std::vector<Tensor> parameters;
  for (const auto& group : optimizer.param_groups()) {
    parameters.insert(parameters.end(), group.params().begin(), group.params().end());
  }
  if (algorithm == ClipAlgorithm::Norm && !parameters.empty() && parameters[0].is_cuda()) {
    nn::utils::clip_grad_norm_on_device_(parameters, *clip_val);
  } else if (algorithm == ClipAlgorithm::Norm) {
    nn::utils::clip_grad_norm_(parameters, *clip_val);
  } else {
    nn::utils::clip_grad_value_(parameters, *clip_val);
  }
}

void AnyLightningModule::lr_scheduler_step(const Optimizers::Scheduled& scheduled, std::optional<double> metric) {
  scheduled.step(metric);
}

void AnyLightningModule::remember_modes() {
  modes_.clear();
  apply([this](nn::Module& module) { modes_.emplace_back(&module, module.is_training()); });
}

void AnyLightningModule::restore_modes() {
  // Children before parents: train() reaches everything below, so the order of apply() ends with the right values.
  for (const auto& [module, training] : modes_) module->train(training);
  modes_.clear();
}

void AnyLightningModule::on_validation_model_zero_grad() { zero_grad(); }
void AnyLightningModule::on_validation_model_eval() { eval(); }
void AnyLightningModule::on_validation_model_train() { restore_modes(); }
void AnyLightningModule::on_test_model_eval() { eval(); }
void AnyLightningModule::on_test_model_train() { restore_modes(); }
void AnyLightningModule::on_predict_model_eval() { eval(); }
void AnyLightningModule::on_predict_model_train() { restore_modes(); }

void AnyLightningModule::log(std::string_view name, double value, const LogOptions& options) {
  if (!metrics_) return log_unattached(name);
  if (metrics_->deferred) {
    metrics_->deferred->push_back({std::string(name), Tensor(), value, options, metrics_->site});
    return;
  }
  metrics_->log(name, value, options);
}

void AnyLightningModule::log(std::string_view name, const Tensor& value, const LogOptions& options) {
  if (!metrics_) return log_unattached(name);
  if (!value.defined() || value.numel() != 1) {
    throw Error("E012", str("log: \"", name, "\" needs one element; got ", value),
                str("log(\"", name, "\", value.mean()), or log the parts under names of their own"));
  }
  if (metrics_->deferred) {
    metrics_->deferred->push_back({std::string(name), value.detach(), 0, options, metrics_->site});
    return;
  }
  // The number is read in place: no tensor is made for a logged value.
  const void* data = value.is_cpu() ? value.const_data_ptr() : nullptr;
  if (data && value.scalar_type() == kFloat) return metrics_->log(name, *static_cast<const float*>(data), options);
  if (data && value.scalar_type() == kDouble) return metrics_->log(name, *static_cast<const double*>(data), options);
  metrics_->log(name, value.detach().item().toDouble(), options);
}

void AnyLightningModule::log(std::string_view name, metric::Metric& metric, const LogOptions& options) {
  if (!metrics_) return log_unattached(name);
  metrics_->log(name, metric, options);
}

void AnyLightningModule::log_dict(const Dict& values, const LogOptions& options) {
  for (const auto& [name, value] : values) log(name, value, options);
}

void AnyLightningModule::log_dict(const Metrics& values, const LogOptions& options) {
  for (const auto& [name, value] : values) log(name, value, options);
}

void AnyLightningModule::log_unattached(std::string_view name) {
  static thread_local bool warned = false;
  if (!std::exchange(warned, true)) {
    warn(str("log(\"", name, "\") has no effect: ",
             trainer_ ? "the trainer is barebones" : "this module is not being run by a trainer"));
  }
}

void AnyLightningModule::print(std::string_view line) const { trainer().print(line); }

Trainer& AnyLightningModule::trainer() const {
  FULMEN_CHECK(trainer_, "this module is not being run by a trainer");
  return *trainer_;
}

int64_t AnyLightningModule::current_epoch() const { return trainer_ ? trainer_->current_epoch() : 0; }
int64_t AnyLightningModule::global_step() const { return trainer_ ? trainer_->global_step() : 0; }

LightningOptimizer AnyLightningModule::optimizer(int64_t index) const {
  const Optimizers& all = trainer().optimizers();
  FULMEN_CHECK(!all.empty(), "there is no optimizer: it exists while fit() runs, if configure_optimizers() gives one");
  FULMEN_CHECK(index >= 0 && static_cast<size_t>(index) < all.size(), "there is no optimizer ", index, ": there are ",
               all.size());
  return LightningOptimizer(trainer(), all[static_cast<size_t>(index)]);
}

std::vector<LightningOptimizer> AnyLightningModule::optimizers() const {
  std::vector<LightningOptimizer> list;
  for (const auto& optimizer : trainer().optimizers().all()) list.emplace_back(trainer(), *optimizer);
  return list;
}

const std::vector<StepOutput>& AnyLightningModule::step_outputs() const {
  return evaluating_ ? evaluation_outputs_ : training_outputs_;
}

const std::vector<Optimizers::Scheduled>& AnyLightningModule::lr_schedulers() const {
  return trainer().optimizers().schedulers();
}

void AnyLightningModule::manual_backward(const Tensor& loss) {
  if (automatic_optimization) {
    throw Error("E016", "manual_backward: the trainer runs backward itself",
                "set automatic_optimization = false in the module's constructor");
  }
  trainer().run_->backward(loss);
}

void AnyLightningModule::toggle_optimizer(const optim::Optimizer& optimizer) {
  auto owns = [](const optim::Optimizer& owner, const Tensor& parameter) {
    for (const auto& group : owner.param_groups()) {
      for (const Tensor& own : group.params()) {
        if (own.unsafeGetTensorImpl() == parameter.unsafeGetTensorImpl()) return true;
      }
    }
    return false;
  };
  untoggle_optimizer();
  for (const auto& other : trainer().optimizers().all()) {
    for (const auto& group : other->param_groups()) {
      for (Tensor parameter : group.params()) {
        if (!parameter.requires_grad() || owns(optimizer, parameter)) continue;
        parameter.requires_grad_(false);
        toggled_.push_back(parameter);
      }
    }
  }
}

void AnyLightningModule::untoggle_optimizer() {
  for (Tensor& parameter : toggled_) parameter.requires_grad_(true);
  toggled_.clear();
}

Device AnyLightningModule::device() const {
  const std::vector<Tensor> all = parameters();
  return all.empty() ? Device(kCPU) : all[0].device();
}

ScalarType AnyLightningModule::dtype() const {
  const std::vector<Tensor> all = parameters();
  return all.empty() ? kFloat : all[0].scalar_type();
}

Logger* AnyLightningModule::logger() const {
  const auto& loggers = trainer().loggers();
  return loggers.empty() ? nullptr : loggers[0].get();
}

void AnyLightningModule::freeze() {
  for (Tensor& parameter : parameters()) parameter.requires_grad_(false);
  eval();
}

void AnyLightningModule::unfreeze() {
  for (Tensor& parameter : parameters()) parameter.requires_grad_(true);
  train();
}

void AnyLightningModule::add_transform(std::string name, std::shared_ptr<data::Preprocessor> transform) {
  for (const RegisteredTransform& other : transforms_) {
    FULMEN_CHECK(other.name != name, "register_transform: there is a transform \"", name, "\" already");
  }
  transforms_.push_back({std::move(name), std::move(transform)});
}

}  // namespace fulmen::trainer
