#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/group_norm.h>
#include <fulmen/nn/group_norm.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

GroupNormImpl::GroupNormImpl(const GroupNormOptions& options_) : options(options_) { GroupNormImpl::reset(); }

void GroupNormImpl::reset() {
  const bool affine = options.affine();
  FULMEN_CHECK(options.num_groups() > 0 && options.num_channels() % options.num_groups() == 0,
               "GroupNorm: num_channels must be divisible by num_groups, got ", options.num_channels(), " and ",
               options.num_groups());
  weight = register_parameter("weight", affine ? empty({options.num_channels()}) : Tensor(), affine);
  bias = register_parameter("bias", affine ? empty({options.num_channels()}) : Tensor(), affine);
  reset_parameters();
}

void GroupNormImpl::reset_parameters() {
  if (!options.affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}

void GroupNormImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "GroupNorm")
      .arg(options.num_groups())
      .arg(options.num_channels())
      .arg("eps", options.eps())
      .arg("affine", options.affine());
}

Tensor GroupNormImpl::forward(const Tensor& input) {
  return group_norm(input, options.num_groups(), weight, bias, options.eps());
}

void LocalResponseNormImpl::reset() {}
void LocalResponseNormImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "LocalResponseNorm")
      .arg(options.size())
      .arg("alpha", options.alpha())
      .arg("beta", options.beta())
      .arg("k", options.k());
}
Tensor LocalResponseNormImpl::forward(const Tensor& input) { return functional::local_response_norm(input, options); }

}  // namespace fulmen::nn
