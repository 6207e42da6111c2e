#pragma once
#include <string>
#include <vector>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {

/// A situation that Lightning was recorded in (c32_errors.json, by its name there), and what we do in it.
struct MessageCase {
  enum Answer : uint8_t {
    Says,         ///< an Error, whose text has all of `parts`, the first at its beginning
    Compiler,     ///< does not compile: `note` is the file in tests/must_not_compile that shows the sentence
    Works,        ///< no error
    CannotOccur,  ///< `note` says why
  };
  const char* situation;
  Answer answer;
  const char* note = "";
  AnyFunction<std::string()> run = {};  ///< message_of(...)
  std::vector<const char*> parts = {};
};

std::vector<MessageCase> returned_cases();
std::vector<MessageCase> step_cases();
std::vector<MessageCase> log_cases();
std::vector<MessageCase> setting_cases();
std::vector<MessageCase> file_cases();

/// A module whose training step is whatever a test wants.
class Stepping : public SmallModel {
 public:
  using Step = AnyFunction<StepOutput(Stepping&, const Batch&, int64_t)>;
  explicit Stepping(Step s) : SmallModel(Hparams{.dropout = 0}), step(std::move(s)) { fit_target(*this); }
  StepOutput training_step(const Batch& batch, int64_t i) override { return step(*this, batch, i); }
  Step step;
};

/// The error of a fit with that step; "no error" if there is none.
inline std::string fit_message(Stepping::Step step, const TrainerOptions& options = quiet(1)) {
  Stepping model(std::move(step));
  return message_of([&] { Trainer(options).fit(model, plane(false), plane(false)); });
}

}  // namespace fulmen::trainer::testing
