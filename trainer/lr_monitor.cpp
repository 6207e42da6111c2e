#include <fulmen/tensor/error.h>
#include <fulmen/trainer/lr_monitor.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>

namespace fulmen::trainer {
namespace {

/// "lr-SGD" for the first optimizer of a kind, "lr-SGD-1" for the second.
class Names {
 public:
  std::string of(const optim::Optimizer& optimizer) {
    const std::string kind = "lr-" + optimizer.name();
    const auto before = std::count(seen_.begin(), seen_.end(), kind);
    seen_.push_back(kind);
    return before == 0 ? kind : kind + "-" + std::to_string(before);
  }

 private:
  std::vector<std::string> seen_;
};

/// The value of an option such as "momentum"; what an optimizer calls beta1 is its momentum.
double field(optim::OptimizerOptions& options, const std::string& name) {
  for (const optim::OptionField& option : options.fields()) {
    if (option.name == name || (name == "momentum" && option.name == "beta1")) return option.get();
  }
  return 0;
}

}  // namespace

void LearningRateMonitor::on_train_start(Trainer& trainer, Module&) {
  if (trainer.loggers().empty() && trainer.options().fast_dev_run == 0) {
    throw Error("E016", "LearningRateMonitor: the trainer has no logger", "set TrainerOptions::logger or loggers");
  }
}

void LearningRateMonitor::add(Metrics& rates, const optim::Optimizer& optimizer, const std::string& name) const {
  const auto& groups = optimizer.param_groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::string full = groups.size() > 1 ? name + "/pg" + std::to_string(i + 1) : name;
    auto& options = const_cast<optim::OptimizerOptions&>(groups[i].options());
    rates.set(full, options.get_lr());
    if (options_.log_momentum) rates.set(full + "-momentum", field(options, "momentum"));
    if (options_.log_weight_decay) rates.set(full + "-weight_decay", field(options, "weight_decay"));
  }
}

void LearningRateMonitor::log_rates(Trainer& trainer, Interval when) const {
  if (options_.logging_interval && *options_.logging_interval != when) return;
  Names names;
  Metrics rates;
  std::vector<const optim::Optimizer*> scheduled;
  for (const Optimizers::Scheduled& s : trainer.optimizers().schedulers()) {
    const std::string name = s.when.name.empty() ? names.of(s.optimizer()) : s.when.name;
    scheduled.push_back(&s.optimizer());
    if (options_.logging_interval || s.when.interval == when) add(rates, s.optimizer(), name);
  }
  for (const auto& optimizer : trainer.optimizers().all()) {
    if (std::find(scheduled.begin(), scheduled.end(), optimizer.get()) != scheduled.end()) continue;
    add(rates, *optimizer, names.of(*optimizer));
  }
  if (rates.empty()) return;
  for (const auto& [name, rate] : rates) trainer.add_callback_metric(name, rate);
  for (const auto& logger : trainer.loggers()) logger->log_metrics(rates, trainer.logged_steps());
}

void LearningRateMonitor::on_train_epoch_start(Trainer& trainer, Module&) { log_rates(trainer, Interval::Epoch); }

void LearningRateMonitor::on_train_batch_start(Trainer& trainer, Module&, const AnyRef&, int64_t) {
  if (trainer.logs_this_step()) log_rates(trainer, Interval::Step);
}

}  // namespace fulmen::trainer
