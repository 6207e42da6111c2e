#include <fulmen/autograd/grad_mode.h>
#include <fulmen/trainer/fit_loop.h>

namespace fulmen::trainer {

// The loop. Everything that happens in a fit happens in this order; FitLoop's members are the verbs.
void Trainer::run_fit(ModuleSteps& steps, const LoaderRequests& requests, const FitOptions& options) {
  FitLoop fit(*run_, steps, requests, options);
  const Progress& at = run_->progress;
  try {
    for (fit.begin(); fit.more_epochs(); fit.end_epoch()) {
      fit.start_epoch();
      for (; fit.next_batch(); fit.close_batch()) {
        if (fit.start_batch() == -1) break;

        StepOutput output;
        auto loss_and_gradients = [&]() __attribute__((always_inline))->Tensor {
          fit.enter_step();
          {
            const Precision::Scope scope(run_->precision);
            output = steps.training_step(fit.batch(), run_->batch_idx);
          }
          fit.learn(output);
          return output.loss();
        };
        if (fit.replay(output)) {  // a recorded step: all of the below in one call
          fit.count_step();
        } else if (fit.steps() && steps.overrides().optimizer_step) {
          steps.module().optimizer_step(at.epoch, run_->batch_idx, *optimizer(), loss_and_gradients);
          fit.count_step();
        } else {
          loss_and_gradients();
          if (fit.steps() && fit.has_gradients()) {
            optimizer()->step();
            fit.count_step();
          }
        }

        fit.end_batch(output);
        if (fit.validation_due()) fit.validate();
      }
    }
    fit.end();
  } catch (...) {
    run_->fail();
    throw;
  }
}

}  // namespace fulmen::trainer
