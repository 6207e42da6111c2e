#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/nn/normalization.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/stochastic_weight_averaging.h>
#include <fulmen/trainer/run.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

constexpr char prefix[] = "swa.";

/// All tensors that are averaged: f(name, tensor).
template <class F>
void for_each_averaged(const nn::Module& module, F&& f) {
  NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) f(item.key(), item.value().detach());
  for (const auto& item : module.named_buffers()) {
    if (item.value().defined() && item.value().is_floating_point()) f(item.key(), item.value().detach());
  }
}

template <class F>
void for_each_batch_norm(nn::Module& module, F&& f) {
  module.apply([&](nn::Module& part) {
    auto visit = [&](auto* norm) {
      if (norm && norm->running_mean.defined()) f(*norm);
    };
    visit(dynamic_cast<nn::BatchNorm1dImpl*>(&part));
    visit(dynamic_cast<nn::BatchNorm2dImpl*>(&part));
    visit(dynamic_cast<nn::BatchNorm3dImpl*>(&part));
  });
}

}  // namespace

StochasticWeightAveraging::StochasticWeightAveraging(StochasticWeightAveragingOptions options)
    : options_(std::move(options)) {
  const auto& lrs = options_.swa_lrs;
  if (lrs.empty() || std::any_of(lrs.begin(), lrs.end(), [](double lr) { return !(lr > 0); })) {
    throw Error("E016", "StochasticWeightAveraging: swa_lrs must be positive numbers", "give one learning rate");
  }
  const Amount& start = options_.swa_epoch_start;
  if (start.is_fraction() ? !(start.fraction() >= 0 && start.fraction() <= 1) : start.count() < 1) {
    throw Error("E016", "StochasticWeightAveraging: swa_epoch_start is out of range",
                "an epoch of 1 or more, or a fraction from 0.0 to 1.0");
  }
}

void StochasticWeightAveraging::on_fit_start(Trainer& trainer, Module& module) {
  if (trainer.optimizers().size() != 1 || trainer.optimizers().schedulers().size() > 1) {
    throw Error("E016", "StochasticWeightAveraging needs one optimizer with at most one scheduler",
                "leave the others out, or use EMAWeightAveraging");
  }
  const Amount& start = options_.swa_epoch_start;
  const int64_t epochs = trainer.max_epochs();
  if (start.is_fraction() && epochs < 0) {
    throw Error("E016", "StochasticWeightAveraging: swa_epoch_start is a fraction, but max_epochs is not set",
                "give the epoch as a number");
  }
  const int64_t first =
      start.is_fraction() ? static_cast<int64_t>(static_cast<double>(epochs) * start.fraction()) : start.count();
  first_epoch_ = std::max<int64_t>(first - 1, 0);
  last_epoch_ = epochs < 0 ? -1 : epochs - 1;
  if (epochs >= 0) for_each_batch_norm(module, [&](auto&) { epoch_more_ = true; });
  if (epoch_more_) ++trainer.run_->max_epochs;
  if (!std::exchange(resumed_, false)) {
    averages_.clear();
    averaged_ = 0;
    latest_epoch_ = -1;
    scheduled_ = false;
  } else if (scheduled_) {
    install_schedule(trainer);  // before its state is restored
  }
}

void StochasticWeightAveraging::install_schedule(Trainer& trainer) {
  Optimizers::Scheduled scheduled;
  scheduled.scheduler = std::make_shared<optim::SWALR>(trainer.optimizers()[0], options_.swa_lrs,
                                                       options_.annealing_epochs, options_.annealing_strategy);
  trainer.optimizers().schedulers().assign(1, scheduled);
}

void StochasticWeightAveraging::on_train_epoch_start(Trainer& trainer, Module& module) {
  const int64_t epoch = trainer.current_epoch();
  if (epoch_more_ && epoch == last_epoch_ + 1 && averaged_ > 0) return begin_statistics(trainer, module);
  if (epoch < first_epoch_ || (last_epoch_ >= 0 && epoch > last_epoch_)) return;
  if (!std::exchange(scheduled_, true)) install_schedule(trainer);
  if (epoch > latest_epoch_) update(module);
  latest_epoch_ = epoch;
}

