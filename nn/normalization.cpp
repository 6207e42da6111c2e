#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/norm.h>
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

template <size_t D, class Derived>
BatchNormImplBase<D, Derived>::BatchNormImplBase(const BatchNormOptions& options_) : options(options_) {
  BatchNormImplBase::reset();
}

template <size_t D, class Derived>
void BatchNormImplBase<D, Derived>::reset() {
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
void BatchNormImplBase<D, Derived>::reset_running_stats() {
  if (!options.track_running_stats()) return;
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}

template <size_t D, class Derived>
void BatchNormImplBase<D, Derived>::reset_parameters() {
  reset_running_stats();
  if (!options.affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}

template <size_t D, class Derived>
void BatchNormImplBase<D, Derived>::pretty_print(std::ostream& stream) const {
  Printed printed(stream, str("BatchNorm", D, "d"));
  printed.arg(options.num_features()).arg("eps", options.eps());
  if (options.momentum()) {
    printed.arg("momentum", *options.momentum());
  } else {
    printed.arg("momentum", "None");
  }
  printed.arg("affine", options.affine()).arg("track_running_stats", options.track_running_stats());
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
  double momentum = options.momentum().value_or(0);
  if (this->is_training() && num_batches_tracked.defined()) {
    num_batches_tracked.add_(1);
    // Without momentum the running statistics are the mean over all batches so far.
    if (!options.momentum()) momentum = 1 / num_batches_tracked.item().toDouble();
  }
  const bool from_batch = this->is_training() || !running_mean.defined();
  const bool update = this->is_training() && running_mean.defined();
  return batch_norm(input, weight, bias, update || !from_batch ? running_mean : Tensor(),
                    update || !from_batch ? running_var : Tensor(), from_batch, momentum, options.eps());
}

template class BatchNormImplBase<1, BatchNorm1dImpl>;
template class BatchNormImplBase<2, BatchNorm2dImpl>;
template class BatchNormImplBase<3, BatchNorm3dImpl>;

}  // namespace fulmen::nn
