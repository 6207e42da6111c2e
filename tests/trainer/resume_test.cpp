#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/callbacks/exception_checkpoint.h>

#include <filesystem>

#include "captured.h"
#include "child.h"
#include "small_model.h"
#include "tests/sanitized.h"

namespace fulmen::trainer::testing {
namespace {

namespace fs = std::filesystem;
using fulmen::testing::mentions;

/// Names and contents of a folder's files.
std::vector<std::pair<std::string, std::string>> contents_of(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> all;
  if (!fs::exists(folder)) return all;
  for (const auto& entry : fs::directory_iterator(folder)) {
    all.emplace_back(entry.path().filename().string(), contents(entry.path().string()));
  }
  std::sort(all.begin(), all.end());
  return all;
}

/// Where a fit can be broken off.
enum class Place { Fetch, Transfer, BatchStart, Step, Backward, AfterBackward, BeforeStep, BatchEnd, Validation };
constexpr const char* place_names[] = {"fetch",          "transfer",    "batch_start", "step",      "backward",
                                       "after_backward", "before_step", "batch_end",   "validation"};

/// Breaks off once, in one place of one batch.
struct Breaker {
  Place place = Place::Step;
  int countdown = -1;
  void reach(Place here) {
    if (here == place && countdown >= 0 && countdown-- == 0) throw Error("out of luck");
  }
};

class Breaking : public SmallModel {
 public:
  explicit Breaking(Breaker& breaker) : SmallModel(Hparams{}), breaker(breaker) { fit_target(*this); }
  StepOutput training_step(const Batch& batch, int64_t i) override {
    norm(batch.data);
    const StepOutput output = SmallModel::training_step(batch, i);  // as norm, dropout and log() have left their traces
    breaker.reach(Place::Step);
    return output;
  }
  StepOutput validation_step(const Batch& batch, int64_t i, int64_t loader) override {
    breaker.reach(Place::Validation);
    return SmallModel::validation_step(batch, i, loader);
  }
  Batch on_before_batch_transfer(Batch batch, int64_t) override {
    if (is_training()) breaker.reach(Place::Transfer);
    return batch;
  }
  int on_train_batch_start(const Batch&, int64_t) override { return breaker.reach(Place::BatchStart), 0; }
  void on_train_batch_end(const StepOutput&, const Batch&, int64_t) override { breaker.reach(Place::BatchEnd); }
  void on_before_backward(const Tensor&) override { breaker.reach(Place::Backward); }
  void on_after_backward() override { breaker.reach(Place::AfterBackward); }
  void on_before_optimizer_step(optim::Optimizer&) override { breaker.reach(Place::BeforeStep); }
  Breaker& breaker;
  nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(3));
};

/// Samples of the plane, one of which cannot be read once.
struct Rows {
  int64_t size() const { return all.data.size(0); }
  Batch get(int64_t i) const {
    if (i == 17) breaker->reach(Place::Fetch);
    return Batch(all.data[i], all.target[i]);
  }
  Batch all;
  Breaker* breaker;
};

/// A fit that may break; returns its error, or leaves final.ckpt.
std::string fit_once(Breaker breaker, int64_t window, int64_t workers, const std::string& folder,
                     const std::string& from) {
  manual_seed(from.empty() ? 5 : 6);
  Breaking model(breaker);
  TrainerOptions options = quiet(2);
  options.accumulate_grad_batches = window;
  options.callbacks = {std::make_shared<OnExceptionCheckpoint>(folder)};
  const data::DataLoader<Batch> train(Rows{whole_plane(), &model.breaker},
                                      {.batch_size = 5, .shuffle = true, .workers = workers});
  Trainer trainer(options);
  const std::string message =
      message_of([&] { trainer.fit(model, train, plane(false, 20), FitOptions{.ckpt_path = from}); });
  if (message == "no error") trainer.save_checkpoint(folder + "/final.ckpt");
  return message;
}

/// A checkpoint of the middle of an epoch, after 5 of 8 batches, two of them in an open window.
std::string saved_within_epoch(const TemporaryFolder& folder) {
  struct SaveAndStop : Callback {
    explicit SaveAndStop(std::string p) : path(std::move(p)) {}
    void on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t i) override {
      if (i == 4) trainer.save_checkpoint(path);
    }
    std::string path;
  };
  TrainerOptions options = quiet(1);
  options.accumulate_grad_batches = 3;
  options.callbacks = {std::make_shared<SaveAndStop>(folder.path("middle.ckpt"))};
  SmallModel model(SmallModel::Hparams{});
  fit_target(model);
  Trainer(options).fit(model, plane(true));
  return folder.path("middle.ckpt");
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("every checkpoint of a fit, wherever it was written, ends in the same file: in a process of its own") {
    const char* scenarios[] = {"everything", "validation", "manual",          "pairs",
                               "stream",     "mixed",      "growing windows", "timer"};
    for (const std::string scenario : scenarios) {
      CAPTURE(scenario);
      TemporaryFolder folder, plain;
      REQUIRE(run({"whole", scenario, folder.path()}) == 0);
      REQUIRE(run({"plain", scenario, plain.path()}) == 0);
      const std::string expected = contents(plain.path("final.ckpt"));
      CHECK((contents(folder.path("final.ckpt")) == expected));
      const auto expected_top = contents_of(plain.path("top"));
      std::vector<fs::directory_entry> saved;
      for (const auto& entry : fs::directory_iterator(folder.path())) {
        if (fs::exists(entry.path() / "from.ckpt")) saved.push_back(entry);
      }
      std::sort(saved.begin(), saved.end());
      saved.pop_back();  // after the last epoch nothing is left to do: there is no training that could end
      // A sanitizer's build starts too slowly for all of them; the others take every one.
      const size_t every = fulmen::testing::sanitized ? 9 : 1;
      size_t runs = 0;
      for (size_t k = 0; k < saved.size(); k += every) {
        const fs::directory_entry& entry = saved[k];
        const std::string where = entry.path().filename().string();
        CAPTURE(where);
        REQUIRE(run({"resume", scenario, entry.path().string()}) == 0);
        CHECK_MESSAGE((contents((entry.path() / "final.ckpt").string()) == expected), where);
        CHECK_MESSAGE((contents_of(entry.path() / "top") == expected_top), where);
        ++runs;
      }
      CHECK(runs * every >= 40);
    }
  }

