#include <doctest/doctest.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/metric_book.h>
#include <sys/stat.h>
#include <tests/message_of.h>

#include <fstream>

#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::message_of;

MetricBook in(const char* hook, LogRule rule) {
  MetricBook book;
  book.site = {hook, rule};
  return book;
}

/// Logs whatever a test wants, in the steps of a small fit.
class Logging : public SmallModel {
 public:
  Logging() : SmallModel(Hparams{.dropout = 0}) { fit_target(*this); }
  StepOutput training_step(const Batch& batch, int64_t i) override {
    if (in_training) in_training(i);
    return SmallModel::training_step(batch, i);
  }
  void on_fit_start() override {
    if (in_fit_start) in_fit_start();
  }
  void on_train_epoch_start() override {
    if (in_epoch_start) in_epoch_start();
  }
  Tensor predict_step(const Batch& batch, int64_t i, int64_t loader) override {
    if (in_predict) in_predict();
    return SmallModel::predict_step(batch, i, loader);
  }
  AnyFunction<void(int64_t)> in_training;
  AnyFunction<void()> in_fit_start, in_epoch_start, in_predict;
};

class Rows : public Logger {
 public:
  void log_metrics(const Metrics& row, int64_t step) override { rows.emplace_back(step, row); }
  std::vector<std::pair<int64_t, Metrics>> rows;
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("means weigh values by batch size, unless told otherwise (the recorded case c24)") {
    // Five validation samples in batches of 2, 2 and 1, with these losses.
    const double losses[] = {0.25848740339279175, 0.10787986218929291, 0.03591218218207359};
    const int64_t sizes[] = {2, 2, 1};
    MetricBook weighted = in("validation_step", LogRule::PerEpoch), plain = weighted;
    for (int i = 0; i < 3; ++i) {
      weighted.batch_size = plain.batch_size = sizes[i];
      weighted.log("val_loss", losses[i], {});
      plain.log("val_loss", losses[i], {.batch_size = 1});
    }
    weighted.publish(false);
    plain.publish(false);
    CHECK(weighted.callback["val_loss"] == doctest::Approx(0.15372935).epsilon(1e-6));
    CHECK(plain.callback["val_loss"] == doctest::Approx(0.13409315).epsilon(1e-6));
    const double training[] = {0.7925000190734863, 7.910074234008789, 9.682823181152344, 0.00013688243052456528};
    MetricBook train = in("training_step", LogRule::PerStep), train_plain = train;
    for (int i = 0; i < 4; ++i) {
      train.batch_size = i == 3 ? 1 : 2;
      train.log("loss", training[i], {.on_step = false, .on_epoch = true});
      train_plain.log("loss", training[i], {.on_step = false, .on_epoch = true, .batch_size = 1});
    }
    train.publish(false);
    train_plain.publish(false);
    CHECK(train.callback["loss"] == doctest::Approx(5.2529902).epsilon(1e-6));
    CHECK(train_plain.callback["loss"] == doctest::Approx(4.5963836).epsilon(1e-6));
  }

  TEST_CASE("a value per step and per epoch forks its name") {
    MetricBook book = in("training_step", LogRule::PerStep);
    book.log("x", 1, {.on_epoch = true, .prog_bar = true});
    book.log("y", 5, {});
    book.begin_batch();
    book.log("x", 3, {.on_epoch = true, .prog_bar = true});
    book.log("y", 6, {});
    book.publish(true);
    CHECK(book.callback["x"] == 3);
    CHECK(book.callback["x_step"] == 3);
    CHECK(book.callback["y"] == 6);
    CHECK_FALSE(book.callback.contains("y_step"));
    CHECK(book.progress_bar.keys() == std::vector<std::string>{"x_step"});
    book.publish(false);
    CHECK(book.callback["x"] == 2);
    CHECK(book.callback["x_epoch"] == 2);
    CHECK(book.callback["y"] == 6);
    CHECK(book.logger_row(false).keys() == std::vector<std::string>{"x_epoch"});
  }

  TEST_CASE("sum, max and min; several loaders; validation gives callbacks epoch values only") {
    MetricBook book = in("validation_step", LogRule::PerEpoch);
    book.open(MetricBook::Page::Evaluation, true);
    book.several_loaders = true;
    for (int64_t loader : {0, 1}) {
      book.dataloader_idx = loader;
      for (double value : {3.0, -1.0, 2.0}) {
        const double v = value * static_cast<double>(loader + 1);
        book.log("sum", v, {.reduce = Reduce::Sum});
        book.log("max", v, {.reduce = Reduce::Max});
        book.log("min", v, {.on_step = true, .reduce = Reduce::Min});
      }
    }
    book.publish(true);
    CHECK(book.callback.empty());
    CHECK(book.logged["min_step/dataloader_idx_1"] == 4);
    book.publish(false);
    CHECK(book.callback["sum/dataloader_idx_0"] == 4);
    CHECK(book.callback["max/dataloader_idx_1"] == 6);
    CHECK(book.callback["min/dataloader_idx_1"] == -2);
    CHECK(book.loader_results(0).keys() ==
          std::vector<std::string>{"sum/dataloader_idx_0", "max/dataloader_idx_0", "min_epoch/dataloader_idx_0"});
  }

