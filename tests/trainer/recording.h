#pragma once
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/data/loader.h>
#include <fulmen/nn/linear.h>
#include <fulmen/optim/sgd.h>
#include <fulmen/trainer/trainer.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

// A module, callbacks, a data module and a logger that write down every hook, in the form of recorded Lightning runs:
// `module.on_train_batch_end batch_idx=0 | e=0 s=1 train T G | {...}` is who.hook arguments | epoch, step, stage,
// training or evaluation mode, gradient mode | values. The model is Linear(2, 1) with fixed weights, x = [i, i + 1], y
// = [i]. What a module does beyond that is its plan (tests/trainer/recordings/README.md).
namespace fulmen::trainer::testing {

using Json = nlohmann::json;
using Batch = data::Example<>;

/// A batch of one loader, or of two at once.
struct RecordedBatch {
  Batch a;
  std::optional<Batch> b = {};
};
using RecordedLoader = data::DataLoader<RecordedBatch>;

struct Recorder {
  std::vector<std::string> lines;
  Trainer* trainer = nullptr;
  nn::Module* module = nullptr;
  std::string folder;  ///< of the checkpoints

  void add(const std::string& event, const Json& values = {});
  /// Puts `trainer.save_checkpoint` before the events that belong to it.
  void saved(const std::string& path);

 private:
  void note_removed();
  std::string context() const;
  std::set<std::string> files_;
};

Json list_of(const Tensor& tensor);
Json metrics_of(const Trainer& trainer);
data::DataLoader<Batch> loader_of(int64_t first, int64_t samples, bool shuffle = false, ScalarType dtype = kFloat);

class RecordedModule : public LightningModule<RecordedBatch, Tensor> {
 public:
  struct Hparams {
    double lr = 0.01, momentum = 0;
    std::string kind = {};
    void fields(auto&& f) {
      f("lr", lr), f("momentum", momentum);
      if (!kind.empty()) f("kind", kind);
    }
  };
  RecordedModule(Recorder& recorder, Json plan);

  StepOutput training_step(const RecordedBatch& batch, int64_t batch_idx) override;
  StepOutput validation_step(const RecordedBatch& batch, int64_t batch_idx, int64_t loader) override;
  StepOutput test_step(const RecordedBatch& batch, int64_t batch_idx, int64_t loader) override;
  Tensor predict_step(const RecordedBatch& batch, int64_t batch_idx, int64_t loader) override;
  Optimizers configure_optimizers() override;
  std::vector<std::shared_ptr<Callback>> configure_callbacks() override;
  Loader train_dataloader() override;
  std::vector<Loader> val_dataloader() override;
  std::vector<Loader> test_dataloader() override;
  std::vector<Loader> predict_dataloader() override;

  void optimizer_step(int64_t epoch, int64_t batch_idx, optim::Optimizer& optimizer,
                      const optim::Optimizer::LossClosure& closure) override;
  void optimizer_zero_grad(int64_t epoch, int64_t batch_idx, optim::Optimizer& optimizer) override;
  void backward(const Tensor& loss) override;
  void configure_gradient_clipping(optim::Optimizer& optimizer, std::optional<double> value,
                                   ClipAlgorithm algorithm) override;
  void lr_scheduler_step(const Optimizers::Scheduled& scheduled, std::optional<double> metric) override;
  RecordedBatch on_before_batch_transfer(RecordedBatch batch, int64_t loader) override;
  RecordedBatch transfer_batch_to_device(RecordedBatch batch, Device device, int64_t loader) override;
  RecordedBatch on_after_batch_transfer(RecordedBatch batch, int64_t loader) override;

  int on_train_batch_start(const RecordedBatch&, int64_t batch_idx) override;
  void on_train_batch_end(const StepOutput& output, const RecordedBatch&, int64_t batch_idx) override;
  void on_validation_batch_start(const RecordedBatch&, int64_t batch_idx, int64_t loader) override;
  void on_validation_batch_end(const StepOutput&, const RecordedBatch&, int64_t batch_idx, int64_t loader) override;
  void on_test_batch_start(const RecordedBatch&, int64_t batch_idx, int64_t loader) override;
  void on_test_batch_end(const StepOutput&, const RecordedBatch&, int64_t batch_idx, int64_t loader) override;
  void on_predict_batch_start(const RecordedBatch&, int64_t batch_idx, int64_t loader) override;
  void on_predict_batch_end(const Tensor&, const RecordedBatch&, int64_t batch_idx, int64_t loader) override;

