#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

namespace fulmen::nn {

struct GroupNormOptions {
  GroupNormOptions(int64_t num_groups, int64_t num_channels) : num_groups_(num_groups), num_channels_(num_channels) {}
  FULMEN_ARG(int64_t, num_groups);
  FULMEN_ARG(int64_t, num_channels);
  FULMEN_ARG(double, eps) = 1e-5;
  FULMEN_ARG(bool, affine) = true;
};
/// As BatchNormOptions, but nothing is learned or tracked unless asked for.
struct InstanceNormOptions {
  InstanceNormOptions(int64_t num_features) : num_features_(num_features) {}
  FULMEN_ARG(int64_t, num_features);
  FULMEN_ARG(double, eps) = 1e-5;
  FULMEN_ARG(double, momentum) = 0.1;
  FULMEN_ARG(bool, affine) = false;
  FULMEN_ARG(bool, track_running_stats) = false;
};
using InstanceNorm1dOptions = InstanceNormOptions;
using InstanceNorm2dOptions = InstanceNormOptions;
using InstanceNorm3dOptions = InstanceNormOptions;
/// `size`: neighbouring channels that are summed over.
struct LocalResponseNormOptions {
  LocalResponseNormOptions(int64_t size) : size_(size) {}
  FULMEN_ARG(int64_t, size);
  FULMEN_ARG(double, alpha) = 1e-4;
  FULMEN_ARG(double, beta) = 0.75;
  FULMEN_ARG(double, k) = 1.;
};

namespace functional {

struct GroupNormFuncOptions {
  GroupNormFuncOptions(int64_t num_groups) : num_groups_(num_groups) {}
  FULMEN_ARG(int64_t, num_groups);
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(Tensor, bias) = {};
  FULMEN_ARG(double, eps) = 1e-5;
};
struct InstanceNormFuncOptions {
  FULMEN_ARG(Tensor, running_mean) = {};
  FULMEN_ARG(Tensor, running_var) = {};
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(Tensor, bias) = {};
  FULMEN_ARG(bool, use_input_stats) = true;
  FULMEN_ARG(double, momentum) = 0.1;
  FULMEN_ARG(double, eps) = 1e-5;
};
using LocalResponseNormFuncOptions = LocalResponseNormOptions;

/// As in autograd/ops/group_norm.h.
Tensor group_norm(const Tensor& input, const GroupNormFuncOptions& options);
Tensor instance_norm(const Tensor& input, const InstanceNormFuncOptions& options = {});
Tensor local_response_norm(const Tensor& input, const LocalResponseNormFuncOptions& options);

}  // namespace functional
}  // namespace fulmen::nn
