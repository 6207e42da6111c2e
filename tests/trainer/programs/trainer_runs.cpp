// Fits for tests that need a process of their own (resume_test.cpp, crash_test.cpp):
//   trainer_runs whole <scenario> <folder>    a fit that writes a checkpoint wherever one can be asked for, each into a
//                                             folder of its own: <folder>/<number>-<hook>/from.ckpt
//   trainer_runs plain <scenario> <folder>    the same fit without them
//   trainer_runs resume <scenario> <folder>   the rest of the fit, from <folder>/from.ckpt, and from other random
//   numbers trainer_runs keep_on <folder>             a fit that saves with every step, and goes on from last.ckpt if
//   there is one trainer_runs wait <folder>                a fit without end, which makes <folder>/training; from the
//   third batch on a
//                                             batch takes a minute
// All write final.ckpt into their folder. The exit status is 0 when the fit came to its end.
#include <fulmen/data/combined.h>
#include <fulmen/trainer/callbacks/accumulation_scheduler.h>
#include <fulmen/trainer/callbacks/timer.h>
#include <fulmen/trainer/callbacks/weight_averaging.h>
#include <fulmen/trainer/early_stopping.h>
#include <fulmen/trainer/metric/regression.h>
#include <fulmen/trainer/stopwatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "../small_model.h"

namespace fulmen::trainer::testing {
namespace {

namespace fs = std::filesystem;

/// Writes a checkpoint in every hook, as the last of the callbacks, beside a copy of what ModelCheckpoint has written.
class Saver : public Callback {
 public:
  explicit Saver(bool manual) : manual_(manual) {}
  Order order() const override { return Order::Save; }
  void on_train_epoch_start(Trainer& t, Module&) override { save(t, "epoch_start"); }
  void on_train_batch_start(Trainer& t, Module&, const AnyRef&, int64_t) override { save(t, "batch_start"); }
  void on_before_zero_grad(Trainer& t, Module&, optim::Optimizer&) override { save(t, "before_zero_grad"); }
  void on_before_backward(Trainer& t, Module&, const Tensor&) override { save(t, "before_backward"); }
  void on_after_backward(Trainer& t, Module&) override { save_while_optimizing(t, "after_backward"); }
  void on_before_optimizer_step(Trainer& t, Module&, optim::Optimizer&) override {
    save_while_optimizing(t, "before_step");
  }
  void on_train_batch_end(Trainer& t, Module&, const StepOutput&, const AnyRef&, int64_t) override {
    save(t, "batch_end");
  }
  void on_validation_start(Trainer& t, Module&) override { save(t, "validation_start"); }
  void on_validation_batch_end(Trainer& t, Module&, const StepOutput&, const AnyRef&, int64_t i, int64_t) override {
    if (i == 1) save(t, "validation_batch_end");
  }
  void on_validation_end(Trainer& t, Module&) override { save(t, "validation_end"); }
  void on_train_epoch_end(Trainer& t, Module&) override { save(t, "epoch_end"); }

 private:
  /// A module that steps its own optimizers may be half way through: nobody but the module knows how to go on.
  void save_while_optimizing(Trainer& trainer, const char* hook) {
    if (!manual_) save(trainer, hook);
  }
  void save(Trainer& trainer, const char* hook) {
    if (trainer.sanity_checking()) return;
    char name[64];
    std::snprintf(name, sizeof name, "%03d-%s", count_++, hook);
    fs::create_directory(name);
    if (fs::exists("top")) fs::copy("top", fs::path(name) / "top", fs::copy_options::recursive);
    trainer.save_checkpoint(std::string(name) + "/from.ckpt");
  }
  bool manual_;
  int count_ = 0;
};

/// Logs a metric that is no mean, has two schedulers, and validates under two rhythms.
class Measuring : public SmallModel {
 public:
  explicit Measuring(Hparams h) : SmallModel(h) {}
  StepOutput training_step(const Batch& batch, int64_t i) override {
    r2.update(forward(batch.data).detach(), target(batch.target));
    log("train_r2", r2, {.on_step = false, .on_epoch = true});
    return SmallModel::training_step(batch, i);
  }
  void on_train_epoch_start() override { log("epoch_began", static_cast<double>(current_epoch())); }
  Optimizers configure_optimizers() override {
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr)))
        .schedule<optim::StepLR>({.interval = Interval::Step}, 2, 0.9)
        .schedule<optim::StepLR>({}, 1, 0.8);
  }
  metric::R2Score r2;
};