  TEST_CASE("a batch that failed is neither skipped nor trained twice") {
    for (int64_t window : {1, 3}) {
      for (int64_t workers : {0, 2}) {
        TemporaryFolder whole;
        REQUIRE(fit_once({}, window, workers, whole.path(), "") == "no error");
        const std::string expected = contents(whole.path("final.ckpt"));
        for (int place = 0; place <= static_cast<int>(Place::Validation); ++place) {
          if (workers > 0 && place != static_cast<int>(Place::Fetch)) continue;
          for (int countdown : {0, 1, 3, 5}) {
            if (countdown > 1 && static_cast<Place>(place) == Place::Fetch) continue;  // a sample comes once an epoch
            if (countdown > 3 && window == 3 && static_cast<Place>(place) == Place::BeforeStep) continue;
            const std::string where = place_names[place];
            CAPTURE(where);
            CAPTURE(countdown);
            CAPTURE(window);
            TemporaryFolder folder;
            const std::string message =
                fit_once({static_cast<Place>(place), countdown}, window, workers, folder.path(), "");
            REQUIRE_MESSAGE(mentions(message, "out of luck"), message);
            REQUIRE(fit_once({}, window, workers, folder.path(), folder.path("on_exception.ckpt")) == "no error");
            CHECK((contents(folder.path("final.ckpt")) == expected));
          }
        }
      }
    }
  }

  TEST_CASE("running statistics do not remember a batch that is left out, or ends the fit") {
    struct Normed : SmallModel {
      Normed() : SmallModel(Hparams{.dropout = 0}) { fit_target(*this); }
      StepOutput training_step(const Batch& batch, int64_t i) override {
        if (i == 3 && leaves_out) return skip;
        const Tensor x = norm(i == 3 ? batch.data * Scalar(NAN) : batch.data);
        return (forward(x) - target(batch.target)).square().mean();
      }
      bool leaves_out = false;
      nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(3));
    };
    auto fitted = [](bool leaves_out, OnNonfinite policy, bool fails) {
      manual_seed(5);
      auto model = std::make_shared<Normed>();
      model->leaves_out = leaves_out;
      TrainerOptions options = quiet(1);
      options.on_nonfinite = policy;
      const std::string message = message_of([&] { Trainer(options).fit(*model, plane(false)); });
      CHECK(mentions(message, "E006") == fails);
      return model;
    };
    const auto without = fitted(true, OnNonfinite::Stop, false), skipped = fitted(false, OnNonfinite::Skip, false);
    for (const auto& item : without->named_buffers()) {
      CHECK_MESSAGE(skipped->named_buffers()[item.key()].equal(item.value()), item.key());
    }
    const auto stopped = fitted(false, OnNonfinite::Stop, true);
    CHECK(stopped->norm->num_batches_tracked.item<int64_t>() == 3);
    CHECK(stopped->norm->running_mean.isfinite().all().item<bool>());
  }

  TEST_CASE("a resumed fit whose data, batches or options do not fit the file says so") {
    TemporaryFolder folder;
    const std::string path = saved_within_epoch(folder);
    auto resume = [&](const data::DataLoader<Batch>& loader, auto change) {
      SmallModel model(SmallModel::Hparams{});
      fit_target(model);
      TrainerOptions options = quiet(1);
      options.accumulate_grad_batches = 3;
      change(options, model);
      return message_of([&] { Trainer(options).fit(model, loader, FitOptions{.ckpt_path = path}); });
    };
    auto nothing = [](TrainerOptions&, SmallModel&) {};
    CHECK(resume(plane(true), nothing) == "no error");
    std::string message = resume(plane(true, 5, 30), nothing);
    CHECK_MESSAGE(mentions(message, "E016: " + path), message);
    CHECK_MESSAGE(mentions(message, "it is of a dataset of 37 samples, this one has 30"), message);
    CHECK_MESSAGE(mentions(message, "start a new fit"), message);
    message = resume(plane(true, 4), nothing);
    CHECK_MESSAGE(mentions(message, "its epoch was begun with batch_size 5"), message);
    message = resume(plane(true), [](TrainerOptions& o, SmallModel&) { o.limit_train_batches = 4; });
    CHECK_MESSAGE(mentions(message, "E016: " + path + " was saved after 5 batches of an epoch; now it has only 4"),
                  message);
    message = resume(plane(true), [](TrainerOptions& o, SmallModel&) { o.accumulate_grad_batches = 2; });
    CHECK_MESSAGE(mentions(message,
                           "in the middle of 3 batches whose gradients make one step; now "
                           "accumulate_grad_batches is 2"),
                  message);
    message = resume(plane(true), [](TrainerOptions&, SmallModel& m) { m.hp.optimizer = "sgd"; });
    CHECK_MESSAGE(mentions(message, "E015: " + path + " was saved with AdamW"), message);
    CHECK_MESSAGE(mentions(message, "configure_optimizers gives SGD"), message);
    message = resume(plane(true), [](TrainerOptions& o, SmallModel&) { o.max_epochs = 0; });
    CHECK(message == "no error");  // nothing is left to do
  }
}

}  // namespace fulmen::trainer::testing
