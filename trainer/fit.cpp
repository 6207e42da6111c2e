#include <fulmen/autograd/grad_mode.h>
#include <fulmen/trainer/fit_loop.h>

namespace fulmen::trainer {
namespace {

// The loop. Everything that happens in a fit happens in this order; FitLoop's members are the verbs. Inlined, so that
// a user's step stays near to fit().
[[gnu::always_inline]] inline void run_epochs(FitLoop& fit, Run& run, ModuleSteps& steps) {
  for (; fit.more_epochs(); fit.end_epoch()) {
    fit.start_epoch();
    for (; fit.next_batch(); fit.close_batch()) {
      if (fit.start_batch() == -1) break;

      StepOutput output;
      auto loss_and_gradients = [&]() __attribute__((always_inline))->Tensor {
        fit.enter_step();
        {
          const Precision::Scope scope(run.precision);
          output = steps.training_step(fit.batch(), run.batch_idx);
        }
        fit.learn(output);
        return output.loss();
      };
      if (fit.replay(output)) {  // a recorded step: all of the below in one call
        fit.count_step();
      } else if (fit.steps() && fit.takes_closure()) {
        steps.module().optimizer_step(run.progress.epoch, run.batch_idx, *run.optimizers.first(), loss_and_gradients);
        fit.count_step();
      } else {
        loss_and_gradients();
        if (fit.steps() && fit.has_gradients()) {
          run.optimizers.first()->step();
          fit.count_step();
        }
      }

      fit.end_batch(output);
      if (fit.validation_due()) fit.validate();
    }
  }
}

}  // namespace

void Trainer::run_fit(ModuleSteps& steps, const LoaderRequests& requests, const FitOptions& options) {
  FitLoop fit(*run_, steps, requests, options);
  try {
    fit.begin();
    run_epochs(fit, *run_, steps);
    fit.end();
  } catch (const TunerExit&) {
    run_->end();
  } catch (...) {
    run_->fail();
    throw;
  }
}

void FitLoop::run_trial(const AnyFunction<void()>& loaders_are_there) {
  automatic_ = run_.module->automatic_optimization;
  request_loaders();
  loaders_are_there();
  if (!reached_limits()) start_training();
  loaders_are_there();
  run_epochs(*this, run_, module_steps_);
  if (started_) FULMEN_CALL(run_, on_train_end, Forbidden);
}

}  // namespace fulmen::trainer
