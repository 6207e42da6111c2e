#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/weight_averaging.h>
#include <fulmen/trainer/trainer.h>

#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

/// The optimizer's own weights in a checkpoint whose weights are averages.
constexpr char own_prefix[] = "own.";

OrderedDict<std::string, Tensor> averaged_tensors(const nn::Module& module, bool buffers) {
  OrderedDict<std::string, Tensor> all{"Average"};
  for (const auto& item : module.named_parameters()) all.insert(item.key(), item.value().detach());
  if (!buffers) return all;
  for (const auto& item : module.named_buffers()) {
    if (item.value().defined()) all.insert(item.key(), item.value().detach());
  }
  return all;
}

}  // namespace

void WeightAveraging::setup(Trainer& trainer, Module& module, Stage stage) {
  if (stage != Stage::Fit) return;
  averages_.clear();
  updates_ = last_step_ = 0;
  last_epoch_ = -1;
  swapped_ = false;
  if (trainer.options().lightning_compatible) {
    module.configure_model();  // Lightning needs the layers this early
    start(module);
  }
}

void WeightAveraging::on_fit_start(Trainer&, Module& module) {
  if (averages_.is_empty()) return start(module);
  // What came from a checkpoint lies on the CPU.
  for (const auto& item : averaged_tensors(module, use_buffers_)) {
    Tensor& mean = averages_[item.key()];
    if (!(mean.device() == item.value().device())) mean = mean.to(item.value().device());
  }
}

void WeightAveraging::start(Module& module) {
  NoGradGuard no_grad;
  averages_.clear();
  for (const auto& item : averaged_tensors(module, use_buffers_)) averages_.insert(item.key(), item.value().clone());
}

void WeightAveraging::update(Module& module) {
  NoGradGuard no_grad;
  for (const auto& item : averaged_tensors(module, use_buffers_)) {
    Tensor& mean = averages_[item.key()];
    if (updates_ == 0 || !mean.is_floating_point()) {
      mean.copy_(item.value());
    } else {
      average(mean, item.value(), updates_);
    }
  }
  ++updates_;
}

void WeightAveraging::swap(Module& module) {
  NoGradGuard no_grad;
  for (auto& item : averaged_tensors(module, use_buffers_)) {
    Tensor& mean = averages_[item.key()];
    const Tensor held = mean.clone();
    mean.copy_(item.value());
    item.value().copy_(held);
  }
  swapped_ = !swapped_;
}

void WeightAveraging::on_train_batch_end(Trainer& trainer, Module& module, const StepOutput&, const AnyRef&, int64_t) {
  const int64_t steps = trainer.global_step();
  if (steps <= last_step_ || !due_after_step(steps - 1)) return;
  update(module);
  last_step_ = steps;
}

void WeightAveraging::on_train_epoch_end(Trainer& trainer, Module& module) {
  const int64_t epoch = trainer.current_epoch();
  if (epoch <= last_epoch_ || !due_after_epoch(epoch)) return;
  update(module);
  last_epoch_ = epoch;
}

/// Lightning swaps the weights for validate(), too, and even has test() load the optimizer's own.
static bool takes_part(const Trainer& trainer) {
  return trainer.stage() == Stage::Fit || trainer.options().lightning_compatible;
}

bool WeightAveraging::in_use(const Trainer& trainer) const {
  return !averages_.is_empty() && (updates_ > 0 || trainer.options().lightning_compatible);
}

void WeightAveraging::on_train_end(Trainer& trainer, Module& module) {
  if (!in_use(trainer)) return;
  NoGradGuard no_grad;
  for (auto& item : averaged_tensors(module, use_buffers_)) item.value().copy_(averages_[item.key()]);
}

void WeightAveraging::on_validation_epoch_start(Trainer& trainer, Module& module) {
  if (takes_part(trainer) && in_use(trainer)) swap(module);
}

void WeightAveraging::on_validation_epoch_end(Trainer&, Module& module) {
  if (swapped_) swap(module);
}

void WeightAveraging::on_exception(Trainer& trainer, Module& module, const std::exception&) {
  if (swapped_ && !trainer.options().lightning_compatible) swap(module);
}

void WeightAveraging::on_save_checkpoint(Trainer& trainer, Module&, Checkpoint& checkpoint) {
  if (trainer.stage() != Stage::Fit || !trainer.is_running() || updates_ == 0) return;
  for (const auto& item : averages_) {
    Tensor* weight = checkpoint.weights.find(item.key());
    if (!weight) continue;
    checkpoint.others.insert(own_prefix + item.key(), swapped_ ? item.value() : *weight);
    if (!swapped_) *weight = item.value();
  }
}

void WeightAveraging::on_load_checkpoint(Trainer& trainer, Module& module, const Checkpoint& checkpoint) {
  if (!takes_part(trainer) || (trainer.stage() != Stage::Fit && averages_.is_empty())) return;
  start(module);  // the averages, if the file has them; else the weights that the averaging begins with
  NoGradGuard no_grad;
  for (auto& item : averaged_tensors(module, use_buffers_)) {
    if (const Tensor* own = checkpoint.others.find(own_prefix + item.key())) item.value().copy_(*own);
  }
}

std::string WeightAveraging::state_dict() const {
  return nlohmann::json{{"updates", updates_}, {"last_step", last_step_}, {"last_epoch", last_epoch_}}.dump();
}

void WeightAveraging::load_state_dict(const std::string& json) {
  const nlohmann::json state = nlohmann::json::parse(json);
  updates_ = state.at("updates");
  last_step_ = state.at("last_step");
  last_epoch_ = state.at("last_epoch");
}

EMAWeightAveraging::EMAWeightAveraging(EMAWeightAveragingOptions options)
    : WeightAveraging(options.use_buffers), options_(options) {
  if (!(options.decay >= 0 && options.decay <= 1)) {
    throw Error("E016", str("EMAWeightAveraging: decay is ", options.decay), "a number from 0 to 1");
  }
}

bool EMAWeightAveraging::due_after_step(int64_t step) const {
  return step >= options_.update_starting_at_step.value_or(0) && options_.update_every_n_steps > 0 &&
         step % options_.update_every_n_steps == 0;
}

bool EMAWeightAveraging::due_after_epoch(int64_t epoch) const {
  return options_.update_starting_at_epoch && epoch >= *options_.update_starting_at_epoch;
}

void EMAWeightAveraging::average(Tensor& average, const Tensor& value, int64_t) const {
  average.mul_(options_.decay).add_(value, 1 - options_.decay);
}

}  // namespace fulmen::trainer