/// The first optimizer steps with every batch, the second with every other, on the gradients of both.
class Manual : public LightningModule<Batch, Tensor> {
 public:
  Manual() { automatic_optimization = false; }
  StepOutput training_step(const Batch& batch, int64_t i) override {
    optimizer(0).zero_grad();
    const Tensor guess = second->forward(dropout->forward(first->forward(batch.data)));
    const Tensor loss = (guess - batch.target).square().mean();
    log("train_loss", loss, {.on_epoch = true});
    manual_backward(loss);
    optimizer(0).step();
    if (i % 2 == 0) return {};
    optimizer(1).step();
    optimizer(1).zero_grad();
    return {};
  }
  Optimizers configure_optimizers() override {
    return Optimizers(optim::AdamW(first->parameters()), optim::SGD(second->parameters(), optim::SGDOptions(0.01)))
        .schedule<optim::StepLR>({.optimizer = 1}, 2, 0.5);
  }
  nn::Linear first = register_module("first", nn::Linear(3, 4)), second = register_module("second", nn::Linear(4, 1));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.3));
};

struct Pair {
  Batch labelled;
  Tensor more;
};
class OnPairs : public LightningModule<Pair, Tensor> {
 public:
  StepOutput training_step(const Pair& batch, int64_t) override {
    const Tensor loss = (layer->forward(batch.labelled.data) - batch.labelled.target).square().mean() +
                        dropout->forward(layer->forward(batch.more)).square().mean();
    log("train_loss", loss, {.on_epoch = true});
    return loss;
  }
  Optimizers configure_optimizers() override { return optim::SGD(parameters(), 0.001); }
  nn::Linear layer = register_module("layer", nn::Linear(3, 1));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.3));
};

/// A stream: nobody knows which batch is the last.
class Stream {
 public:
  bool next(Batch& batch, int64_t size) {
    if (at_ == all_.data.size(0)) return false;
    const int64_t count = std::min(size, all_.data.size(0) - at_);
    batch = Batch(all_.data.narrow(0, at_, count), all_.target.narrow(0, at_, count));
    at_ += count;
    return true;
  }
  void restart() { at_ = 0; }

 private:
  Batch all_ = whole_plane();
  int64_t at_ = 0;
};

struct Fit {
  std::string scenario, from;
  bool saving = false;

  template <class M, class Train, class Val>
  void operator()(M& model, const Train& train, const Val& val, TrainerOptions options) const {
    if (saving) options.callbacks.push_back(std::make_shared<Saver>(!model.automatic_optimization));
    Trainer trainer(options);
    trainer.fit(model, train, val, {.ckpt_path = from});
    trainer.save_checkpoint("final.ckpt");
  }

