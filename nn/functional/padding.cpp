#include <fulmen/autograd/ops/pad.h>
#include <fulmen/nn/functional/padding.h>

namespace fulmen::nn::functional {

Tensor pad(const Tensor& input, const PadFuncOptions& options) {
  const PadFuncOptions::mode_t& mode = options.mode();
  return fulmen::pad(input, options.pad(),
                     mode.is<enumtype::kConstant>()    ? "constant"
                     : mode.is<enumtype::kReflect>()   ? "reflect"
                     : mode.is<enumtype::kReplicate>() ? "replicate"
                                                       : "circular",
                     options.value());
}

}  // namespace fulmen::nn::functional
