#include "recording.h"

#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/optim/lr_scheduler.h>
#include <fulmen/trainer/early_stopping.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

namespace fulmen::trainer::testing {

// --- Recorder --------------------------------------------------------------------------------------------------------

std::string Recorder::context() const {
  if (!trainer || !module) return {};
  const bool evaluating = trainer->stage() == Stage::Fit && (trainer->validating() || trainer->sanity_checking());
  const char* stage = trainer->sanity_checking()       ? "sanity_check"
                      : evaluating                     ? "validate"
                      : trainer->stage() == Stage::Fit ? "train"
                                                       : stage_name(trainer->stage());
  const char* gradients = InferenceMode::is_enabled() ? "I" : GradMode::is_enabled() ? "G" : "N";
  return " | e=" + std::to_string(trainer->current_epoch()) + " s=" + std::to_string(trainer->global_step()) + " " +
         stage + " " + (module->is_training() ? "T" : "E") + " " + gradients;
}

void Recorder::add(const std::string& event, const Json& values) {
  note_removed();
  std::string line = event + context();
  if (!values.is_null() && !values.empty()) line += " | " + values.dump();
  lines.push_back(line);
}

void Recorder::saved(const std::string& path) {
  auto belongs = [](const std::string& line) {
    return line.find(".state_dict ") != std::string::npos || line.find(".on_save_checkpoint ") != std::string::npos;
  };
  size_t at = lines.size();
  while (at > 0 && belongs(lines[at - 1])) --at;
  const std::string file = std::filesystem::relative(path, folder).string();
  lines.insert(lines.begin() + static_cast<ptrdiff_t>(at),
               "trainer.save_checkpoint" + context() + " | " + Json{{"file", file}}.dump());
  files_.insert(path);
}

void Recorder::note_removed() {
  for (auto file = files_.begin(); file != files_.end();) {
    if (std::filesystem::exists(*file)) {
      ++file;
      continue;
    }
    const std::string name = std::filesystem::relative(*file, folder).string();
    lines.push_back("trainer.remove_checkpoint" + context() + " | " + Json{{"file", name}}.dump());
    file = files_.erase(file);
  }
}

Json list_of(const Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  Json list = Json::array();
  const Tensor flat = tensor.detach().reshape({-1});
  for (int64_t i = 0; i < flat.numel(); ++i) list.push_back(flat[i].item<double>());
  return list;
}

namespace {

Json json_of(const Metrics& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics) json[name] = value;
  return json;
}

/// A column as Python's `squeeze().tolist()` gives it.
Json squeezed(const Tensor& column) {
  const Json list = list_of(column);
  return list.size() == 1 ? list[0] : list;
}

std::string at(int64_t i) { return " batch_idx=" + std::to_string(i); }
std::string at(int64_t i, int64_t loader) { return at(i) + " dataloader_idx=" + std::to_string(loader); }
std::string of_loader(const char* hook, int64_t loader) {
  return std::string(hook) + " dataloader_idx=" + std::to_string(loader);
}

LogOptions log_options(const Json& entry) {
  LogOptions options;
  if (entry.contains("on_step")) options.on_step = entry["on_step"].get<bool>();
  if (entry.contains("on_epoch")) options.on_epoch = entry["on_epoch"].get<bool>();
  options.prog_bar = entry.value("prog_bar", false);
  options.logger = entry.value("logger", true);
  options.batch_size = entry.value("batch_size", int64_t{0});
  options.add_dataloader_idx = entry.value("add_dataloader_idx", true);
  const std::string reduce = entry.value("reduce_fx", "mean");
  options.reduce = reduce == "sum"   ? Reduce::Sum
                   : reduce == "max" ? Reduce::Max
                   : reduce == "min" ? Reduce::Min
                                     : Reduce::Mean;
  return options;
}

const Json default_log = Json::parse(R"([
  {"in": "training_step", "name": "train_loss", "on_step": true, "on_epoch": true, "prog_bar": true},
  {"in": "validation_step", "name": "val_loss", "prog_bar": true},
  {"in": "test_step", "name": "test_loss"}])");

}  // namespace

Json metrics_of(const Trainer& trainer) {
  return {{"callback_metrics", json_of(trainer.callback_metrics())},
          {"logged_metrics", json_of(trainer.logged_metrics())},
          {"progress_bar_metrics", json_of(trainer.progress_bar_metrics())}};
}

// --- module ----------------------------------------------------------------------------------------------------------