  void run() const {
    TrainerOptions options = quiet(2);
    options.accelerator = "cpu";
    if (scenario == "pairs") return run_pairs(options);
    if (scenario == "manual") {
      Manual model;
      return (*this)(model, plane(true), std::vector<data::DataLoader<Batch>>(), options);
    }
    Measuring model(SmallModel::Hparams{});
    fit_target(model);
    const Batch all = whole_plane();
    data::DataLoader<Batch> train(all, {.batch_size = 5, .shuffle = true});
    std::vector val = {plane(false, 9)};
    if (scenario == "everything") {
      options.accumulate_grad_batches = 3;
      options.gradient_clip_val = 0.5;
      options.callbacks = {std::make_shared<EMAWeightAveraging>(EMAWeightAveragingOptions{.decay = 0.8})};
      train = data::DataLoader<Batch>(all, {.batch_size = 5, .shuffle = true, .workers = 2});
    } else if (scenario == "validation") {
      options.val_check_interval = 3;
      options.callbacks = {
          std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "val_loss/dataloader_idx_1", .patience = 40}),
          std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = "top",
                                                                   .filename = "{epoch}-{step}",
                                                                   .monitor = "val_loss/dataloader_idx_0",
                                                                   .save_top_k = 2,
                                                                   .save_last = true})};
      train = data::DataLoader<Batch>(all, {.batch_size = 5, .shuffle = true, .seed = 3});
      val.push_back(plane(false, 20));
    } else if (scenario == "stream") {
      options.accumulate_grad_batches = 3;
      train = data::DataLoader<Batch>(Stream(), {.batch_size = 5});
    } else if (scenario == "mixed") {
      options.accelerator = "auto";
      options.precision = "16-mixed";
      options.accumulate_grad_batches = 2;
    } else if (scenario == "growing windows") {
      options.callbacks = {std::make_shared<GradientAccumulationScheduler>(std::map<int64_t, int64_t>{{0, 2}, {1, 3}})};
    } else if (scenario == "timer") {
      options.callbacks = {std::make_shared<Timer>("00:01:00:00")};
    } else {
      throw Error("there is no scenario " + scenario);
    }
    (*this)(model, train, val, options);
    if (scenario == "timer") forget_time();
  }

  void run_pairs(TrainerOptions options) const {
    options.accumulate_grad_batches = 2;
    Generator stream(3);
    const Tensor more = randn({9, 3}, stream);
    OnPairs model;
    (*this)(model,
            data::combine<Pair>(data::CombineMode::MaxSizeCycle, plane(true),
                                data::DataLoader<Tensor>(more, {.batch_size = 2, .shuffle = true})),
            std::vector<data::DataLoader<Pair>>(), options);
  }

  /// Time is the one thing that cannot be equal: it must have gone on from where the checkpoint left it.
  void forget_time() const {
    auto elapsed = [](const Checkpoint& checkpoint) {
      return Json::parse(Json::parse(checkpoint.text("callbacks")).begin()->get<std::string>()).at("time_elapsed");
    };
    Checkpoint checkpoint = read_checkpoint("final.ckpt");
    const double now = elapsed(checkpoint);
    if (now <= 0 || (!from.empty() && now < elapsed(read_checkpoint(from)).get<double>()))
      throw Error("time went back");
    checkpoint.metadata["callbacks"] = "{}";
    write_checkpoint("final.ckpt", checkpoint);
  }
};

/// Every step is saved, and every run goes on where the one before was killed.
void keep_on() {
  manual_seed(8);
  TrainerOptions options = quiet(30);
  options.accelerator = "cpu";
  options.accumulate_grad_batches = 2;
  options.callbacks = {std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{
      .dirpath = ".", .save_last = true, .every_n_train_steps = 1, .enable_version_counter = false})};
  SmallModel model(SmallModel::Hparams{});
  fit_target(model);
  Trainer trainer(options);
  trainer.fit(model, plane(true), {.ckpt_path = fs::exists("last.ckpt") ? "last.ckpt" : ""});
  trainer.save_checkpoint("final.ckpt");
}

/// Interrupted in a step, or while a step hangs.
void wait() {
  struct Slow : SmallModel {
    Slow() : SmallModel(Hparams{}) { fit_target(*this); }
    StepOutput training_step(const Batch& batch, int64_t i) override {
      if (global_step() == 2) {
        std::fclose(std::fopen("training", "w"));
        const Stopwatch since;
        while (since.seconds() < (fs::exists("hang") ? 60 : 0.2)) ::usleep(1000);
      }
      return SmallModel::training_step(batch, i);
    }
  } model;
  Trainer trainer(quiet(-1));
  trainer.fit(model, plane(true));
  if (!trainer.interrupted() || trainer.global_step() != 3) throw Error("the fit was not interrupted after its step");
  trainer.save_checkpoint("final.ckpt");
}

int main_of(int argc, char** argv) try {
  const std::string what = argc > 1 ? argv[1] : "";
  const bool resuming = what == "resume";
  const bool alone = what == "keep_on" || what == "wait";  // needs no scenario
  const char* const folder = alone ? argv[2] : argc == 4 ? argv[3] : nullptr;
  if (!folder || ::chdir(folder) != 0) throw Error("trainer_runs whole|plain|resume <scenario> <folder>");
  if (what == "keep_on") {
    keep_on();
  } else if (what == "wait") {
    wait();
  } else {
    manual_seed(resuming ? 77 : 5);
    Fit{argv[2], resuming ? "from.ckpt" : "", what == "whole"}.run();
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "trainer_runs: %s\n", error.what());
  return 1;
}

}  // namespace
}  // namespace fulmen::trainer::testing

int main(int argc, char** argv) { return fulmen::trainer::testing::main_of(argc, argv); }
