#include <doctest/doctest.h>
#include <fulmen/tensor/safetensors.h>
#include <fulmen/trainer/early_stopping.h>
#include <signal.h>
#include <sys/wait.h>
#include <tests/message_of.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::message_of;

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

void check_same(const Checkpoint& a, const Checkpoint& b) {
  REQUIRE(a.weights.keys() == b.weights.keys());
  for (const auto& item : a.weights) CHECK_MESSAGE(same_bits(item.value(), b.weights[item.key()]), item.key());
  REQUIRE(a.others.keys() == b.others.keys());
  for (const auto& item : a.others) CHECK_MESSAGE(same_bits(item.value(), b.others[item.key()]), item.key());
  for (const auto& entry : a.metadata) CHECK_MESSAGE(entry.second == b.text(entry.first), entry.first);
}

/// Trains until `max_steps` (-1: to the end), from a checkpoint if there is one, and saves where it stands.
void train(const std::string& optimizer, int64_t max_steps, const std::string& from, const std::string& to,
           TrainerOptions options = quiet(3)) {
  manual_seed(11);
  SmallModel model(SmallModel::Hparams{.optimizer = optimizer});
  fit_target(model);
  options.max_steps = max_steps;
  Trainer trainer(options);
  trainer.fit(model, plane(true), plane(false), {.ckpt_path = from});
  trainer.save_checkpoint(to);
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("a checkpoint comes back as it was saved") {
    TemporaryFolder folder;
    manual_seed(3);
    SmallModel model(SmallModel::Hparams{.hidden = 6, .dropout = 0.5});
    fit_target(model);
    Trainer trainer(quiet(2));
    trainer.fit(model, plane(true));
    const std::string path = folder.path("a.ckpt");
    trainer.save_checkpoint(path);

    const Checkpoint read = read_checkpoint(path);
    CHECK(read.weights.keys() == std::vector<std::string>{"net.0.weight", "net.0.bias", "net.3.weight", "net.3.bias"});
    CHECK(read.others.contains("optim.0.net.0.weight.exp_avg"));
    CHECK(read.others["optim.0.net.0.weight.step"].scalar_type() == kLong);
    for (const char* name : {"rng.cpu", "sampler", "metrics"}) CHECK(read.others.contains(name));
    for (const char* key :
         {"class", "hparams", "loops", "callbacks", "schedulers", "transforms", "format", "version"}) {
      CHECK_MESSAGE(!read.text(key).empty(), key);
    }

    const auto loaded = load_from_checkpoint<SmallModel>(path);
    CHECK(loaded->hp.hidden == 6);
    CHECK(loaded->hp.dropout == 0.5);
    CHECK(loaded->hp.widths == std::vector<int64_t>{4, 5});
    const auto before = trainer.predict(model, plane(false)), after = Trainer(quiet(1)).predict(*loaded, plane(false));
    REQUIRE(before.size() == 8);
    for (size_t i = 0; i < before.size(); ++i) CHECK(same_bits(before[i], after[i]));
  }

  TEST_CASE("weights-only files, other models, hyperparameters: errors that say what to do") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(false));
    const std::string path = folder.path("w.ckpt");
    trainer.save_checkpoint(path, true);

    std::string message = message_of([&] { trainer.fit(model, plane(false), FitOptions{.ckpt_path = path}); });
    CHECK_MESSAGE(message.find("E015: " + path + " holds weights only") == 0, message);
    message = message_of([&] { load_from_checkpoint<SmallModel>(path, {{"hiden", "3"}}); });
    CHECK_MESSAGE(message.find("E014: unknown hyperparameter hiden") == 0, message);
    CHECK_MESSAGE(message.find("did you mean hidden?") != std::string::npos, message);
    message = message_of([&] { load_from_checkpoint<SmallModel>(path, {{"hidden", "9"}}); });
    CHECK_MESSAGE(message.find("E013") == 0, message);
    CHECK_MESSAGE(message.find("net.0.weight: module has [9, 3], state has [8, 3]") != std::string::npos, message);
    CHECK_MESSAGE(message.find(path) != std::string::npos, message);
    message = message_of([&] { load_from_checkpoint<SmallModel>(path, {{"lr", "fast"}}); });
    CHECK_MESSAGE(message.find("E014: lr is \"fast\"; expected: number") == 0, message);
    CHECK(load_from_checkpoint<SmallModel>(path, {{"lr", "0.5"}})->hp.lr == 0.5);
    message = message_of([&] { load_from_checkpoint<SmallModel>(folder.path("none.ckpt")); });
    CHECK_MESSAGE(message.find("E015: there is no checkpoint " + folder.path("none.ckpt")) == 0, message);
  }

  TEST_CASE("a damaged checkpoint is refused, whatever happened to it") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{.hidden = 2});
    fit_target(model);
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(false));
    const std::string path = folder.path("c.ckpt"), damaged = folder.path("damaged.ckpt");
    trainer.save_checkpoint(path, true);
    const std::string whole = contents(path);
    REQUIRE(whole.size() > 500);
    size_t refused = 0, named = 0;
    for (size_t length = 0; length < whole.size(); ++length) {
      std::ofstream(damaged, std::ios::binary) << whole.substr(0, length);
      const std::string message = message_of([&] { read_checkpoint(damaged, true); });
      refused += message.find("E015") == 0;
      named += message.find(damaged) != std::string::npos;
    }
    CHECK(refused == whole.size());
    CHECK(named == whole.size());
    // One changed byte anywhere.
    size_t noticed = 0, tried = 0;
    for (size_t at = 0; at < whole.size(); at += 3, ++tried) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ 0x15);
      std::ofstream(damaged, std::ios::binary) << changed;
      noticed += message_of([&] { read_checkpoint(damaged); }) != "no error";
    }
    CHECK(noticed == tried);
  }

  TEST_CASE("a file of a newer format is refused by name") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{.hidden = 2});
    fit_target(model);
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(false));
    trainer.save_checkpoint(folder.path("a.ckpt"));
    Safetensors content = load_safetensors(folder.path("a.ckpt"));
    for (auto& [key, text] : content.metadata) {
      if (key == "fulmen.format") text = "99";
    }
    save_safetensors(folder.path("b.ckpt"), content);
    const std::string message = message_of([&] { read_checkpoint(folder.path("b.ckpt")); });
    CHECK_MESSAGE(message.find("E015: " + folder.path("b.ckpt") + " has checkpoint format 99") == 0, message);
  }

  TEST_CASE("killed while saving: the old or the new checkpoint is there, whole") {
    TemporaryFolder folder;
    const std::string path = folder.path("model.ckpt");
    SmallModel model(SmallModel::Hparams{.hidden = 2000});
    fit_target(model);
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(false));
    trainer.save_checkpoint(path);
    std::mt19937 random(5);
    for (int round = 0; round < 40; ++round) {
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        for (;;) trainer.save_checkpoint(path);
      }
      ::usleep(200 + random() % 6000);
      ::kill(child, SIGKILL);
      int status = 0;
      ::waitpid(child, &status, 0);
      REQUIRE(WIFSIGNALED(status));
      REQUIRE_NOTHROW(read_checkpoint(path));
    }
  }

  TEST_CASE("a run that goes on from any step ends with the same bits") {
    TemporaryFolder folder;
    for (const std::string optimizer : {"adamw", "sgd"}) {
      CAPTURE(optimizer);
      const std::string whole = folder.path("whole.ckpt"), part = folder.path("part.ckpt"),
                        rest = folder.path("rest.ckpt");
      train(optimizer, -1, "", whole);
      const Checkpoint expected = read_checkpoint(whole);
      for (int64_t step : {1, 2, 7, 8, 9, 13, 16, 20, 23}) {
        CAPTURE(step);
        train(optimizer, step, "", part);
        train(optimizer, -1, part, rest);
        check_same(read_checkpoint(rest), expected);
      }
    }
  }

  TEST_CASE("a run that goes on from a ModelCheckpoint of a step, a validation or an epoch ends with the same bits") {
    TemporaryFolder folder;
    int files = 0;
    for (int kind = 0; kind < 3; ++kind) {
      TemporaryFolder saved;
      ModelCheckpointOptions checkpoints{.dirpath = saved.path(), .monitor = "val_loss", .save_top_k = -1};
      TrainerOptions options = quiet(3);
      if (kind == 0) checkpoints.every_n_train_steps = 3, checkpoints.monitor = "train_loss";
      if (kind == 1) options.val_check_interval = 0.5;
      options.callbacks = {std::make_shared<ModelCheckpoint>(checkpoints)};
      train("adamw", -1, "", folder.path("full.ckpt"), options);
      const Checkpoint expected = read_checkpoint(folder.path("full.ckpt"));
      for (const std::string& file : saved.files()) {
        CAPTURE(file);
        TrainerOptions again = quiet(3);
        again.val_check_interval = options.val_check_interval;
        train("adamw", -1, saved.path(file), folder.path("rest.ckpt"), again);
        const Checkpoint rest = read_checkpoint(folder.path("rest.ckpt"));
        for (const auto& item : expected.weights) CHECK(same_bits(item.value(), rest.weights[item.key()]));
        CHECK(same_bits(rest.others["optim.0.net.0.weight.exp_avg"], expected.others["optim.0.net.0.weight.exp_avg"]));
        ++files;
      }
    }
    CHECK(files >= 8 + 3 + 3);
  }

  TEST_CASE("names of checkpoints") {
    ModelCheckpoint plain, bare({.auto_insert_metric_name = false});
    const Metrics metrics{{"val_loss", 0.15372934937}, {"epoch", 1}, {"step", 8}, {"a/b", 2.5}};
    CHECK(plain.format_name("", metrics) == "epoch=1-step=8");
    CHECK(plain.format_name("{epoch:02d}-{val_loss:.3f}", metrics) == "epoch=01-val_loss=0.154");
    CHECK(bare.format_name("w-{epoch}-{val_loss:.1f}", metrics) == "w-1-0.2");
    CHECK(plain.format_name("{missing}", metrics) == "missing=0");
    CHECK_THROWS_AS(plain.format_name("{epoch", metrics), Error);
    CHECK_THROWS_AS(plain.format_name("{epoch:%n}", metrics), Error);
  }

  TEST_CASE("ModelCheckpoint keeps the best, the last, and numbers what would collide") {
    TemporaryFolder folder;
    TrainerOptions options = quiet(4);
    auto best = std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = folder.path("best"),
                                                                         .filename = "{epoch}",
                                                                         .monitor = "val_loss",
                                                                         .save_top_k = 2,
                                                                         .save_last = true});
    auto same = std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{
        .dirpath = folder.path("same"), .filename = "same", .monitor = "val_loss", .save_top_k = -1});
    options.callbacks = {best, same};
    manual_seed(1);
    SmallModel model(SmallModel::Hparams{.dropout = 0});
    fit_target(model);
    Trainer trainer(options);
    trainer.fit(model, plane(true), plane(false));
    const auto files = folder.files();
    CHECK(files.size() == 7);
    CHECK(best->best_model_path() == folder.path("best/epoch=3.ckpt"));
    CHECK(best->last_model_path() == folder.path("best/last.ckpt"));
    CHECK(std::filesystem::exists(folder.path("same/same-v3.ckpt")));
    CHECK(trainer.validate(model, plane(false), {.ckpt_path = "best", .verbose = false})[0]["val_loss"] ==
          doctest::Approx(*best->best_model_score()));
  }

  TEST_CASE("Python's names: the weights load as a plain safetensors file") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{});
    Safetensors plain;
    for (const auto& item : model.state_dict()) plain.tensors.emplace_back(item.key(), item.value());
    save_safetensors(folder.path("plain.safetensors"), plain);
    const auto loaded = load_from_checkpoint<SmallModel>(folder.path("plain.safetensors"));
    CHECK(same_bits(loaded->state_dict()["net.0.weight"], model.state_dict()["net.0.weight"]));
  }
}

}  // namespace fulmen::trainer::testing