RecordedModule::RecordedModule(Recorder& recorder, Json plan)
    : hp(save_hyperparameters(Hparams{plan.value("lr", 0.01), plan.value("momentum", 0.0), plan.value("kind", "")})),
      recorder_(recorder),
      plan_(std::move(plan)) {
  layer = register_module("layer", nn::Linear(2, 1));
  const float values[] = {0.1f, -0.2f, 0.05f};
  for (int i = 0; i < 2; ++i) layer->weight.data_ptr<float>()[i] = values[i];
  layer->bias.data_ptr<float>()[0] = values[2];
  layer->to(dtype_of(plan_));
  automatic_optimization = !plan_.contains("manual");
}

Json RecordedModule::weights() const {
  Json all = list_of(layer->weight);
  all.push_back(list_of(layer->bias)[0]);
  return all;
}
Json RecordedModule::gradients() const {
  if (!layer->weight.grad().defined()) return nullptr;
  Json all = list_of(layer->weight.grad());
  all.push_back(list_of(layer->bias.grad())[0]);
  return all;
}

void RecordedModule::log_as_planned(const std::string& hook, double loss, int64_t batch_idx) {
  Json entries = plan_.value("log", default_log);
  for (const Json& more : plan_.value("also_log", Json::array())) entries.push_back(more);
  for (const Json& entry : entries) {
    if (entry["in"] != hook) continue;
    const Json value = entry.value("value", Json("loss"));
    const double number = value.is_number()      ? value.get<double>()
                          : value == "batch_idx" ? static_cast<double>(batch_idx)
                          : value == "epoch"     ? static_cast<double>(current_epoch())
                                                 : loss;
    log(entry["name"].get<std::string>(), number * entry.value("times", 1.0), log_options(entry));
  }
}
void RecordedModule::add_and_log(const std::string& hook) {
  add(hook);
  log_as_planned(hook);
}
bool RecordedModule::planned_at(const char* what, int64_t batch_idx) const {
  const auto place = plan_.find(what);
  return place != plan_.end() && (*place)[0] == current_epoch() && (*place)[1] == batch_idx;
}

Tensor RecordedModule::forward(const Tensor& x) {
  return (x * layer->weight).sum(IntArrayRef({1}), true) + layer->bias;
}

Tensor RecordedModule::loss_of(const RecordedBatch& batch) {
  return (forward(batch.a.data) - batch.a.target).square().mean();
}

StepOutput RecordedModule::training_step(const RecordedBatch& batch, int64_t i) {
  if (planned_at("raise", i)) {
    add("training_step" + at(i));
    throw std::runtime_error("boom");
  }
  Tensor loss = loss_of(batch);
  const double value = loss.item<double>();
  const std::string returns = plan_.value("returns", "loss");
  const bool skips = plan_.value("skip", int64_t{-1}) == i;
  Json seen{{"loss", value}};
  if (plan_.contains("skip")) seen["returned"] = !skips;
  if (plan_.contains("combined")) {
    seen = {{"batch",
             {{"a", squeezed(batch.a.data.select(1, 0))},
              {"b", batch.b ? squeezed(batch.b->data.select(1, 0)) : Json(nullptr)}}}};
  }
  add("training_step" + at(i), seen);
  if (!automatic_optimization) learn_manually(loss, i);
  log_as_planned("training_step", value, i);
  if (skips) return skip;
  if (returns == "dict") return Dict{{"loss", loss}, {"mean_x", batch.a.data.mean()}};
  if (returns == "nothing") return {};
  return loss;
}

/// With "accumulate": k the gradients of k batches are one step; of two optimizers the second takes every other one.
void RecordedModule::learn_manually(const Tensor& loss, int64_t i) {
  const Json& manual = plan_["manual"];
  const int64_t window = manual.value("accumulate", int64_t{1});
  const bool two = manual.value("optimizers", 1) == 2;
  if (i % window == 0) {
    for (LightningOptimizer optimizer : optimizers()) optimizer.zero_grad();
  }
  manual_backward(window == 1 ? loss : loss / Scalar(static_cast<double>(window)));
  if ((i + 1) % window == 0) {
    if (manual.contains("clip")) clip_gradients(optimizer(), manual["clip"].get<double>(), ClipAlgorithm::Norm);
    optimizer(0).step();
    if (manual.value("schedules", false)) lr_schedulers()[0].step({});
    if (two) add("after_first_step", {{"w", weights()}});
    if (two && i / window % 2 == 1) {
      optimizer(1).step();
      add("after_second_step", {{"w", weights()}});
    }
  }
  if (!two) add("<training_step" + at(i), {{"w", weights()}});
}

