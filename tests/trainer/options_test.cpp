#include <doctest/doctest.h>
#include <fulmen/trainer/callbacks/profiler.h>
#include <fulmen/trainer/callbacks/timer.h>
#include <tests/message_of.h>

#include <filesystem>

#include "captured.h"
#include "small_model.h"

// Options that change what a trainer brings along: barebones, profiler, save_last, data modules made of datasets.
namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;
namespace fs = std::filesystem;

SmallModel model() {
  manual_seed(1);
  SmallModel made(SmallModel::Hparams{});
  fit_target(made);
  return made;
}

struct Sales : DataModule<> {
  struct Hparams {
    int64_t batch_size = 5;
    bool shuffle = false;
    void fields(auto&& f) { f("batch_size", batch_size), f("shuffle", shuffle); }
  };
  explicit Sales(Hparams h) : hp(save_hyperparameters(h)) {}
  Loader train_dataloader() override { return plane(hp.shuffle, hp.batch_size); }
  std::string state_dict() const override { return Json{{"seen", seen}}.dump(); }
  void load_state_dict(const std::string& json) override { seen = Json::parse(json)["seen"]; }

  Hparams hp;
  int64_t seen = 0;
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("barebones: nothing but the training, with the same weights") {
    TemporaryFolder folder;
    auto fitted = [&](bool barebones) {
      SmallModel net = model();
      TrainerOptions options = barebones ? TrainerOptions() : quiet(2);
      options.max_epochs = 2;
      options.barebones = barebones;
      options.num_sanity_val_steps = 2;
      options.default_root_dir = folder.path();
      Trainer trainer(options);
      manual_seed(2);
      trainer.fit(net, plane(true), plane(false));
      CHECK(trainer.callbacks().empty());
      CHECK(trainer.loggers().empty());
      CHECK(trainer.callback_metrics().empty() == barebones);
      CHECK(trainer.global_step() == 16);
      return net.net->parameters();
    };
    const std::vector<Tensor> plain = fitted(false), bare = fitted(true);
    for (size_t i = 0; i < plain.size(); ++i) CHECK(plain[i].equal(bare[i]));
    CHECK(folder.files().empty());
    auto refused = [](auto&& set) {
      TrainerOptions options;
      options.barebones = true;
      set(options);
      return message_of([&] { Trainer trainer(options); });
    };
    CHECK(mentions(refused([](auto& o) { o.detect_anomaly = true; }), "detect_anomaly is set, and barebones as well"));
    CHECK(mentions(refused([](auto& o) { o.fast_dev_run = 1; }), "fast_dev_run is set"));
    CHECK(mentions(refused([](auto& o) { o.profiler = "simple"; }), "profiler is set"));
    CHECK(mentions(refused([](auto& o) { o.callbacks = {std::make_shared<Profiler>()}; }), "callbacks is set"));
  }

  TEST_CASE("profiler: \"simple\", one's own, and on the command line") {
    TrainerOptions options = quiet(1);
    options.profiler = "simple";
    SmallModel net = model();
    const std::string text = captured(2, [&] { Trainer(options).fit(net, plane(true)); });
    CHECK(mentions(text, "training_step"));
    CHECK(mentions(text, "optimizer step"));
    const auto mine = std::make_shared<Profiler>();
    options.profiler = mine;
    captured(2, [&] { Trainer(options).fit(net, plane(true)); });
    CHECK(mine->actions().size() > 3);
    CHECK(mentions(message_of([] { ProfilerChoice("advanced"); }), "E016: profiler is \"advanced\""));
    TrainerOptions from_text;
    CHECK(set_field(from_text, "profiler", "simple"));
    CHECK(from_text.profiler.is_simple());
    CHECK(set_field(from_text, "barebones", "true"));
    CHECK(from_text.barebones);
  }

