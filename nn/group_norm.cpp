#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/group_norm.h>
#include <fulmen/autograd/ops/views.h>
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

template <size_t D, class Derived>
InstanceNormImplBase<D, Derived>::InstanceNormImplBase(const InstanceNormOptions& options_) : options(options_) {
  InstanceNormImplBase::reset();
}

template <size_t D, class Derived>
void InstanceNormImplBase<D, Derived>::reset() {
  const int64_t features = options.num_features();
  const bool affine = options.affine(), tracked = options.track_running_stats();
  weight = this->register_parameter("weight", affine ? empty({features}) : Tensor(), affine);
  bias = this->register_parameter("bias", affine ? empty({features}) : Tensor(), affine);
  running_mean = this->register_buffer("running_mean", tracked ? zeros({features}) : Tensor());
  running_var = this->register_buffer("running_var", tracked ? ones({features}) : Tensor());
  num_batches_tracked = this->register_buffer("num_batches_tracked", tracked ? zeros({}, kLong) : Tensor());
  reset_parameters();
}

template <size_t D, class Derived>
void InstanceNormImplBase<D, Derived>::reset_running_stats() {
  if (!options.track_running_stats()) return;
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}

template <size_t D, class Derived>
void InstanceNormImplBase<D, Derived>::reset_parameters() {
  reset_running_stats();
  if (!options.affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}

template <size_t D, class Derived>
void InstanceNormImplBase<D, Derived>::pretty_print(std::ostream& stream) const {
  Printed(stream, str("InstanceNorm", D, "d"))
      .arg(options.num_features())
      .arg("eps", options.eps())
      .arg("momentum", options.momentum())
      .arg("affine", options.affine())
      .arg("track_running_stats", options.track_running_stats());
}

template <size_t D, class Derived>
Tensor InstanceNormImplBase<D, Derived>::forward(const Tensor& input) {
  FULMEN_CHECK(input.dim() == D + 1 || input.dim() == D + 2, "InstanceNorm", D, "d: expected ", D + 1, "D or ", D + 2,
               "D input (got ", input.dim(), "D input); got ", input);
  auto normalized = [&](const Tensor& x) {
    FULMEN_CHECK(x.size(1) == options.num_features() || !(weight.defined() || running_mean.defined()), "InstanceNorm",
                 D, "d: expected ", options.num_features(), " channels, got ", input);
    return instance_norm(x, weight, bias, running_mean, running_var,
                         this->is_training() || !options.track_running_stats(), options.momentum(), options.eps());
  };
  return input.dim() == D + 2 ? normalized(input) : normalized(input.unsqueeze(0)).squeeze(0);
}

template class InstanceNormImplBase<1, InstanceNorm1dImpl>;
template class InstanceNormImplBase<2, InstanceNorm2dImpl>;
template class InstanceNormImplBase<3, InstanceNorm3dImpl>;

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
