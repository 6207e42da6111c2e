#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/group_norm.h>
#include <fulmen/autograd/ops/norm.h>
#include <fulmen/autograd/ops/pad.h>
#include <fulmen/autograd/ops/pooling.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/views.h>

namespace fulmen {

namespace {

/// [channels] as [1, channels, 1, ...].
Tensor per_channel(const Tensor& t, int64_t dims) {
  Shape sizes(static_cast<size_t>(dims), 1);
  sizes[1] = t.numel();
  return t.view(sizes);
}
void check_channels(const char* op, const char* what, const Tensor& t, int64_t channels) {
  FULMEN_CHECK(!t.defined() || (t.dim() == 1 && t.numel() == channels), op, ": Expected ", what,
               " to be a vector of size equal to the number of channels in input, but got ", what, " of shape ",
               t.defined() ? t.sizes() : IntArrayRef(), " and ", channels, " channels");
}
/// The same numbers for each of n samples.
Tensor for_samples(const Tensor& t, int64_t n) { return t.defined() ? t.repeat({n}) : t; }

}  // namespace

Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  if (autocast::applies(autocast::wide_on_cuda, x))
    return autocast::recast(autocast::wide_on_cuda, group_norm, x, num_groups, weight, bias, eps);
  FULMEN_CHECK(x.dim() >= 2, "group_norm: Expected at least 2 dimensions for input tensor but received ", x.dim());
  const int64_t n = x.size(0), channels = x.size(1);
  FULMEN_CHECK(num_groups > 0, "group_norm: Expected num groups to be greater than 0, got ", num_groups);
  FULMEN_CHECK(channels % num_groups == 0, "group_norm: Expected number of channels in input to be divisible by ",
               "num_groups, but got input of shape ", x.sizes(), " and num_groups=", num_groups);
  check_channels("group_norm", "weight", weight, channels);
  check_channels("group_norm", "bias", bias, channels);
  const int64_t length = x.numel() == 0 ? 0 : x.numel() / (n * num_groups);
  Tensor y =
      length == 0 ? x.clone() : layer_norm(x.reshape({n, num_groups, length}), {length}, {}, {}, eps).view(x.sizes());
  if (weight.defined()) y = y * per_channel(weight, x.dim());
  if (bias.defined()) y = y + per_channel(bias, x.dim());
  return y;
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                     const Tensor& running_var, bool use_input_stats, double momentum, double eps) {
  FULMEN_CHECK(x.dim() >= 3, "instance_norm: expected at least 3 dimensions [n, channels, sizes...], got ", x);
  const int64_t n = x.size(0), channels = x.size(1);
  FULMEN_CHECK(use_input_stats || (running_mean.defined() && running_var.defined()),
               "instance_norm: Expected running_mean and running_var to be defined when use_input_stats is false");
  check_channels("instance_norm", "weight", weight, channels);
  check_channels("instance_norm", "bias", bias, channels);
  if (!use_input_stats) return batch_norm(x, weight, bias, running_mean, running_var, false, momentum, eps);
  FULMEN_CHECK(x.numel() == 0 || x.numel() > n * channels,
               "instance_norm: Expected more than 1 spatial element when training, got input size ", x.sizes());
  if (x.numel() == 0) return x.clone();
  const Tensor mean = for_samples(running_mean, n), var = for_samples(running_var, n);
  const int64_t length = x.numel() / (n * channels);
  Tensor y = batch_norm(x.reshape({1, n * channels, length}), for_samples(weight, n), for_samples(bias, n), mean, var,
                        true, momentum, eps);
  y = y.view(x.sizes());
  const NoGradGuard constant;
  if (mean.defined()) running_mean.copy_(mean.view({n, channels}).mean(0));
  if (var.defined()) running_var.copy_(var.view({n, channels}).mean(0));
  return y;
}

Tensor local_response_norm(const Tensor& x, int64_t size, double alpha, double beta, double k) {
  FULMEN_CHECK(x.dim() >= 3, "local_response_norm: Expected 3D or higher dimensionality input (got ", x.dim(),
               " dimensions)");
  FULMEN_CHECK(size > 0, "local_response_norm: the size must be positive, got ", size);
  if (x.numel() == 0) return x.clone();
  const int64_t n = x.size(0), channels = x.size(1), inner = x.numel() / (n * channels);
  const Tensor around = constant_pad_nd((x * x).reshape({n, 1, channels, inner}), {0, 0, size / 2, (size - 1) / 2});
  const Tensor mean = avg_pool2d(around, {size, 1}, 1).view(x.sizes());
  return x / (mean * alpha + k).pow(beta);
}

}  // namespace fulmen
