#include <fulmen/trainer/cli.h>
#include <fulmen/trainer/early_stopping.h>
#include <unistd.h>

#include "message_case.h"

// Options, optimizers, loaders, monitors, files: see messages_test.cpp.
namespace fulmen::trainer::testing {
namespace {

using Case = MessageCase;

/// The error of options, or of a fit with them.
Case option_case(const char* situation, void (*set)(TrainerOptions&), std::vector<const char*> parts) {
  return {situation, Case::Says, "",
          [set] {
            return message_of([set] {
              TrainerOptions options = quiet(1);
              set(options);
              SmallModel model(SmallModel::Hparams{});
              fit_target(model);
              Trainer(options).fit(model, plane(false), plane(false));
            });
          },
          parts};
}

/// An option as a command line gives it.
Case command_line_case(const char* situation, const char* name, std::vector<const char*> parts) {
  return {situation, Case::Says, "",
          [name] {
            TrainerOptions options;
            return message_of([&] { set_field(options, name, "x"); });
          },
          parts};
}

struct Optimizing : SmallModel {
  explicit Optimizing(const std::string& what) : SmallModel(Hparams{}), what(what) {
    fit_target(*this);
    automatic_optimization = what.find("manual:") != 0;
  }
  StepOutput training_step(const Batch& batch, int64_t i) override {
    const StepOutput output = SmallModel::training_step(batch, i);
    if (what == "backward") manual_backward(output.loss());
    return output;
  }
  Optimizers configure_optimizers() override {
    if (what == "none") return {};
    if (what == "two") return {optim::SGD(net->parameters(), 0.1), optim::SGD(net->parameters(), 0.1)};
    if (what == "plateau") return Optimizers(optim::SGD(parameters(), 0.1)).schedule<optim::ReduceLROnPlateau>({});
    return SmallModel::configure_optimizers();
  }
  std::string what;
};

Case optimizer_case(const char* situation, Case::Answer answer, const char* what, std::vector<const char*> parts) {
  return {situation, answer, "",
          [what] {
            return message_of([what] {
              Optimizing model(what);
              TrainerOptions options = quiet(1);
              if (model.what == "manual:clip") options.gradient_clip_val = 1.0;
              if (model.what == "manual:accumulate") options.accumulate_grad_batches = 2;
              Trainer(options).fit(model, plane(false));
            });
          },
          parts};
}

/// A model of other names or shapes than SmallModel.
struct OtherNames : LightningModule<Batch, Tensor> {
  nn::Linear lin = register_module("lin", nn::Linear(3, 1));
};

/// What happens to a checkpoint of one epoch.
std::string with_checkpoint(bool weights_only, void (*use)(const std::string& path)) {
  TemporaryFolder folder;
  SmallModel model(SmallModel::Hparams{});
  fit_target(model);
  Trainer trainer(quiet(2));
  trainer.fit(model, plane(false));
  trainer.save_checkpoint(folder.path("a.ckpt"), weights_only);
  return message_of([&] { use(folder.path("a.ckpt")); });
}

void resume(const std::string& path) {
  SmallModel model(SmallModel::Hparams{});
  fit_target(model);
  Trainer(quiet(1)).fit(model, plane(false), FitOptions{.ckpt_path = path});
}

}  // namespace

std::vector<MessageCase> setting_cases() {
  return {
      optimizer_case("configure_optimizers returns None", Case::Works, "none", {}),
      {"configure_optimizers returns a number", Case::Compiler, "trainer_optimizers_type.cpp"},
      optimizer_case("configure_optimizers two, automatic", Case::Says, "two",
                     {"E016: configure_optimizers gives 2 optimizers; the trainer steps one",
                      "fix: set automatic_optimization = false"}),
      option_case("EarlyStopping unknown monitor",
                  [](TrainerOptions& o) {
                    o.callbacks = {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "val_los"})};
                  },
                  {"E011: unknown metric: wanted \"val_los\"; logged: train_loss, train_loss_step",
                   "in EarlyStopping, on_train_epoch_end, epoch 0", "fix: did you mean \"val_loss\"?"}),
      option_case("ModelCheckpoint unknown monitor",
                  [](TrainerOptions& o) {
                    o.callbacks = {std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.monitor = "nope"})};
                  },
                  {"E011: unknown metric: wanted \"nope\"; logged: ", "in ModelCheckpoint, on_train_epoch_end, epoch 0",
                   "fix: log(\"nope\", value)"}),
      optimizer_case("ReduceLROnPlateau without monitor", Case::Says, "plateau",
                     {"E016: configure_optimizers: a scheduler that watches a metric has no monitor", "monitor"}),
      option_case("limit_train_batches=1.5", [](TrainerOptions& o) { o.limit_train_batches = 1.5; },
                  {"E016: limit_train_batches is 1.5; allowed: a fraction from 0.0 to 1.0, or a number of batches"}),
      option_case("max_epochs=-2", [](TrainerOptions& o) { o.max_epochs = -2; },
                  {"E016: max_epochs is -2; allowed: -1 (no limit) or more"}),
      command_line_case("gradient_clip_val string", "gradient_clip_val",
                        {"E016: gradient_clip_val is \"x\", which is no value of this option", "none"}),
      command_line_case("gradient_clip_algorithm unknown", "gradient_clip_algorithm",
                        {"E016: gradient_clip_algorithm is \"x\", which is no value of this option", "norm"}),
      optimizer_case("manual optimisation with gradient_clip_val", Case::Says, "manual:clip",
                     {"E016: gradient_clip_val is set, and the module optimizes manually",
                      "fix: leave gradient_clip_val out and do it in training_step"}),
      optimizer_case("manual optimisation with accumulation", Case::Says, "manual:accumulate",
                     {"E016: accumulate_grad_batches is set, and the module optimizes manually",
                      "fix: leave accumulate_grad_batches out and do it in training_step"}),
      optimizer_case("manual_backward under automatic", Case::Says, "backward",
                     {"E016: manual_backward: the trainer runs backward itself", "in training_step, epoch 0, batch 0",
                      "fix: set automatic_optimization = false"}),
      option_case("val_check_interval above the number of batches", [](TrainerOptions& o) { o.val_check_interval = 9; },
                  {"E016: val_check_interval is 9 batches, but an epoch has only 8", "fix: choose at most that many"}),
      {"dataloader not iterable", Case::Compiler, "trainer_no_loader.cpp"},
      {"validate without model", Case::CannotOccur, "the model is validate()'s first argument"},
  };
}

