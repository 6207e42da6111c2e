#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <vector>

namespace fulmen::nn {

/// `normalized_shape`: the trailing dimensions over which mean and variance are taken.
struct LayerNormOptions {
  LayerNormOptions(std::vector<int64_t> normalized_shape) : normalized_shape_(std::move(normalized_shape)) {}
  FULMEN_ARG(std::vector<int64_t>, normalized_shape);
  FULMEN_ARG(double, eps) = 1e-5;
  FULMEN_ARG(bool, elementwise_affine) = true;
  /// Whether elementwise_affine has a bias.
  FULMEN_ARG(bool, bias) = true;
};

/// Without `eps`: the smallest step from 1 of the type that the norm is computed in.
struct RMSNormOptions {
  RMSNormOptions(std::vector<int64_t> normalized_shape) : normalized_shape_(std::move(normalized_shape)) {}
  FULMEN_ARG(std::vector<int64_t>, normalized_shape);
  FULMEN_ARG(std::optional<double>, eps) = std::nullopt;
  FULMEN_ARG(bool, elementwise_affine) = true;
};

/// `momentum`: the share of a new batch in the running statistics; without it they are the mean of all batches.
struct BatchNormOptions {
  BatchNormOptions(int64_t num_features) : num_features_(num_features) {}
  FULMEN_ARG(int64_t, num_features);
  FULMEN_ARG(double, eps) = 1e-5;
  FULMEN_ARG(std::optional<double>, momentum) = 0.1;
  FULMEN_ARG(bool, affine) = true;
  FULMEN_ARG(bool, track_running_stats) = true;
};
using BatchNorm1dOptions = BatchNormOptions;
using BatchNorm2dOptions = BatchNormOptions;
using BatchNorm3dOptions = BatchNormOptions;

namespace functional {

struct LayerNormFuncOptions {
  LayerNormFuncOptions(std::vector<int64_t> normalized_shape) : normalized_shape_(std::move(normalized_shape)) {}
  FULMEN_ARG(std::vector<int64_t>, normalized_shape);
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(Tensor, bias) = {};
  FULMEN_ARG(double, eps) = 1e-5;
};
struct RMSNormFuncOptions {
  RMSNormFuncOptions(std::vector<int64_t> normalized_shape) : normalized_shape_(std::move(normalized_shape)) {}
  FULMEN_ARG(std::vector<int64_t>, normalized_shape);
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(std::optional<double>, eps) = std::nullopt;
};
struct BatchNormFuncOptions {
  FULMEN_ARG(Tensor, weight) = {};
  FULMEN_ARG(Tensor, bias) = {};
  FULMEN_ARG(bool, training) = false;
  FULMEN_ARG(std::optional<double>, momentum) = 0.1;
  FULMEN_ARG(double, eps) = 1e-5;
};
struct NormalizeFuncOptions {
  FULMEN_ARG(double, p) = 2.0;
  FULMEN_ARG(int64_t, dim) = 1;
  FULMEN_ARG(double, eps) = 1e-12;
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias over the trailing dimensions `normalized_shape`.
Tensor layer_norm(const Tensor& input, const LayerNormFuncOptions& options);
/// y = x / sqrt(mean(x^2) + eps) * weight over the trailing dimensions `normalized_shape`.
Tensor rms_norm(const Tensor& input, const RMSNormFuncOptions& options);
/// y = (x - mean) / sqrt(var + eps) * weight + bias per channel (dimension 1). In training, running statistics (which
/// may be undefined) are updated in place.
Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormFuncOptions& options = {});
/// x / max(|x|_p, eps) along `dim`.
Tensor normalize(const Tensor& input, const NormalizeFuncOptions& options = {});

}  // namespace functional
}  // namespace fulmen::nn
