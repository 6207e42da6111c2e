#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/callbacks/calibration.h>
#include <fulmen/trainer/callbacks/exception_checkpoint.h>
#include <fulmen/trainer/callbacks/lambda.h>
#include <fulmen/trainer/callbacks/monitors.h>
#include <fulmen/trainer/callbacks/profiler.h>
#include <fulmen/trainer/early_stopping.h>
#include <tests/message_of.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;

class Rows : public Logger {
 public:
  void log_metrics(const Metrics& row, int64_t step) override { rows.emplace_back(step, row); }
  std::vector<std::pair<int64_t, Metrics>> rows;
};

std::shared_ptr<SmallModel> model() {
  manual_seed(1);
  auto made = std::make_shared<SmallModel>(SmallModel::Hparams{});
  fit_target(*made);
  return made;
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("Profiler: counts, times, a table and a time line") {
    TemporaryFolder folder;
    auto profiler = std::make_shared<Profiler>(
        ProfilerOptions{.filename = folder.path("table.txt"), .chrome_trace = folder.path("trace.json")});
    TrainerOptions options = quiet(2);
    options.callbacks = {profiler};
    auto net = model();
    Trainer(options).fit(*net, plane(true), plane(false));
    std::map<std::string, Profiler::Action> by_name;
    for (const Profiler::Action& action : profiler->actions()) by_name[action.name] = action;
    CHECK(by_name["fit"].calls == 1);
    CHECK(by_name["training epoch"].calls == 2);
    for (const char* name : {"training batch", "training_step", "backward", "optimizer step"}) {
      CAPTURE(name);
      CHECK(by_name[name].calls == 16);
      CHECK(by_name[name].seconds > 0);
    }
    CHECK(by_name["validation"].calls == 3);        // with the sanity check
    CHECK(by_name["validation_step"].calls == 18);  // 2 + 8 + 8
    CHECK(by_name["training_step"].seconds + by_name["backward"].seconds < by_name["training batch"].seconds);
    CHECK(by_name["training epoch"].seconds <= by_name["fit"].seconds);

    const std::string text = contents(folder.path("table.txt"));
    CHECK(mentions(text, "Action"));
    CHECK(mentions(text, "Mean [s]       Calls     Total [s]         %"));
    CHECK(mentions(text, "optimizer step"));
    const auto trace = nlohmann::json::parse(std::ifstream(folder.path("trace.json")));
    std::map<std::string, int> events;
    for (const auto& event : trace["traceEvents"]) {
      if (event["ph"] == "X") ++events[event["name"]];
    }
    CHECK(events["backward"] == 16);
    CHECK(events["fit"] == 1);
    CHECK(trace["otherData"]["dropped"] == 0);
  }

  TEST_CASE("Profiler: one's own actions, within themselves too") {
    Profiler profiler;
    {
      const auto outer = profiler.profile("work");
      const auto inner = profiler.profile("work");
    }
    CHECK(profiler.actions().at(0).calls == 2);
    CHECK(mentions(message_of([&] { profiler.stop("rest"); }), "Profiler: stop(\"rest\") without start()"));
  }

  TEST_CASE("LambdaCallback runs the functions that it has") {
    int starts = 0, ends = 0, batches = 0, steps = 0;
    TrainerOptions options = quiet(2);
    options.callbacks = {std::make_shared<LambdaCallback>(LambdaCallback::Functions{
        .setup = [&](Trainer&, AnyLightningModule&, Stage stage) { starts += stage == Stage::Fit; },
        .on_train_epoch_end = [&](Trainer&, AnyLightningModule&) { ++ends; },
        .on_train_batch_end = [&](Trainer&, AnyLightningModule&, const StepOutput& output, const AnyRef&,
                                  int64_t) { batches += output.loss().defined(); },
        .on_before_optimizer_step = [&](Trainer&, AnyLightningModule&, optim::Optimizer&) { ++steps; }})};
    auto net = model();
    Trainer(options).fit(*net, plane(true));
    CHECK(starts == 1);
    CHECK(ends == 2);
    CHECK(batches == 16);
    CHECK(steps == 16);
  }

  TEST_CASE("DeviceStatsMonitor and ThroughputMonitor send their rows") {
    auto rows = std::make_shared<Rows>();
    TrainerOptions options = quiet(2);
    options.logger = true;
    options.loggers = {rows};
    options.log_every_n_steps = 4;
    options.callbacks = {std::make_shared<DeviceStatsMonitor>(), std::make_shared<ThroughputMonitor>(3)};
    auto net = model();
    Trainer(options).fit(*net, plane(true), plane(false));
    int device = 0, speed = 0;
    for (const auto& [step, row] : rows->rows) {
      if (const double* bytes = row.find("device/rss_bytes")) {
        ++device;
        CHECK(*bytes > 1e6);
        CHECK(row["device/tensors_bytes"] > 0);
        CHECK(row["device/cpu_seconds"] > 0);
      }
      if (row.contains("throughput/samples")) {
        ++speed;
        CHECK(row["throughput/batches"] == static_cast<double>(step + 1));
        CHECK(row["throughput/samples_per_second"] > row["throughput/batches_per_second"]);
      }
    }
    CHECK(device == 4 + 2);
    CHECK(speed == 4);
    CHECK(rows->rows.back().second.contains("epoch"));
    CHECK(mentions(message_of([] { ThroughputMonitor(0); }), "E016: ThroughputMonitor: window is 0"));
  }

  TEST_CASE("OnExceptionCheckpoint: a run that broke can go on") {
    TemporaryFolder folder;
    class Breaks : public SmallModel {
     public:
      using SmallModel::SmallModel;
      StepOutput training_step(const Batch& batch, int64_t i) override {
        if (global_step() == stop) throw Error("out of luck");
        return SmallModel::training_step(batch, i);
      }
      int64_t stop = -1;
    };
    const auto make = [] {
      manual_seed(1);
      auto made = std::make_shared<Breaks>(SmallModel::Hparams{.dropout = 0});
      fit_target(*made);
      return made;
    };
    auto broken = make(), resumed = make();
    auto saver = std::make_shared<OnExceptionCheckpoint>(folder.path("errors"));
    TrainerOptions options = quiet(3);
    options.callbacks = {saver};
    broken->stop = 11;
    CHECK(mentions(message_of([&] { Trainer(options).fit(*broken, plane(true)); }), "out of luck"));
    CHECK(folder.files() == std::vector<std::string>{"errors/on_exception.ckpt"});
    const Checkpoint saved = read_checkpoint(saver->ckpt_path());
    for (const auto& item : broken->named_parameters()) CHECK(item.value().equal(saved.weights[item.key()]));
    Trainer trainer(quiet(3));
    trainer.fit(*resumed, plane(true), {.ckpt_path = saver->ckpt_path()});
    CHECK(trainer.current_epoch() == 3);
    CHECK(trainer.global_step() >= 23);

    auto by_itself = make();
    Trainer goes_on(options);
    goes_on.fit(*by_itself, plane(true));
    CHECK(goes_on.ckpt_path() == saver->ckpt_path());
    CHECK(by_itself->state_dict()["net.0.weight"].equal(resumed->state_dict()["net.0.weight"]));
    CHECK(folder.files().empty());
    Trainer begins(options);
    begins.fit(*make(), plane(true));
    CHECK(begins.ckpt_path().empty());
    CHECK(mentions(message_of([] { OnExceptionCheckpoint("x", ""); }), "E016"));
  }

  TEST_CASE("EarlyStopping: a metric that is not finite, unless check_finite is false") {
    struct Diverges : SmallModel {
      Diverges() : SmallModel(Hparams{}) { fit_target(*this); }
      void on_train_epoch_end() override { log("score", current_epoch() == 1 ? INFINITY : 1.0); }
    };
    for (const bool check_finite : {true, false}) {
      Diverges model;
      const auto stopping = std::make_shared<EarlyStopping>(
          EarlyStoppingOptions{.monitor = "score", .patience = 9, .check_finite = check_finite});
      TrainerOptions options = quiet(4);
      options.callbacks = {stopping};
      Trainer trainer(options);
      trainer.fit(model, plane(false));
      CHECK(trainer.current_epoch() == (check_finite ? 2 : 4));
      CHECK((stopping->stopping_reason() == EarlyStopping::Reason::NotFinite) == check_finite);
    }
  }

  TEST_CASE("ModelCheckpoint: after every so much time") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    auto files_after = [&](const std::string& interval) {
      TrainerOptions options = quiet(1);
      options.callbacks = {std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = folder.path(interval),
                                                                                    .monitor = "train_loss",
                                                                                    .save_top_k = -1,
                                                                                    .train_time_interval = interval})};
      options.enable_checkpointing = true;
      const size_t before = folder.files().size();
      Trainer(options).fit(model, plane(false));
      return folder.files().size() - before;
    };
    CHECK(files_after("00:00:00:00") == 8);
    CHECK(files_after("01:00:00:00") == 0);
  }

  TEST_CASE("the trainer knows how many batches every stage sees") {
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    TrainerOptions options = quiet(1);
    options.num_sanity_val_steps = 3;
    options.limit_val_batches = 0.5;
    Trainer trainer(options);
    trainer.fit(model, plane(false), plane(false));
    CHECK(trainer.num_training_batches() == 8);
    CHECK(trainer.num_val_batches() == std::vector<int64_t>{4});
    CHECK(trainer.num_sanity_val_batches() == std::vector<int64_t>{3});
    CHECK(trainer.num_test_batches().empty());
    options.limit_predict_batches = 2;
    Trainer predicting(options);
    predicting.predict(model, plane(false));
    CHECK(predicting.num_predict_batches() == std::vector<int64_t>{2});
  }

  TEST_CASE("classify: probabilities, label, confidence and entropy of every row") {
    const Tensor logits = tensor({0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 2.0, 1.0, 0.0}, kFloat).reshape({3, 3});
    const ClassPrediction p = classify(logits);
    CHECK(p.label.to(kLong).select(0, 1).item<int64_t>() == 1);
    CHECK(p.label.select(0, 2).item<int64_t>() == 0);
    CHECK(p.probabilities.sum({1}).allclose(ones({3})));
    CHECK(p.entropy.select(0, 0).item<double>() == doctest::Approx(std::log(3.0)).epsilon(1e-6));
    CHECK(p.entropy.select(0, 1).item<double>() < 1e-30);
    CHECK(p.confidence.select(0, 0).item<double>() == doctest::Approx(1 / 3.0).epsilon(1e-6));
    const ClassPrediction cooler = classify(logits, 2.0);
    CHECK(cooler.confidence.select(0, 2).item<double>() < p.confidence.select(0, 2).item<double>());
    CHECK(cooler.label.equal(p.label));
    const Tensor impossible = tensor({1.0, -HUGE_VAL}, kFloat).reshape({1, 2});
    CHECK(classify(impossible).entropy.item<double>() == 0);
    CHECK(mentions(message_of([&] { classify(logits, 0.0); }), "E016: classify: temperature is 0"));
    CHECK(mentions(message_of([&] { classify(logits.flatten()); }), "classify: expected logits [n, classes]"));
    CHECK(concat(std::vector<ClassPrediction>{p, cooler}).label.size(0) == 6);
    // Rows 1 and 2 are right and all but certain of it or 0.665 sure; row 0 is right with a probability of 1 / 3.
    const Metrics score = classification_score(p, tensor({0, 1, 0}, kLong), "test_");
    CHECK(score["test_accuracy"] == 1);
    CHECK(score["test_loss"] == doctest::Approx((std::log(3.0) + 0.40760596) / 3).epsilon(1e-5));
    CHECK(score["test_calibration_error"] == doctest::Approx((2 / 3.0 + 0.33475906) / 3).epsilon(1e-4));
    CHECK(mentions(message_of([&] { classification_score(p, tensor({0}, kLong)); }), "expected probabilities"));
  }

  TEST_CASE("Temperature: the least negative log likelihood, found and stored") {
    // Labels drawn from softmax(z), logits 3 z: the temperature is 3, but for the noise of 4000 samples.
    manual_seed(5);
    const Tensor z = randn({4000, 4}, kDouble);
    const Tensor labels = multinomial(softmax(z, 1), 1).squeeze(1), logits = z * Scalar(3.0);
    Temperature temperature, copy = temperature;
    CHECK(temperature.value() == 1);
    temperature.fit(logits, labels);
    CHECK(copy.value() == temperature.value());
    CHECK(temperature.value() == doctest::Approx(3).epsilon(0.1));
    // A label is right with a probability of 4001 in 4002; PyTorch's smoothing counts it among those it spreads.
    const auto smoothing = nn::functional::CrossEntropyFuncOptions().label_smoothing(4.0 / 3 / 4002);
    const auto loss = [&](double t) {
      return nn::functional::cross_entropy(logits / Scalar(t), labels, smoothing).item<double>();
    };
    for (double factor : {0.999, 0.99, 0.5, 1.001, 1.01, 2.0}) {
      CHECK(loss(temperature.value()) <= loss(temperature.value() * factor));
    }
    Temperature loaded;
    loaded.load_state(temperature.state());
    CHECK(loaded.value() == temperature.value());
    CHECK(loaded.fitted());
    // Two of two answers are right: 3 in 4 will be, exp(5 / t) = 3.
    Temperature sure;
    sure.fit(tensor({5.0, 0.0, 0.0, 5.0}, kDouble).reshape({2, 2}), tensor({0, 1}, kLong));
    CHECK(sure.value() == doctest::Approx(5 / std::log(3.0)).epsilon(1e-9));
    CHECK(mentions(message_of([&] { sure.fit(logits, labels.narrow(0, 0, 3)); }), "E007: Temperature"));
    CHECK(mentions(message_of([&] { sure.fit(zeros({1, 2}), tensor({2}, kLong)); }), "E008: Temperature"));
  }

  TEST_CASE("CalibrateTemperature fits to each validation, and the checkpoint keeps it") {
    struct Classifier : LightningModule<data::Example<>, ClassPrediction> {
      StepOutput training_step(const data::Example<>& batch, int64_t) override {
        return nn::functional::cross_entropy(net->forward(batch.data), batch.target);
      }
      StepOutput validation_step(const data::Example<>& batch, int64_t, int64_t) override {
        return Dict{{"logits", net->forward(batch.data) * Scalar(10.0)}, {"target", batch.target}};
      }
      ClassPrediction predict_step(const data::Example<>& batch, int64_t, int64_t) override {
        return classify(net->forward(batch.data) * Scalar(10.0), temperature);
      }
      Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.1); }
      Temperature temperature = register_transform("temperature", Temperature());
      nn::Linear net = register_module("net", nn::Linear(2, 3));
    };
    manual_seed(4);
    const Tensor x = randn({60, 2}), y = randint(0, 3, {60}).to(kLong);
    const data::DataLoader<data::Example<>> loader(data::Example<>(x, y), {.batch_size = 7});
    Classifier net;
    TemporaryFolder folder;
    TrainerOptions options = quiet(2);
    options.callbacks = {std::make_shared<CalibrateTemperature>(net.temperature)};
    Trainer trainer(options);
    trainer.fit(net, loader, loader);
    CHECK(net.temperature.fitted());
    Temperature by_hand;
    by_hand.fit(net.net->forward(x) * Scalar(10.0), y);
    CHECK(net.temperature.value() == doctest::Approx(by_hand.value()).epsilon(1e-6));
    trainer.save_checkpoint(folder.path("a.ckpt"));
    const auto loaded = load_from_checkpoint<Classifier>(folder.path("a.ckpt"));
    CHECK(loaded->temperature.value() == net.temperature.value());
    const auto predictions = concat(trainer.predict(*loaded, loader));
    CHECK(predictions.label.size(0) == 60);
    CHECK(predictions.confidence.mean().item<double>() < 0.9);
  }
}

}  // namespace fulmen::trainer::testing
