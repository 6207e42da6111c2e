#include <doctest/doctest.h>

#include "replay.h"

namespace fulmen::trainer::testing {
namespace {

// Hooks of a fit with a sanity check, one training batch and one validation batch.
const std::string validation = R"(module.on_validation_model_eval
A.on_validation_start
module.on_validation_start
A.on_validation_epoch_start
module.on_validation_epoch_start
module.on_before_batch_transfer
module.transfer_batch_to_device
module.on_after_batch_transfer
A.on_validation_batch_start
module.on_validation_batch_start
module.validation_step
A.on_validation_batch_end
module.on_validation_batch_end
A.on_validation_epoch_end
module.on_validation_epoch_end
)";
const std::string validation_end = R"(A.on_validation_end
module.on_validation_end
module.on_validation_model_train
)";
const std::string plan_of_one_batch = R"(module.configure_callbacks
module.prepare_data
A.setup
module.setup
module.configure_model
module.configure_optimizers
A.on_fit_start
module.on_fit_start
logger.log_hyperparams
A.on_sanity_check_start
module.val_dataloader
)" + validation + validation_end +
                                      R"(A.on_sanity_check_end
module.train_dataloader
A.on_train_start
module.on_train_start
A.on_train_epoch_start
module.on_train_epoch_start
module.on_before_batch_transfer
module.transfer_batch_to_device
module.on_after_batch_transfer
A.on_train_batch_start
module.on_train_batch_start
module.optimizer_step
module.training_step
A.on_before_zero_grad
module.on_before_zero_grad
module.optimizer_zero_grad
A.on_before_backward
module.on_before_backward
module.backward
module.<backward
A.on_after_backward
module.on_after_backward
A.on_before_optimizer_step
module.on_before_optimizer_step
module.configure_gradient_clipping
module.<optimizer_step
A.on_train_batch_end
module.on_train_batch_end
logger.log_metrics
module.on_validation_model_zero_grad
)" + validation +
                                      R"(logger.log_metrics
)" + validation_end +
                                      R"(A.on_train_epoch_end
module.on_train_epoch_end
A.state_dict
A.on_save_checkpoint
module.on_save_checkpoint
logger.after_save_checkpoint
logger.log_metrics
A.on_train_end
module.on_train_end
A.on_fit_end
module.on_fit_end
A.teardown
module.teardown
logger.finalize
)";

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("the order of hooks: sanity check, one training batch, one validation batch") {
    const Json plan = Json::parse(R"({"runs": [{
      "trainer": {"max_epochs": 1, "num_sanity_val_steps": 1, "limit_train_batches": 1, "limit_val_batches": 1},
      "module": {"val": [5]}, "callbacks": ["A", {"ModelCheckpoint": {"dirpath": "c"}}]}]})");
    const std::vector<RecordedLines> runs = replay(plan);
    std::string order;
    for (const std::string& line : runs[0]) {
      if (line[0] != '#' && line.rfind("trainer.", 0) != 0) order += line.substr(0, line.find(' ')) + "\n";
    }
    CHECK(order == plan_of_one_batch);
  }
}

}  // namespace fulmen::trainer::testing