  TEST_CASE("a book survives a checkpoint, not-a-number included") {
    MetricBook book = in("training_step", LogRule::PerStep), other;
    book.log("x", 1.0 / 3, {.on_epoch = true});
    book.log("nan", std::nan(""), {.on_epoch = true, .reduce = Reduce::Max});
    book.publish(true);
    std::vector<double> numbers;
    const std::string text = book.save(numbers);
    other.restore(text, numbers);
    other.site = book.site;
    other.log("x", 1, {.on_epoch = true});
    other.publish(false);
    CHECK(other.callback["x_epoch"] == (1.0 / 3 + 1) / 2);
    CHECK(std::isnan(other.callback["nan_step"]));
    numbers.pop_back();
    CHECK_THROWS_AS(other.restore(text, numbers), Error);
  }

  TEST_CASE("what log() refuses (E012)") {
    Trainer trainer(quiet(1));
    auto error = [&](auto&& prepare) {
      Logging model;
      prepare(model);
      return message_of([&] {
        trainer.fit(model, plane(false));
        trainer.predict(model, plane(false));
      });
    };
    std::string message = error([](Logging& m) { m.in_training = [&m](int64_t) { m.log("v", ones({3})); }; });
    CHECK_MESSAGE(message.find("E012: log: \"v\" needs one element; got float32[3]") == 0, message);
    CHECK_MESSAGE(message.find("in training_step, epoch 0, batch 0") != std::string::npos, message);
    message = error([](Logging& m) { m.in_fit_start = [&m] { m.log("v", 1.0); }; });
    CHECK_MESSAGE(message.find("E012: log: \"v\" in on_fit_start: logging is not allowed here") == 0, message);
    message = error([](Logging& m) { m.in_epoch_start = [&m] { m.log("v", 1.0, {.on_step = true}); }; });
    CHECK_MESSAGE(message.find("E012: log: \"v\" in on_train_epoch_start: on_step is set") == 0, message);
    message = error([](Logging& m) { m.in_training = [&m](int64_t i) { m.log("v", 1.0, {.prog_bar = i % 2 == 0}); }; });
    CHECK_MESSAGE(message.find("logged twice in the same hook with different arguments") != std::string::npos, message);
    message = error(
        [](Logging& m) { m.in_training = [&m](int64_t) { m.log("v", 1.0, {.on_step = false, .on_epoch = false}); }; });
    CHECK_MESSAGE(message.find("on_step and on_epoch are both false") != std::string::npos, message);
    message = error([](Logging& m) { m.in_training = [&m](int64_t) { m.log("v/dataloader_idx_0", 1.0); }; });
    CHECK_MESSAGE(message.find("the loader's number is added to the name by itself") != std::string::npos, message);
    message = error([](Logging& m) { m.in_predict = [&m] { m.log("v", 1.0); }; });
    CHECK_MESSAGE(message.find("E012: log: \"v\" in predict_step: logging is not allowed here") == 0, message);
  }

  TEST_CASE("rows: every n steps, at the step of the last batch, with the epoch") {
    auto rows = std::make_shared<Rows>();
    TrainerOptions options = quiet(2);
    options.loggers = {rows};
    options.log_every_n_steps = 3;
    SmallModel model(SmallModel::Hparams{.dropout = 0});
    fit_target(model);
    Trainer trainer(options);
    trainer.fit(model, plane(false), plane(false));
    std::string text;
    for (const auto& [step, row] : rows->rows) {
      text += std::to_string(step) + ":";
      for (const std::string& key : row.keys()) text += " " + key;
      text += "\n";
    }
    CHECK(text ==
          "2: train_loss_step epoch\n5: train_loss_step epoch\n7: val_loss epoch\n7: train_loss_epoch epoch\n"
          "8: train_loss_step epoch\n11: train_loss_step epoch\n14: train_loss_step epoch\n15: val_loss epoch\n"
          "15: train_loss_epoch epoch\n");
    CHECK(rows->rows[3].second["epoch"] == 0);
    CHECK(rows->rows[4].second["epoch"] == 1);
  }

  TEST_CASE("EarlyStopping stops after its patience, and explains itself") {
    TrainerOptions options = quiet(100);
    auto stopping =
        std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "val_loss", .min_delta = 1e9, .patience = 2});
    options.callbacks = {stopping};
    Logging model;
    Trainer trainer(options);
    trainer.fit(model, plane(false), plane(false));
    CHECK(trainer.current_epoch() == 3);
    CHECK(stopping->stopping_reason() == EarlyStopping::Reason::Patience);
    CHECK(stopping->stopping_message().find("val_loss did not improve in 2 checks") == 0);

    options.callbacks = {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "val_los"})};
    Trainer wrong(options);
    const std::string message = message_of([&] { wrong.fit(model, plane(false), plane(false)); });
    CHECK_MESSAGE(message.find("E011: unknown metric: wanted \"val_los\"; logged: train_loss") == 0, message);
    CHECK_MESSAGE(message.find("did you mean \"val_loss\"?") != std::string::npos, message);

    options.callbacks = {
        std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "val_loss", .min_delta = 1e9, .patience = 1})};
    options.min_epochs = 5;
    Trainer patient(options);
    patient.fit(model, plane(false), plane(false));
    CHECK(patient.current_epoch() == 5);
  }
}

}  // namespace fulmen::trainer::testing