void StochasticWeightAveraging::update(Module& module) {
  ++averaged_;
  for_each_averaged(module, [&](const std::string& name, const Tensor& value) {
    Tensor* mean = averages_.find(name);
    if (mean) {
      if (!(mean->device() == value.device())) *mean = mean->to(value.device());  // from a checkpoint
      mean->add_((value - *mean) / Scalar(static_cast<double>(averaged_)));
    } else {
      averages_.insert(name, value.clone());
    }
  });
}

void StochasticWeightAveraging::begin_statistics(Trainer& trainer, Module& module) {
  transfer(module);
  for_each_batch_norm(module, [this](auto& norm) {
    norm.reset_running_stats();
    momenta_.push_back(norm.options.momentum());
    norm.options.momentum(std::nullopt);  // the mean over all batches
  });
  window_before_ = trainer.accumulate_grad_batches();
  if (trainer.num_training_batches() > 0) trainer.set_accumulate_grad_batches(trainer.num_training_batches());
  trainer.run_->skip_backward = true;
}

void StochasticWeightAveraging::end_statistics(Trainer& trainer, Module& module) {
  trainer.run_->skip_backward = false;
  if (momenta_.empty()) return;
  size_t at = 0;
  for_each_batch_norm(module, [&](auto& norm) { norm.options.momentum(momenta_[at++]); });
  momenta_.clear();
  trainer.set_accumulate_grad_batches(window_before_);
}

void StochasticWeightAveraging::take_back_epoch(Trainer& trainer, Module& module) {
  end_statistics(trainer, module);
  if (std::exchange(epoch_more_, false)) --trainer.run_->max_epochs;
}

void StochasticWeightAveraging::on_train_epoch_end(Trainer& trainer, Module& module) {
  end_statistics(trainer, module);
}
void StochasticWeightAveraging::on_exception(Trainer& trainer, Module& module, const std::exception&) {
  take_back_epoch(trainer, module);
}
void StochasticWeightAveraging::teardown(Trainer& trainer, Module& module, Stage) { take_back_epoch(trainer, module); }

void StochasticWeightAveraging::on_train_end(Trainer& trainer, Module& module) {
  take_back_epoch(trainer, module);
  if (averaged_ > 0 && (last_epoch_ < 0 || trainer.current_epoch() - 1 == last_epoch_)) transfer(module);
}

void StochasticWeightAveraging::transfer(Module& module) const {
  for_each_averaged(module, [&](const std::string& name, Tensor value) {
    if (const Tensor* mean = averages_.find(name)) value.copy_(*mean);
  });
}

void StochasticWeightAveraging::on_save_checkpoint(Trainer&, Module&, Checkpoint& checkpoint) {
  for (const auto& item : averages_) checkpoint.others.insert(prefix + item.key(), item.value());
}

void StochasticWeightAveraging::on_load_checkpoint(Trainer&, Module&, const Checkpoint& checkpoint) {
  averages_.clear();
  for (const auto& item : checkpoint.others) {
    if (item.key().rfind(prefix, 0) == 0)
      averages_.insert(item.key().substr(std::string_view(prefix).size()), item.value());
  }
}

std::string StochasticWeightAveraging::state_dict() const {
  return nlohmann::json{{"averaged", averaged_}, {"latest_epoch", latest_epoch_}, {"scheduled", scheduled_}}.dump();
}

void StochasticWeightAveraging::load_state_dict(const std::string& json) {
  const nlohmann::json state = nlohmann::json::parse(json);
  averaged_ = state.at("averaged");
  latest_epoch_ = state.at("latest_epoch");
  scheduled_ = state.at("scheduled");
  resumed_ = true;
}

}  // namespace fulmen::trainer