  void on_before_zero_grad(optim::Optimizer&) override { add("on_before_zero_grad"); }
  void on_before_backward(const Tensor& loss) override;
  void on_after_backward() override { add("on_after_backward", {{"grad", gradients()}}); }
  void on_before_optimizer_step(optim::Optimizer&) override;
  void setup(Stage stage) override { add(std::string("setup stage=") + stage_name(stage)); }
  void teardown(Stage stage) override { add(std::string("teardown stage=") + stage_name(stage)); }
  void on_save_checkpoint(Checkpoint&) override { add("on_save_checkpoint"); }
  void on_load_checkpoint(const Checkpoint&) override { add("on_load_checkpoint"); }

#define RECORDED(hook) \
  void hook() override { add_and_log(#hook); }
#define RECORDED_VERB(hook)     \
  void hook() override {        \
    add(#hook);                 \
    AnyLightningModule::hook(); \
  }
  RECORDED(prepare_data)
  RECORDED(configure_model)
  RECORDED(on_fit_start)
  RECORDED(on_fit_end)
  RECORDED(on_train_start)
  RECORDED(on_train_end)
  RECORDED(on_train_epoch_start)
  RECORDED(on_train_epoch_end)
  RECORDED(on_validation_start)
  RECORDED(on_validation_end)
  RECORDED(on_validation_epoch_start)
  RECORDED(on_validation_epoch_end)
  RECORDED(on_test_start)
  RECORDED(on_test_end)
  RECORDED(on_test_epoch_start)
  RECORDED(on_test_epoch_end)
  RECORDED(on_predict_start)
  RECORDED(on_predict_end)
  RECORDED(on_predict_epoch_start)
  RECORDED(on_predict_epoch_end)
  RECORDED_VERB(on_validation_model_zero_grad)
  RECORDED_VERB(on_validation_model_eval)
  RECORDED_VERB(on_test_model_eval)
  RECORDED_VERB(on_predict_model_eval)
#undef RECORDED
#undef RECORDED_VERB
  void on_validation_model_train() override {
    add("on_validation_model_train");
    train();
  }
  void on_test_model_train() override {
    add("on_test_model_train");
    train();
  }

  /// layer->forward(x), rounded as on the machine of the recordings: products first, and no fused multiply-add.
  Tensor forward(const Tensor& x);
  Json weights() const;
  Json gradients() const;
  const Json& plan() const { return plan_; }

  Hparams hp;
  nn::Linear layer{nullptr};

 private:
  void add(const std::string& event, const Json& values = {}) { recorder_.add("module." + event, values); }
  /// Reports what the plan's "log" says for this hook.
  void log_as_planned(const std::string& hook, double loss = 0, int64_t batch_idx = 0);
  void add_and_log(const std::string& hook);
  double learning_rate() const;
  bool planned_at(const char* what, int64_t batch_idx) const;
  Tensor loss_of(const RecordedBatch& batch);
  void learn_manually(const Tensor& loss, int64_t batch_idx);
  std::vector<Loader> loaders(const char* which, const std::vector<int64_t>& otherwise);

  Recorder& recorder_;
  Json plan_;
};

/// The optimizer of a plan's "optimizer".
std::shared_ptr<optim::Optimizer> planned_optimizer(const Json& plan, double lr, const std::vector<Tensor>& parameters);

ScalarType dtype_of(const Json& plan);

/// The loaders that a plan names: "val": [5, 3] are two, with 5 samples and with 3.
std::vector<RecordedLoader> planned_loaders(const Json& sizes, const Json& plan);
RecordedLoader planned_train_loader(const Json& plan);

class RecordedDataModule : public DataModule<RecordedBatch> {
 public:
  RecordedDataModule(Recorder& recorder, Json plan) : recorder_(recorder), plan_(std::move(plan)) {}
  void prepare_data() override { add("prepare_data"); }
  void setup(Stage stage) override { add(std::string("setup stage=") + stage_name(stage)); }
  void teardown(Stage stage) override { add(std::string("teardown stage=") + stage_name(stage)); }
  void on_exception(const std::exception&) override { add("on_exception"); }
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;
  Loader train_dataloader() override;
  std::vector<Loader> val_dataloader() override;
  std::vector<Loader> test_dataloader() override;
  std::vector<Loader> predict_dataloader() override;
  RecordedBatch on_before_batch_transfer(RecordedBatch batch, int64_t loader) override;
  RecordedBatch transfer_batch_to_device(RecordedBatch batch, Device device, int64_t loader) override;
  RecordedBatch on_after_batch_transfer(RecordedBatch batch, int64_t loader) override;

 private:
  void add(const std::string& event, const Json& values = {}) const { recorder_.add("datamodule." + event, values); }
  Recorder& recorder_;
  Json plan_;
};

class RecordedCallback : public Callback {
 public:
  /// `logs`: hooks in which it logs `<name>_<hook>` = 1.
  RecordedCallback(Recorder& recorder, std::string name, std::vector<std::string> logs = {})
      : recorder_(recorder), name_(std::move(name)), logs_(std::move(logs)) {}
  std::string state_key() const override { return name_; }
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;
  void setup(Trainer&, Module&, Stage stage) override { add(std::string("setup stage=") + stage_name(stage)); }
  void teardown(Trainer&, Module&, Stage stage) override { add(std::string("teardown stage=") + stage_name(stage)); }
  void on_train_batch_start(Trainer&, Module&, const AnyRef&, int64_t i) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t i) override;
  void on_validation_batch_start(Trainer&, Module&, const AnyRef&, int64_t i, int64_t loader) override;
  void on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t i, int64_t loader) override;
  void on_test_batch_start(Trainer&, Module&, const AnyRef&, int64_t i, int64_t loader) override;
  void on_test_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t i, int64_t loader) override;
  void on_predict_batch_start(Trainer&, Module&, const AnyRef&, int64_t i, int64_t loader) override;
  void on_predict_batch_end(Trainer&, Module&, const AnyRef&, const AnyRef&, int64_t i, int64_t loader) override;
  void on_before_zero_grad(Trainer&, Module&, optim::Optimizer&) override { add("on_before_zero_grad"); }
  void on_before_backward(Trainer&, Module&, const Tensor&) override { add("on_before_backward"); }
  void on_after_backward(Trainer&, Module&) override { add("on_after_backward"); }
  void on_before_optimizer_step(Trainer&, Module&, optim::Optimizer&) override { add("on_before_optimizer_step"); }
  void on_exception(Trainer&, Module&, const std::exception&) override { add("on_exception"); }
  void on_save_checkpoint(Trainer&, Module&, Checkpoint&) override { add("on_save_checkpoint"); }
  void on_load_checkpoint(Trainer&, Module&, const Checkpoint&) override { add("on_load_checkpoint"); }

#define RECORDED(hook) \
  void hook(Trainer&, Module& module) override { add_and_log(#hook, module); }
#define RECORDED_WITH_METRICS(hook)                      \
  void hook(Trainer& trainer, Module& module) override { \
    add_with_metrics(#hook, trainer);                    \
    log_as_planned(#hook, module);                       \
  }
  RECORDED(on_fit_start)
  RECORDED(on_fit_end)
  RECORDED(on_sanity_check_start)
  RECORDED(on_sanity_check_end)
  RECORDED(on_train_start)
  RECORDED_WITH_METRICS(on_train_end)
  RECORDED(on_train_epoch_start)
  RECORDED_WITH_METRICS(on_train_epoch_end)
  RECORDED(on_validation_start)
  RECORDED_WITH_METRICS(on_validation_end)
  RECORDED(on_validation_epoch_start)
  RECORDED_WITH_METRICS(on_validation_epoch_end)
  RECORDED(on_test_start)
  RECORDED_WITH_METRICS(on_test_end)
  RECORDED(on_test_epoch_start)
  RECORDED(on_test_epoch_end)
  RECORDED(on_predict_start)
  RECORDED(on_predict_end)
  RECORDED(on_predict_epoch_start)
  RECORDED(on_predict_epoch_end)
#undef RECORDED
#undef RECORDED_WITH_METRICS

 private:
  void add(const std::string& event, const Json& values = {}) const { recorder_.add(name_ + "." + event, values); }
  void add_with_metrics(const std::string& event, const Trainer& trainer) const;
  void log_as_planned(const std::string& hook, Module& module) const;
  void add_and_log(const std::string& hook, Module& module) const;
  Recorder& recorder_;
  std::string name_;
  std::vector<std::string> logs_;
};

class RecordedLogger : public Logger {
 public:
  RecordedLogger(Recorder& recorder, std::string dir) : recorder_(recorder), dir_(std::move(dir)) {}
  void log_metrics(const Metrics& row, int64_t step) override;
  void log_hyperparams(const std::string& json) override;
  void after_save_checkpoint(const std::string& path) override {
    recorder_.saved(path);
    // Ours are told of every checkpoint, Lightning's of those of a ModelCheckpoint.
    if (!path.ends_with("on_exception.ckpt")) recorder_.add("logger.after_save_checkpoint");
  }
  void finalize(const std::string& status) override { recorder_.add("logger.finalize", {{"status", status}}); }
  std::string log_dir() override { return dir_; }
  Json rows = Json::array();

 private:
  Recorder& recorder_;
  std::string dir_;
};

/// A folder that is deleted at the end of a test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  /// Paths of all files in it, relative and sorted.
  std::vector<std::string> files() const;

 private:
  std::string path_;
};

/// All bytes of a file.
std::string contents(const std::string& path);

}  // namespace fulmen::trainer::testing
