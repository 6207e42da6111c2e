#include <fulmen/autograd/ops.h>
#include <fulmen/nn/functional/loss.h>
#include <fulmen/trainer/early_stopping.h>

#include "message_case.h"

// Steps and log(): see messages_test.cpp.
namespace fulmen::trainer::testing {
namespace {

using Case = MessageCase;

StepOutput usual(Stepping& self, const Batch& batch, int64_t i) { return self.SmallModel::training_step(batch, i); }

/// The error of a fit whose step changes the input first.
Case input_case(const char* situation, Tensor (*change)(const Tensor&), std::vector<const char*> parts) {
  parts.push_back("in Stepping.net.0 (Linear), in training_step, epoch 0, batch 0");
  return {situation, Case::Says, "",
          [change] {
            return fit_message([change](Stepping& self, const Batch& b, int64_t) {
              return StepOutput(self.forward(change(b.data)).mean());
            });
          },
          parts};
}

/// The error of a fit whose step logs.
Case log_case(const char* situation, void (*log)(Stepping&), std::vector<const char*> parts) {
  parts.push_back("in training_step, epoch 0, batch 0");
  return {situation, Case::Says, "",
          [log] {
            return fit_message([log](Stepping& self, const Batch& b, int64_t i) {
              log(self);
              return usual(self, b, i);
            });
          },
          parts};
}

struct Hooked : SmallModel {
  Hooked() : SmallModel(Hparams{}) { fit_target(*this); }
  StepOutput training_step_end(StepOutput output) override { return ++step_ends, output; }
  void on_epoch_end() override { ++epoch_ends; }
  int step_ends = 0, epoch_ends = 0;
};

std::string old_hooks() {
  Hooked model;
  return message_of([&] {
    Trainer(quiet(2)).fit(model, plane(false));
    if (model.step_ends != 16 || model.epoch_ends != 2) throw Error("these hooks were not called");
  });
}

struct LogsInHook : SmallModel {
  explicit LogsInHook(const std::string& hook) : SmallModel(Hparams{}), hook(hook) { fit_target(*this); }
  void on_fit_start() override {
    if (hook == "on_fit_start") log("a", 1.0);
  }
  void on_train_epoch_end() override {
    if (hook == "on_train_epoch_end") log("a", 1.0, {.on_step = true});
  }
  Tensor predict_step(const Batch& batch, int64_t i, int64_t loader) override {
    if (hook == "predict_step") log("a", 1.0);
    return hook == "nothing" ? Tensor() : SmallModel::predict_step(batch, i, loader);
  }
  std::string hook;
};

std::string hook_message(const std::string& hook) {
  LogsInHook model(hook);
  Trainer trainer(quiet(1));
  return message_of([&] {
    if (hook == "predict_step" || hook == "nothing") {
      if (trainer.predict(model, plane(false)).size() != 8) throw Error("predictions are missing");
    } else {
      trainer.fit(model, plane(false));
    }
  });
}

}  // namespace

/// What a training step may return.
std::vector<MessageCase> returned_cases() {
  return {
      {"training_step returns numpy scalar", Case::Compiler, "trainer_step_type.cpp"},
      {"training_step returns float", Case::Compiler, "trainer_step_type.cpp"},
      {"training_step returns list", Case::Compiler, "trainer_step_list.cpp"},
      {"training_step returns dict without loss",
       Case::Says,
       "",
       [] {
         return fit_message([](Stepping&, const Batch& b, int64_t) {
           return StepOutput(Dict{{"accuracy", b.data.mean()}});
         });
       },
       {"E009: training_step: expected a Dict with the key \"loss\"; got {accuracy}",
        "in training_step, epoch 0, batch 0", "fix: add the tensor to be minimised as \"loss\""}},
      {"training_step returns dict with float loss", Case::Compiler, "trainer_dict_value.cpp"},
      {"training_step returns None", Case::Works, "",
       [] { return fit_message([](Stepping&, const Batch&, int64_t) { return StepOutput(skip); }); }},
      {"training_step returns detached tensor",
       Case::Says,
       "",
       [] {
         return fit_message(
             [](Stepping& self, const Batch& b, int64_t i) { return StepOutput(usual(self, b, i).loss().detach()); });
       },
       {"E005: training_step: expected a loss attached to parameters; got a tensor without history, float32[]",
        "in training_step, epoch 0, batch 0", "detached"}},
      {"training_step returns non-scalar tensor",
       Case::Says,
       "",
       [] {
         return fit_message(
             [](Stepping& self, const Batch& b, int64_t) { return StepOutput(self.forward(b.data).squeeze(1)); });
       },
       {"E004: training_step: expected a loss of one element; got [5]", "in training_step, epoch 0, batch 0",
        "fix: return loss.mean()"}},
      {"training_step returns integer tensor",
       Case::Says,
       "",
       [] {
         return fit_message([](Stepping&, const Batch&, int64_t) { return StepOutput(tensor({3}, kLong).sum()); });
       },
       {"E005: training_step: expected a loss attached to parameters; got a tensor without history, int64[]",
        "or from integers?"}},
      {"training_step returns NaN loss",
       Case::Says,
       "",
       [] {
         return fit_message([](Stepping& self, const Batch& b, int64_t i) {
           return StepOutput(usual(self, b, i).loss() * Scalar(std::nan("")));
         });
       },
       {"E006: the loss is not finite: nan at epoch 0 batch 0, all parameters are finite: look at the batch",
        "fix: lower the learning rate"}},
  };
}

std::vector<MessageCase> step_cases() {
  return {
      {"training_step passes numpy to the layer (seed 1)", Case::CannotOccur,
       "a layer takes a Tensor; there is no other array type that a batch could hold"},
      input_case("training_step integer input", [](const Tensor& x) { return x.to(kLong); },
                 {"E002: Linear takes float32; got int64[5, 3] on cpu (weights are float32)",
                  "fix: convert with .to(kFloat) where the batch is made"}),
      input_case("training_step float64 input", [](const Tensor& x) { return x.to(kDouble); },
                 {"E002: Linear takes float32; got float64[5, 3] on cpu (weights are float32)",
                  "fix: convert with .to(kFloat) where the batch is made"}),
      input_case("training_step wrong feature count", [](const Tensor& x) { return x.narrow(1, 0, 1); },
                 {"E001: Linear(3 → 8) takes float32[*, 3]; got float32[5, 1]",
                  "fix: the input has 1 features: construct Linear(1, 8)"}),
      {"training_step target broadcast (N,1) vs (N)",
       Case::Says,
       "",
       [] {
         return fit_message([](Stepping& self, const Batch& b, int64_t) {
           return StepOutput(nn::functional::mse_loss(self.forward(b.data), b.target.squeeze(1)));
         });
       },
       {"E007: mse_loss: prediction float32[5, 1] on cpu and target float32[5] on cpu", "not broadcast in losses",
        "in training_step, epoch 0, batch 0", "squeeze(1) the prediction"}},
      {"validation_step numpy (seed 1, example 2)", Case::CannotOccur, "as in training_step"},
      {"validation_step returns numpy scalar", Case::Compiler, "trainer_validation_type.cpp"},
      {"validation_step returns string", Case::Compiler, "trainer_validation_type.cpp"},
      // A prediction of the declared type; one that is undefined is handed on as it is.
      {"predict_step returns None", Case::Works, "", [] { return hook_message("nothing"); }},
      {"predict_step logs",
       Case::Says,
       "",
       [] { return hook_message("predict_step"); },
       {"E012: log: \"a\" in predict_step: logging is not allowed here", "in predict_step, batch 0",
        "fix: log in training_step, validation_step, test_step"}},
      {"predict two loaders without dataloader_idx", Case::CannotOccur,
       "the step's signature always has dataloader_idx"},
      {"predict without loader",
       Case::Says,
       "",
       [] {
         SmallModel model(SmallModel::Hparams{});
         return message_of([&] { Trainer(quiet(1)).predict(model); });
       },
       {"E016: predict: there is no loader", "predict_dataloader()"}},
      {"fit without training_step", Case::Compiler, "trainer_no_training_step.cpp"},
      {"fit without configure_optimizers", Case::Compiler, "trainer_no_optimizers.cpp"},
      {"training_epoch_end defined", Case::Compiler, "trainer_removed_hook.cpp"},
      {"training_step_end defined (ignored)", Case::Works, "", old_hooks},
      {"on_epoch_end defined (ignored)", Case::Works, "", old_hooks},
  };
}

std::vector<MessageCase> log_cases() {
  return {
      log_case("log a vector", [](Stepping& self) { self.log("v", zeros({2})); },
               {"E012: log: \"v\" needs one element; got float32[2] on cpu", "fix: log(\"v\", value.mean())"}),
      {"log a string", Case::Compiler, "trainer_log_type.cpp"},
      {"log nested dict", Case::Compiler, "trainer_log_dict.cpp"},
      {"log in __init__ / without trainer", Case::Works, "",
       [] {  // a warning, once per thread
         SmallModel model(SmallModel::Hparams{});
         return message_of([&] { model.log("a", 1.0); });
       }},
      log_case("log with neither level",
               [](Stepping& self) { self.log("a", 1.0, {.on_step = false, .on_epoch = false}); },
               {"E012: log: \"a\" in training_step: on_step and on_epoch are both false", "fix: set one of them"}),
      log_case("log twice with different arguments",
               [](Stepping& self) {
                 self.log("a", 1.0);
                 self.log("a", 1.0, {.prog_bar = true});
               },
               {"E012: log: \"a\" in training_step: logged twice in the same hook with different arguments",
                "fix: give every call for this name the same arguments, or another name"}),
      {"log in on_fit_start",
       Case::Says,
       "",
       [] { return hook_message("on_fit_start"); },
       {"E012: log: \"a\" in on_fit_start: logging is not allowed here", "fix: log in training_step"}},
      {"log on_step in on_train_epoch_end",
       Case::Says,
       "",
       [] { return hook_message("on_train_epoch_end"); },
       {"E012: log: \"a\" in on_train_epoch_end: on_step is set, but this hook runs once an epoch",
        "in on_train_epoch_end, epoch 0", "fix: leave on_step out"}},
      {"log reduce_fx unknown", Case::CannotOccur, "LogOptions::reduce is an enumeration"},
      log_case(
          "log a key with the loader suffix", [](Stepping& self) { self.log("a/dataloader_idx_0", 1.0); },
          {"E012: log: \"a/dataloader_idx_0\" in training_step: the loader's number is added to the name by itself",
           "fix: log it without, or set add_dataloader_idx = false"}),
  };
}

}  // namespace fulmen::trainer::testing