std::vector<MessageCase> file_cases() {
  return {
      {"resume beyond max_epochs",
       Case::Says,
       "",
       [] { return with_checkpoint(false, resume); },
       {"E016: ", "a.ckpt has done 2 epochs, more than max_epochs = 1", "fix: raise max_epochs"}},
      {"resume a weights-only checkpoint",
       Case::Says,
       "",
       [] { return with_checkpoint(true, resume); },
       {"E015: ", "a.ckpt holds weights only: there is no optimizer state to go on with",
        "fix: fit from a file that was saved without save_weights_only"}},
      {"checkpoint missing",
       Case::Says,
       "",
       [] { return message_of([] { resume("no/none.ckpt"); }); },
       {"E015: there is no checkpoint no/none.ckpt", "fix: check the path"}},
      {"load_from_checkpoint with other shapes",
       Case::Says,
       "",
       [] {
         return with_checkpoint(true, [](const std::string& path) {
           load_from_checkpoint<SmallModel>(path, {{"hidden", "9"}});
         });
       },
       {"E013: load_state_dict: the state does not fit SmallModel: 0 missing, 0 unexpected, 3 of another shape",
        "net.0.weight: module has [9, 3], state has [8, 3]", "in checkpoint ", "a.ckpt", "fix: strict = false"}},
      {"load_from_checkpoint with other names",
       Case::Says,
       "",
       [] { return with_checkpoint(true, [](const std::string& path) { load_from_checkpoint<OtherNames>(path); }); },
       {"E013: load_state_dict: the state does not fit OtherNames: 2 missing, 4 unexpected", "lin.weight",
        "net.0.weight", "a.ckpt"}},
      {"test ckpt_path=best without checkpoint callback",
       Case::Says,
       "",
       [] {
         SmallModel model(SmallModel::Hparams{});
         return message_of([&] { Trainer(quiet(1)).validate(model, plane(false), {.ckpt_path = "best"}); });
       },
       {"E016: ckpt_path is \"best\", and this trainer has no ModelCheckpoint", "fix: "}},
  };
}

}  // namespace fulmen::trainer::testing