StepOutput RecordedModule::validation_step(const RecordedBatch& batch, int64_t i, int64_t loader) {
  if (planned_at("raise_in_validation", i)) throw std::runtime_error("boom");
  const double loss = loss_of(batch).item<double>();
  add("validation_step" + at(i, loader), {{"loss", loss}});
  log_as_planned("validation_step", loss, i);
  return {};
}
StepOutput RecordedModule::test_step(const RecordedBatch& batch, int64_t i, int64_t loader) {
  const double loss = loss_of(batch).item<double>();
  add("test_step" + at(i, loader), {{"loss", loss}});
  log_as_planned("test_step", loss, i);
  return {};
}
Tensor RecordedModule::predict_step(const RecordedBatch& batch, int64_t i, int64_t loader) {
  Tensor prediction = forward(batch.a.data);
  add("predict_step" + at(i, loader), {{"pred", squeezed(prediction)}});
  return prediction;
}

Optimizers RecordedModule::configure_optimizers() {
  const optim::SGDOptions options = optim::SGDOptions(hp.lr).momentum(hp.momentum);
  if (plan_.contains("manual") && plan_["manual"].value("optimizers", 1) == 2) {
    optim::SGDOptions second = options;
    second.lr(plan_["manual"].value("second_lr", hp.lr));
    return {optim::SGD({layer->weight}, options), optim::SGD({layer->bias}, second)};
  }
  if (plan_.value("two_optimizers", false))
    return {optim::SGD(parameters(), options), optim::SGD(parameters(), options)};
  if (!plan_.contains("scheduler")) add("configure_optimizers");
  const bool other = plan_.contains("optimizer");
  Optimizers optimizers(other ? planned_optimizer(plan_["optimizer"], hp.lr, parameters())
                              : std::make_shared<optim::SGD>(parameters(), options));
  if (!plan_.contains("scheduler")) return optimizers;
  const Json& s = plan_["scheduler"];
  const SchedulerOptions when{.interval = s.value("interval", "epoch") == "step" ? Interval::Step : Interval::Epoch,
                              .frequency = s.value("frequency", int64_t{1}),
                              .monitor = s.value("monitor", ""),
                              .strict = s.value("strict", true),
                              .name = s.value("name", "")};
  if (s["kind"] == "StepLR") {
    optimizers =
        std::move(optimizers).schedule<optim::StepLR>(when, s.value("step_size", int64_t{1}), s.value("gamma", 0.5));
  } else {
    optimizers = std::move(optimizers)
                     .schedule<optim::ReduceLROnPlateau>(when, optim::ReduceLROnPlateau::min, s.value("factor", 0.5),
                                                         s.value("patience", int64_t{0}));
  }
  if (const auto second = s.find("second"); second != s.end()) {
    const SchedulerOptions other{
        .interval = second->value("interval", "epoch") == "step" ? Interval::Step : Interval::Epoch,
        .frequency = second->value("frequency", int64_t{1})};
    optimizers = std::move(optimizers).schedule<optim::StepLR>(other, int64_t{2}, 0.9);
  }
  return optimizers;
}
std::vector<std::shared_ptr<Callback>> RecordedModule::configure_callbacks() {
  recorder_.trainer = &trainer();
  recorder_.module = this;
  add("configure_callbacks");
  if (!plan_.contains("early_stopping")) return {};
  return {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = plan_["early_stopping"]})};
}

RecordedModule::Loader RecordedModule::train_dataloader() {
  if (!plan_.contains("combined")) add("train_dataloader");
  return planned_train_loader(plan_);
}
std::vector<RecordedModule::Loader> RecordedModule::loaders(const char* which, const std::vector<int64_t>& otherwise) {
  const Json sizes = plan_.value(which, Json(otherwise));
  if (!sizes.empty()) add(std::string(which) + "_dataloader");
  return planned_loaders(sizes, plan_);
}
std::vector<RecordedModule::Loader> RecordedModule::val_dataloader() { return loaders("val", {}); }
std::vector<RecordedModule::Loader> RecordedModule::test_dataloader() { return loaders("test", {4}); }
std::vector<RecordedModule::Loader> RecordedModule::predict_dataloader() { return loaders("predict", {3}); }

