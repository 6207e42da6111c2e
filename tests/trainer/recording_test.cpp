#include "recording.h"

#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

namespace fulmen::trainer::testing {

void Recorder::add(const std::string& event, const Json& values) {
  std::string line = event;
  if (trainer && module) {
    const bool evaluating = trainer->stage() == Stage::Fit && (trainer->validating() || trainer->sanity_checking());
    const char* stage = trainer->sanity_checking()       ? "sanity_check"
                        : evaluating                     ? "validate"
                        : trainer->stage() == Stage::Fit ? "train"
                                                         : stage_name(trainer->stage());
    const char* gradients = InferenceMode::is_enabled() ? "I" : GradMode::is_enabled() ? "G" : "N";
    line += " | e=" + std::to_string(trainer->current_epoch()) + " s=" + std::to_string(trainer->global_step()) + " " +
            stage + " " + (module->is_training() ? "T" : "E") + " " + gradients;
  }
  if (!values.is_null() && !values.empty()) line += " | " + values.dump();
  lines.push_back(line);
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
}  // namespace

Json metrics_of(const Trainer& trainer) {
  return {{"callback_metrics", json_of(trainer.callback_metrics())},
          {"logged_metrics", json_of(trainer.logged_metrics())},
          {"progress_bar_metrics", json_of(trainer.progress_bar_metrics())}};
}

data::DataLoader<Batch> loader_of(int64_t first, int64_t samples, bool shuffle) {
  Tensor x = empty({samples, 2}), y = empty({samples, 1});
  for (int64_t i = 0; i < samples; ++i) {
    x.data_ptr<float>()[2 * i] = static_cast<float>(first + i);
    x.data_ptr<float>()[2 * i + 1] = static_cast<float>(first + i + 1);
    y.data_ptr<float>()[i] = static_cast<float>(first + i);
  }
  return data::DataLoader<Batch>(Batch(x, y), {.batch_size = 2, .shuffle = shuffle});
}

RecordedModule::RecordedModule(Recorder& recorder, Behaviour behaviour, Hparams hparams)
    : hp(save_hyperparameters(hparams)), recorder_(recorder), behaviour_(behaviour) {
  layer = register_module("layer", nn::Linear(2, 1));
  const float values[] = {0.1f, -0.2f, 0.05f};
  for (int i = 0; i < 2; ++i) layer->weight.data_ptr<float>()[i] = values[i];
  layer->bias.data_ptr<float>()[0] = values[2];
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

StepOutput RecordedModule::training_step(const Batch& batch, int64_t i) {
  if (behaviour_.raises_in_second_batch && i == 1) {
    add("training_step batch_idx=1");
    throw std::runtime_error("boom");
  }
  Tensor loss = (forward(batch.data) - batch.target).square().mean();
  const double value = loss.item<double>();
  Json seen{{"loss", value}};
  if (behaviour_.skips_second_batch) seen["returned"] = i != 1;
  add("training_step batch_idx=" + std::to_string(i), seen);
  if (behaviour_.returns_dict) return Dict{{"loss", loss}, {"mean_x", batch.data.mean()}};
  log("train_loss", loss, {.on_step = true, .on_epoch = true, .prog_bar = behaviour_.shows_progress});
  if (behaviour_.skips_second_batch && i == 1) return skip;
  return loss;
}
StepOutput RecordedModule::validation_step(const Batch& batch, int64_t i, int64_t loader) {
  Tensor loss = (forward(batch.data) - batch.target).square().mean();
  add("validation_step batch_idx=" + std::to_string(i) + " dataloader_idx=" + std::to_string(loader),
      {{"loss", loss.item<double>()}});
  log("val_loss", loss, {.prog_bar = true});
  return {};
}
StepOutput RecordedModule::test_step(const Batch& batch, int64_t i, int64_t loader) {
  Tensor loss = (forward(batch.data) - batch.target).square().mean();
  add("test_step batch_idx=" + std::to_string(i) + " dataloader_idx=" + std::to_string(loader),
      {{"loss", loss.item<double>()}});
  log("test_loss", loss);
  return {};
}
Tensor RecordedModule::predict_step(const Batch& batch, int64_t i, int64_t loader) {
  Tensor prediction = forward(batch.data);
  add("predict_step batch_idx=" + std::to_string(i) + " dataloader_idx=" + std::to_string(loader),
      {{"pred", list_of(prediction)}});
  return prediction;
}

Optimizers RecordedModule::configure_optimizers() {
  add("configure_optimizers");
  return optim::SGD(parameters(), optim::SGDOptions(hp.lr).momentum(hp.momentum));
}
std::vector<std::shared_ptr<Callback>> RecordedModule::configure_callbacks() {
  recorder_.trainer = &trainer();
  recorder_.module = this;
  add("configure_callbacks");
  return {};
}
RecordedModule::Loader RecordedModule::train_dataloader() {
  add("train_dataloader");
  return loader_of(0, 7, behaviour_.shuffle);
}
std::vector<RecordedModule::Loader> RecordedModule::val_dataloader() {
  if (!behaviour_.serves_validation) return {};
  add("val_dataloader");
  if (behaviour_.two_loaders) return {loader_of(0, 5), loader_of(10, 3)};
  return {loader_of(0, 5)};
}
std::vector<RecordedModule::Loader> RecordedModule::test_dataloader() {
  add("test_dataloader");
  if (behaviour_.two_loaders) return {loader_of(0, 4), loader_of(10, 3)};
  return {loader_of(0, 4)};
}
std::vector<RecordedModule::Loader> RecordedModule::predict_dataloader() {
  add("predict_dataloader");
  if (behaviour_.two_loaders) return {loader_of(0, 3), loader_of(10, 3)};
  return {loader_of(0, 3)};
}

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
Batch RecordedModule::on_before_batch_transfer(Batch batch, int64_t loader) {
  add("on_before_batch_transfer dataloader_idx=" + std::to_string(loader));
  return batch;
}
Batch RecordedModule::transfer_batch_to_device(Batch batch, Device device, int64_t loader) {
  add("transfer_batch_to_device dataloader_idx=" + std::to_string(loader));
  return LightningModule::transfer_batch_to_device(std::move(batch), device, loader);
}
Batch RecordedModule::on_after_batch_transfer(Batch batch, int64_t loader) {
  add("on_after_batch_transfer dataloader_idx=" + std::to_string(loader));
  return batch;
}

namespace {
std::string at(int64_t i) { return " batch_idx=" + std::to_string(i); }
std::string at(int64_t i, int64_t loader) { return at(i) + " dataloader_idx=" + std::to_string(loader); }
}  // namespace

int RecordedModule::on_train_batch_start(const Batch&, int64_t i) {
  add("on_train_batch_start" + at(i));
  return 0;
}
void RecordedModule::on_train_batch_end(const StepOutput& output, const Batch&, int64_t i) {
  Json outputs = Json::object();
  if (output.loss().defined()) outputs["loss"] = output.loss().item<double>();
  for (const auto& [name, tensor] : output.outputs()) outputs[name] = tensor.item<double>();
  add("on_train_batch_end" + at(i), {{"outputs", outputs}, {"w", weights()}});
}
void RecordedModule::on_validation_batch_start(const Batch&, int64_t i, int64_t loader) {
  add("on_validation_batch_start" + at(i, loader));
}
void RecordedModule::on_validation_batch_end(const StepOutput&, const Batch&, int64_t i, int64_t loader) {
  add("on_validation_batch_end" + at(i, loader));
}
void RecordedModule::on_test_batch_start(const Batch&, int64_t i, int64_t loader) {
  add("on_test_batch_start" + at(i, loader));
}
void RecordedModule::on_test_batch_end(const StepOutput&, const Batch&, int64_t i, int64_t loader) {
  add("on_test_batch_end" + at(i, loader));
}
void RecordedModule::on_predict_batch_start(const Batch&, int64_t i, int64_t loader) {
  add("on_predict_batch_start" + at(i, loader));
}
void RecordedModule::on_predict_batch_end(const Tensor&, const Batch&, int64_t i, int64_t loader) {
  add("on_predict_batch_end" + at(i, loader));
}

std::string RecordedCallback::state_dict() const {
  add("state_dict");
  return Json{{"tag", name_}}.dump();
}
void RecordedCallback::load_state_dict(const std::string& json) {
  add("load_state_dict", {{"state", Json::parse(json)}});
}
void RecordedCallback::add_with_metrics(const std::string& event, const Trainer& trainer) const {
  // One of the two callbacks also notes what the metrics are.
  add(event, name_ == "B" ? Json{{"metrics", metrics_of(trainer)}} : Json());
}
void RecordedCallback::on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t i) {
  add("on_train_batch_start" + at(i));
}
void RecordedCallback::on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t i) {
  add_with_metrics("on_train_batch_end" + at(i), trainer);
}
void RecordedCallback::on_validation_batch_start(Trainer&, Module&, const AnyRef&, int64_t i, int64_t loader) {
  add("on_validation_batch_start" + at(i, loader));
}
void RecordedCallback::on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t i,
                                               int64_t loader) {
  add("on_validation_batch_end" + at(i, loader));
}
void RecordedCallback::on_test_batch_start(Trainer&, Module&, const AnyRef&, int64_t i, int64_t loader) {
  add("on_test_batch_start" + at(i, loader));
}
void RecordedCallback::on_test_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t i,
                                         int64_t loader) {
  add("on_test_batch_end" + at(i, loader));
}
void RecordedCallback::on_predict_batch_start(Trainer&, Module&, const AnyRef&, int64_t i, int64_t loader) {
  add("on_predict_batch_start" + at(i, loader));
}
void RecordedCallback::on_predict_batch_end(Trainer&, Module&, const AnyRef&, const AnyRef&, int64_t i,
                                            int64_t loader) {
  add("on_predict_batch_end" + at(i, loader));
}

void RecordedLogger::log_metrics(const Metrics& row, int64_t step) {
  Json values = Json::object(), with_step{{"step", step}};
  for (const auto& [name, value] : row) values[name] = with_step[name] = value;
  recorder_.add("logger.log_metrics", {{"step", step}, {"metrics", values}});
  rows.push_back(with_step);
}
void RecordedLogger::log_hyperparams(const std::string& json) {
  recorder_.add("logger.log_hyperparams", {{"params", Json::parse(json)}});
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fulmen_test_XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}
std::vector<std::string> TemporaryFolder::files() const {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    if (entry.is_regular_file()) all.push_back(std::filesystem::relative(entry.path(), path_).string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace fulmen::trainer::testing
