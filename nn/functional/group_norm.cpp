#include <fulmen/autograd/ops/group_norm.h>
#include <fulmen/nn/functional/group_norm.h>

namespace fulmen::nn::functional {

Tensor group_norm(const Tensor& input, const GroupNormFuncOptions& o) {
  return fulmen::group_norm(input, o.num_groups(), o.weight(), o.bias(), o.eps());
}
Tensor instance_norm(const Tensor& input, const InstanceNormFuncOptions& o) {
  return fulmen::instance_norm(input, o.weight(), o.bias(), o.running_mean(), o.running_var(), o.use_input_stats(),
                               o.momentum(), o.eps());
}
Tensor local_response_norm(const Tensor& input, const LocalResponseNormFuncOptions& o) {
  return fulmen::local_response_norm(input, o.size(), o.alpha(), o.beta(), o.k());
}

}  // namespace fulmen::nn::functional
