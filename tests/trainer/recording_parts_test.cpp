#include <fulmen/autograd/ops/creation.h>
#include <fulmen/data/combined.h>
#include <fulmen/optim/lbfgs.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "recording.h"

// What is recorded beside the module: data module, callbacks, logger.
namespace fulmen::trainer::testing {
namespace {

std::string at(int64_t i) { return " batch_idx=" + std::to_string(i); }
std::string at(int64_t i, int64_t loader) { return at(i) + " dataloader_idx=" + std::to_string(loader); }
std::string of_loader(const char* hook, int64_t loader) {
  return std::string(hook) + " dataloader_idx=" + std::to_string(loader);
}

}  // namespace

// --- data
// -------------------------------------------------------------------------------------------------------------

static Batch samples_of(int64_t first, int64_t samples, ScalarType dtype = kFloat) {
  Tensor x = empty({samples, 2}), y = empty({samples, 1});
  for (int64_t i = 0; i < samples; ++i) {
    x.data_ptr<float>()[2 * i] = static_cast<float>(first + i);
    x.data_ptr<float>()[2 * i + 1] = static_cast<float>(first + i + 1);
    y.data_ptr<float>()[i] = static_cast<float>(first + i);
  }
  return Batch(x.to(dtype), y.to(dtype));
}
ScalarType dtype_of(const Json& plan) { return plan.value("double", false) ? kDouble : kFloat; }

data::DataLoader<Batch> loader_of(int64_t first, int64_t samples, bool shuffle, ScalarType dtype) {
  return data::DataLoader<Batch>(samples_of(first, samples, dtype), {.batch_size = 2, .shuffle = shuffle});
}

std::vector<RecordedLoader> planned_loaders(const Json& sizes, const Json& plan) {
  std::vector<RecordedLoader> loaders;
  for (const Json& size : sizes) {
    const auto first = static_cast<int64_t>(10 * loaders.size());
    loaders.push_back(
        RecordedLoader(RecordedBatch{samples_of(first, size.get<int64_t>(), dtype_of(plan))}, {.batch_size = 2}));
  }
  return loaders;
}

RecordedLoader planned_train_loader(const Json& plan) {
  if (const auto mode = plan.find("combined"); mode != plan.end()) {
    return data::combine<RecordedBatch>(data::combine_mode(mode->get<std::string>()),
                                        loader_of(0, 7, false, dtype_of(plan)),
                                        loader_of(20, 3, false, dtype_of(plan)));
  }
  return RecordedLoader(RecordedBatch{samples_of(0, plan.value("train", int64_t{7}), dtype_of(plan))},
                        {.batch_size = 2, .shuffle = plan.value("shuffle", false)});
}

// --- data module -----------------------------------------------------------------------------------------------------

std::string RecordedDataModule::state_dict() const {
  add("state_dict");
  return R"({"dm": 1})";
}
void RecordedDataModule::load_state_dict(const std::string& json) {
  add("load_state_dict", {{"state", Json::parse(json)}});
}
RecordedLoader RecordedDataModule::train_dataloader() {
  add("train_dataloader");
  return planned_train_loader(plan_);
}
std::vector<RecordedLoader> RecordedDataModule::val_dataloader() {
  add("val_dataloader");
  return planned_loaders(plan_.value("val", Json{5}), plan_);
}
std::vector<RecordedLoader> RecordedDataModule::test_dataloader() {
  add("test_dataloader");
  return planned_loaders(plan_.value("test", Json{4}), plan_);
}
std::vector<RecordedLoader> RecordedDataModule::predict_dataloader() {
  add("predict_dataloader");
  return planned_loaders(plan_.value("predict", Json{3}), plan_);
}
RecordedBatch RecordedDataModule::on_before_batch_transfer(RecordedBatch batch, int64_t loader) {
  add(of_loader("on_before_batch_transfer", loader));
  return batch;
}
RecordedBatch RecordedDataModule::transfer_batch_to_device(RecordedBatch batch, Device device, int64_t loader) {
  add(of_loader("transfer_batch_to_device", loader));
  return DataModule::transfer_batch_to_device(std::move(batch), device, loader);
}
RecordedBatch RecordedDataModule::on_after_batch_transfer(RecordedBatch batch, int64_t loader) {
  add(of_loader("on_after_batch_transfer", loader));
  return batch;
}

// --- callbacks -------------------------------------------------------------------------------------------------------

std::string RecordedCallback::state_dict() const {
  add("state_dict");
  return Json{{"tag", name_}}.dump();
}
void RecordedCallback::load_state_dict(const std::string& json) {
  add("load_state_dict", {{"state", Json::parse(json)}});
}
void RecordedCallback::log_as_planned(const std::string& hook, Module& module) const {
  if (std::find(logs_.begin(), logs_.end(), hook) != logs_.end()) module.log(name_ + "_" + hook, 1.0);
}
void RecordedCallback::add_and_log(const std::string& hook, Module& module) const {
  add(hook);
  log_as_planned(hook, module);
}
void RecordedCallback::add_with_metrics(const std::string& event, const Trainer& trainer) const {
  // One of the callbacks also notes what the metrics are.
  add(event, name_ == "B" ? Json{{"metrics", metrics_of(trainer)}} : Json());
}
void RecordedCallback::on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t i) {
  add("on_train_batch_start" + at(i));
}
void RecordedCallback::on_train_batch_end(Trainer& trainer, Module& module, const StepOutput&, const AnyRef&,
                                          int64_t i) {
  add_with_metrics("on_train_batch_end" + at(i), trainer);
  log_as_planned("on_train_batch_end", module);
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

// --- logger ----------------------------------------------------------------------------------------------------------

void RecordedLogger::log_metrics(const Metrics& row, int64_t step) {
  Json values = Json::object(), with_step{{"step", step}};
  for (const auto& [name, value] : row) values[name] = with_step[name] = value;
  recorder_.add("logger.log_metrics", {{"step", step}, {"metrics", values}});
  rows.push_back(with_step);
}
void RecordedLogger::log_hyperparams(const std::string& json) {
  recorder_.add("logger.log_hyperparams", {{"params", Json::parse(json)}});
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
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
    if (entry.is_regular_file()) all.push_back(entry.path().lexically_relative(path_).string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::shared_ptr<optim::Optimizer> planned_optimizer(const Json& o, double lr, const std::vector<Tensor>& parameters) {
  FULMEN_CHECK(o["kind"] == "LBFGS", "replay: there is no optimizer ", o["kind"].get<std::string>());
  optim::LBFGSOptions options(lr);
  options.max_iter(o.value("max_iter", int64_t{20})).history_size(o.value("history_size", int64_t{100}));
  if (o.contains("line_search_fn")) options.line_search_fn(o["line_search_fn"].get<std::string>());
  return std::make_shared<optim::LBFGS>(parameters, options);
}

}  // namespace fulmen::trainer::testing
