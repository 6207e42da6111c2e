#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/group_norm.h>
#include <fulmen/autograd/ops/norm.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/normalization.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

LayerNormImpl::LayerNormImpl(std::vector<int64_t> normalized_shape)
    : LayerNormImpl(LayerNormOptions(std::move(normalized_shape))) {}
LayerNormImpl::LayerNormImpl(LayerNormOptions options_) : options(std::move(options_)) { LayerNormImpl::reset(); }

void LayerNormImpl::reset() {
  const bool affine = options.elementwise_affine(), biased = affine && options.bias();
  weight = register_parameter("weight", affine ? fulmen::empty(options.normalized_shape()) : Tensor(), affine);
  bias = register_parameter("bias", biased ? fulmen::empty(options.normalized_shape()) : Tensor(), biased);
  reset_parameters();
}

void LayerNormImpl::reset_parameters() {
  if (!options.elementwise_affine()) return;
  init::ones_(weight);
  if (bias.defined()) init::zeros_(bias);
}

void LayerNormImpl::pretty_print(std::ostream& stream) const {
  Printed(stream, "LayerNorm")
      .arg(IntArrayRef(options.normalized_shape()))
      .arg("eps", options.eps())
      .arg("elementwise_affine", options.elementwise_affine())
      .arg_unless("bias", options.bias(), true);
}

Tensor LayerNormImpl::forward(const Tensor& input) {
  return layer_norm(input, options.normalized_shape(), weight, bias, options.eps());
}

RMSNormImpl::RMSNormImpl(std::vector<int64_t> normalized_shape)
    : RMSNormImpl(RMSNormOptions(std::move(normalized_shape))) {}
RMSNormImpl::RMSNormImpl(RMSNormOptions options_) : options(std::move(options_)) { RMSNormImpl::reset(); }

void RMSNormImpl::reset() {
  const bool affine = options.elementwise_affine();
  weight = register_parameter("weight", affine ? fulmen::empty(options.normalized_shape()) : Tensor(), affine);
  reset_parameters();
}

void RMSNormImpl::reset_parameters() {
  if (options.elementwise_affine()) init::ones_(weight);
}

void RMSNormImpl::pretty_print(std::ostream& stream) const {
  Printed printed(stream, "RMSNorm");
  printed.arg(IntArrayRef(options.normalized_shape()));
  if (options.eps()) {
    printed.arg("eps", *options.eps());
  } else {
    printed.arg("eps", "None");
  }
  printed.arg("elementwise_affine", options.elementwise_affine());
}

Tensor RMSNormImpl::forward(const Tensor& input) {
  return rms_norm(input, options.normalized_shape(), weight, options.eps());
}

template <class Derived, class Options>
NormImplBase<Derived, Options>::NormImplBase(const Options& options_) : options(options_) {
  NormImplBase::reset();
}

template <class Derived, class Options>
void NormImplBase<Derived, Options>::reset() {
  const int64_t features = options.num_features();
  const bool affine = options.affine(), tracked = options.track_running_stats();
  weight = this->register_parameter("weight", affine ? empty({features}) : Tensor(), affine);
  bias = this->register_parameter("bias", affine ? empty({features}) : Tensor(), affine);
  running_mean = this->register_buffer("running_mean", tracked ? zeros({features}) : Tensor());
  running_var = this->register_buffer("running_var", tracked ? ones({features}) : Tensor());
  num_batches_tracked = this->register_buffer("num_batches_tracked", tracked ? zeros({}, kLong) : Tensor());
  reset_parameters();
}

template <class Derived, class Options>
void NormImplBase<Derived, Options>::reset_running_stats() {
  if (!options.track_running_stats()) return;
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}

template <class Derived, class Options>
void NormImplBase<Derived, Options>::reset_parameters() {
  reset_running_stats();
  if (!options.affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}

template <size_t D, class Derived>
void BatchNormImplBase<D, Derived>::pretty_print(std::ostream& stream) const {
  Printed printed(stream, str("BatchNorm", D, "d"));
  printed.arg(this->options.num_features()).arg("eps", this->options.eps());
  if (this->options.momentum()) {
    printed.arg("momentum", *this->options.momentum());
  } else {
    printed.arg("momentum", "None");
  }
  printed.arg("affine", this->options.affine()).arg("track_running_stats", this->options.track_running_stats());
}

template <size_t D, class Derived>
Tensor BatchNormImplBase<D, Derived>::forward(const Tensor& input) {
  if constexpr (D == 1) {
    FULMEN_CHECK(input.dim() == 2 || input.dim() == 3, "BatchNorm1d: expected 2D or 3D input (got ", input.dim(),
                 "D input); got ", input);
  } else {
    FULMEN_CHECK(input.dim() == D + 2, "BatchNorm", D, "d: expected ", D + 2, "D input (got ", input.dim(),
                 "D input); got ", input);
  }
  double momentum = this->options.momentum().value_or(0);
  if (this->is_training() && this->num_batches_tracked.defined()) {
    this->num_batches_tracked.add_(1);
    // Without momentum the running statistics are the mean over all batches so far.
    if (!this->options.momentum()) momentum = 1 / this->num_batches_tracked.item().toDouble();
  }
  const bool from_batch = this->is_training() || !this->running_mean.defined();
  const bool update = this->is_training() && this->running_mean.defined();
  return batch_norm(input, this->weight, this->bias, update || !from_batch ? this->running_mean : Tensor(),
                    update || !from_batch ? this->running_var : Tensor(), from_batch, momentum, this->options.eps());
}

template <size_t D, class Derived>
void InstanceNormImplBase<D, Derived>::pretty_print(std::ostream& stream) const {
  Printed(stream, str("InstanceNorm", D, "d"))
      .arg(this->options.num_features())
      .arg("eps", this->options.eps())
      .arg("momentum", this->options.momentum())
      .arg("affine", this->options.affine())
      .arg("track_running_stats", this->options.track_running_stats());
}

template <size_t D, class Derived>
Tensor InstanceNormImplBase<D, Derived>::forward(const Tensor& input) {
  FULMEN_CHECK(input.dim() == D + 1 || input.dim() == D + 2, "InstanceNorm", D, "d: expected ", D + 1, "D or ", D + 2,
               "D input (got ", input.dim(), "D input); got ", input);
  auto normalized = [&](const Tensor& x) {
    FULMEN_CHECK(x.size(1) == this->options.num_features() || !(this->weight.defined() || this->running_mean.defined()),
                 "InstanceNorm", D, "d: expected ", this->options.num_features(), " channels, got ", input);
    return instance_norm(x, this->weight, this->bias, this->running_mean, this->running_var,
                         this->is_training() || !this->options.track_running_stats(), this->options.momentum(),
                         this->options.eps());
  };
  return input.dim() == D + 2 ? normalized(input) : normalized(input.unsqueeze(0)).squeeze(0);
}

#define FULMEN_NORM(Kind, D)                                            \
  template class NormImplBase<Kind##Norm##D##dImpl, Kind##NormOptions>; \
  template class Kind##NormImplBase<D, Kind##Norm##D##dImpl>;
FULMEN_NORM(Batch, 1)
FULMEN_NORM(Batch, 2)
FULMEN_NORM(Batch, 3)
FULMEN_NORM(Instance, 1)
FULMEN_NORM(Instance, 2)
FULMEN_NORM(Instance, 3)
#undef FULMEN_NORM

}  // namespace fulmen::nn
