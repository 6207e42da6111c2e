#include <fulmen/trainer/lr_monitor.h>
#include <fulmen/trainer/trainer.h>

namespace fulmen::trainer {

void LearningRateMonitor::log_rates(Trainer& trainer) {
  optim::Optimizer* optimizer = trainer.optimizer();
  if (!optimizer) return;
  Metrics rates;
  const auto& groups = optimizer->param_groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::string group = groups.size() > 1 ? "/pg" + std::to_string(i + 1) : "";
    rates.set("lr-" + optimizer->name() + group, groups[i].options().get_lr());
  }
  for (const auto& logger : trainer.loggers()) logger->log_metrics(rates, trainer.global_step());
}

void LearningRateMonitor::on_train_epoch_start(Trainer& trainer, Module&) {
  if (interval_ == Interval::Epoch) log_rates(trainer);
}

void LearningRateMonitor::on_train_batch_start(Trainer& trainer, Module&, const AnyRef&, int64_t) {
  const int64_t every = trainer.options().log_every_n_steps;
  if (interval_ == Interval::Step && every > 0 && (trainer.global_step() + 1) % every == 0) log_rates(trainer);
}

}  // namespace fulmen::trainer
