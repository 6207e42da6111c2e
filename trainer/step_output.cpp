#include <fulmen/trainer/step_output.h>

namespace fulmen::trainer {

void StepOutput::detach() {
  if (loss_.defined() && loss_.requires_grad()) loss_ = loss_.detach();
  for (auto& [name, tensor] : outputs_) {
    if (tensor.defined() && tensor.requires_grad()) tensor = name == "loss" ? loss_ : tensor.detach();
  }
}

}  // namespace fulmen::trainer