  TEST_CASE("save_last = \"link\": last.ckpt is a link to the newest, and a fit goes on from it") {
    TemporaryFolder folder;
    TrainerOptions options = quiet(3);
    const auto checkpoints =
        std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = folder.path("c"), .save_last = "link"});
    options.callbacks = {checkpoints};
    SmallModel net = model();
    Trainer trainer(options);
    trainer.fit(net, plane(true));
    const std::string last = folder.path("c/last.ckpt");
    CHECK(checkpoints->last_model_path() == last);
    REQUIRE(fs::is_symlink(last));
    CHECK(fs::read_symlink(last) == "epoch=2-step=24.ckpt");
    CHECK(fs::equivalent(last, checkpoints->best_model_path()));
    CHECK(folder.files().size() == 2);

    SmallModel more = model();
    options.max_epochs = 4;
    options.callbacks = {
        std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = folder.path("c"), .save_last = "link"})};
    Trainer again(options);
    again.fit(more, plane(true), {.ckpt_path = last});
    CHECK(again.global_step() == 32);
    CHECK(fs::read_symlink(last) == "epoch=3-step=32.ckpt");
    CHECK(mentions(message_of([] { ModelCheckpointOptions o{.save_last = "copy"}; }), "save_last is \"copy\""));
  }

  TEST_CASE("a data module's hyperparameters: in checkpoints, in logs, and back") {
    struct Seen : Logger {
      void log_metrics(const Metrics&, int64_t) override {}
      void log_hyperparams(const std::string& json) override { text = json; }
      std::string text;
    };
    TemporaryFolder folder;
    SmallModel net = model();
    Sales sales({.batch_size = 7});
    sales.seen = 3;
    TrainerOptions options = quiet(1);
    const auto log = std::make_shared<Seen>();
    options.loggers = {log};
    Trainer trainer(options);
    trainer.fit(net, sales);
    CHECK(Json::parse(log->text)["batch_size"] == 7);
    CHECK(Json::parse(log->text)["hidden"] == 8);
    trainer.save_checkpoint(folder.path("a.ckpt"));
    const auto loaded = load_from_checkpoint<Sales>(folder.path("a.ckpt"));
    CHECK(loaded->hp.batch_size == 7);
    CHECK(loaded->seen == 3);
    CHECK(load_from_checkpoint<Sales>(folder.path("a.ckpt"), {{"batch_size", "2"}})->hp.batch_size == 2);
    CHECK(mentions(message_of([&] {
                     load_from_checkpoint<Sales>(folder.path("a.ckpt"), {{"batchsize", "2"}});
                   }),
                   "did you mean batch_size?"));
    CHECK(load_from_checkpoint<SmallModel>(folder.path("a.ckpt"))->hp.hidden == 8);

    log->text.clear();
    options.enable_autolog_hparams = false;
    Trainer(options).fit(net, sales);
    CHECK(log->text.empty());
  }

  TEST_CASE("DataModule::from_datasets") {
    const Batch all(rand({20, 3}), rand({20, 1}));
    auto data =
        DataModule<>::from_datasets(all, all, std::vector<Batch>{all, all}, nullptr, {.batch_size = 8, .workers = 1});
    CHECK(data.train_dataloader().options().shuffle);
    CHECK(data.train_dataloader().options().batch_size == 8);
    REQUIRE(data.val_dataloader().size() == 1);
    CHECK(!data.val_dataloader()[0].options().shuffle);
    CHECK(data.val_dataloader()[0].options().workers == 1);
    CHECK(data.test_dataloader().size() == 2);
    CHECK(data.predict_dataloader().empty());
    SmallModel net = model();
    Trainer trainer(quiet(1));
    trainer.fit(net, data);
    CHECK(trainer.global_step() == 3);
    CHECK(!DataModule<>::from_datasets().train_dataloader());
  }

  TEST_CASE("Timer ends a fit, after a batch or an epoch, and counts the time before a resumed run") {
    CHECK(Timer("01:02:03:04").time_remaining() == 93784);
    CHECK(mentions(message_of([] { Timer("12 hours"); }), "is \"12 hours\", which is no time"));
    CHECK(mentions(message_of([] { Timer("00:00:-1:00"); }), "E016"));
    for (const auto check : {Timer::Check::AfterBatches, Timer::Check::AfterEpochs}) {
      const auto timer = std::make_shared<Timer>("00:00:00:00", check);
      TrainerOptions options = quiet(3);
      options.callbacks = {timer};
      Trainer trainer(options);
      SmallModel net = model();
      captured(2, [&] { trainer.fit(net, plane(true)); });
      CHECK(trainer.current_epoch() == 0);  // the time is over before it begins
      CHECK(trainer.global_step() == 0);
    }
    Timer resumed("00:00:16:40");
    resumed.load_state_dict(R"({"time_elapsed": 990.0})");
    CHECK(resumed.time_remaining() == 10);
    CHECK(Json::parse(resumed.state_dict())["time_elapsed"] == 990);
  }
}

}  // namespace fulmen::trainer::testing