void RecordedModule::optimizer_step(int64_t epoch, int64_t i, optim::Optimizer& optimizer,
                                    const optim::Optimizer::LossClosure& closure) {
  add("optimizer_step epoch=" + std::to_string(epoch) + " batch_idx=" + std::to_string(i));
  AnyLightningModule::optimizer_step(epoch, i, optimizer, closure);
  add("<optimizer_step");
}
void RecordedModule::optimizer_zero_grad(int64_t epoch, int64_t i, optim::Optimizer& optimizer) {
  add("optimizer_zero_grad epoch=" + std::to_string(epoch) + " batch_idx=" + std::to_string(i));
  AnyLightningModule::optimizer_zero_grad(epoch, i, optimizer);
}
void RecordedModule::backward(const Tensor& loss) {
  add("backward", {{"loss", loss.item<double>()}});
  AnyLightningModule::backward(loss);
  add("<backward");
}
void RecordedModule::on_before_backward(const Tensor& loss) {
  add("on_before_backward", {{"loss", loss.item<double>()}});
}
void RecordedModule::on_before_optimizer_step(optim::Optimizer&) {
  add("on_before_optimizer_step", {{"grad", gradients()}});
}
void RecordedModule::configure_gradient_clipping(optim::Optimizer& optimizer, std::optional<double> value,
                                                 ClipAlgorithm algorithm) {
  Json seen{{"grad", gradients()}, {"clip", nullptr}, {"algorithm", nullptr}};
  if (value) seen["clip"] = *value;
  if (algorithm == ClipAlgorithm::Value) seen["algorithm"] = "value";
  add("configure_gradient_clipping", seen);
  AnyLightningModule::configure_gradient_clipping(optimizer, value, algorithm);
}
void RecordedModule::lr_scheduler_step(const Optimizers::Scheduled& scheduled, std::optional<double> metric) {
  add("lr_scheduler_step", {{"metric", metric ? Json(*metric) : Json(nullptr)}});
  AnyLightningModule::lr_scheduler_step(scheduled, metric);
}
RecordedBatch RecordedModule::on_before_batch_transfer(RecordedBatch batch, int64_t loader) {
  add(of_loader("on_before_batch_transfer", loader));
  return batch;
}
RecordedBatch RecordedModule::transfer_batch_to_device(RecordedBatch batch, Device device, int64_t loader) {
  add(of_loader("transfer_batch_to_device", loader));
  return LightningModule::transfer_batch_to_device(std::move(batch), device, loader);
}
RecordedBatch RecordedModule::on_after_batch_transfer(RecordedBatch batch, int64_t loader) {
  add(of_loader("on_after_batch_transfer", loader));
  return batch;
}

double RecordedModule::learning_rate() const { return optimizer().param_groups()[0].options().get_lr(); }

int RecordedModule::on_train_batch_start(const RecordedBatch&, int64_t i) {
  add("on_train_batch_start" + at(i), plan_.contains("scheduler") ? Json{{"lr", learning_rate()}} : Json());
  log_as_planned("on_train_batch_start", 0, i);
  return planned_at("minus_one", i) ? -1 : 0;
}
void RecordedModule::on_train_batch_end(const StepOutput& output, const RecordedBatch&, int64_t i) {
  Json outputs = Json::object();
  if (output.loss().defined()) outputs["loss"] = output.loss().item<double>();
  for (const auto& [name, tensor] : output.outputs()) outputs[name] = tensor.item<double>();
  Json seen{{"outputs", outputs}, {"w", weights()}};
  if (plan_.contains("scheduler")) seen["lr"] = learning_rate();
  add("on_train_batch_end" + at(i), seen);
  log_as_planned("on_train_batch_end", 0, i);
  if (planned_at("stop", i)) trainer().set_should_stop(true);
}
void RecordedModule::on_validation_batch_start(const RecordedBatch&, int64_t i, int64_t loader) {
  add("on_validation_batch_start" + at(i, loader));
  log_as_planned("on_validation_batch_start", 0, i);
}
void RecordedModule::on_validation_batch_end(const StepOutput&, const RecordedBatch&, int64_t i, int64_t loader) {
  add("on_validation_batch_end" + at(i, loader));
  log_as_planned("on_validation_batch_end", 0, i);
}
void RecordedModule::on_test_batch_start(const RecordedBatch&, int64_t i, int64_t loader) {
  add("on_test_batch_start" + at(i, loader));
  log_as_planned("on_test_batch_start", 0, i);
}
void RecordedModule::on_test_batch_end(const StepOutput&, const RecordedBatch&, int64_t i, int64_t loader) {
  add("on_test_batch_end" + at(i, loader));
  log_as_planned("on_test_batch_end", 0, i);
}
void RecordedModule::on_predict_batch_start(const RecordedBatch&, int64_t i, int64_t loader) {
  add("on_predict_batch_start" + at(i, loader));
}
void RecordedModule::on_predict_batch_end(const Tensor&, const RecordedBatch&, int64_t i, int64_t loader) {
  add("on_predict_batch_end" + at(i, loader));
}

}  // namespace fulmen::trainer::testing
