#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <string>

namespace fulmen::nn {

struct ELUOptions {
  FULMEN_ARG(double, alpha) = 1.0;
  FULMEN_ARG(bool, inplace) = false;
};
struct SELUOptions {
  SELUOptions(bool inplace = false) : inplace_(inplace) {}
  FULMEN_ARG(bool, inplace);
};
struct CELUOptions {
  FULMEN_ARG(double, alpha) = 1.0;
  FULMEN_ARG(bool, inplace) = false;
};
struct GLUOptions {
  GLUOptions(int64_t dim = -1) : dim_(dim) {}
  FULMEN_ARG(int64_t, dim);
};
/// "none": exact, with erf; "tanh": the approximation.
struct GELUOptions {
  FULMEN_ARG(std::string, approximate) = "none";
};
struct HardshrinkOptions {
  HardshrinkOptions(double lambda = 0.5) : lambda_(lambda) {}
  FULMEN_ARG(double, lambda);
};
struct HardtanhOptions {
  FULMEN_ARG(double, min_val) = -1.0;
  FULMEN_ARG(double, max_val) = 1.0;
  FULMEN_ARG(bool, inplace) = false;
};
struct LeakyReLUOptions {
  FULMEN_ARG(double, negative_slope) = 1e-2;
  FULMEN_ARG(bool, inplace) = false;
};
struct SoftmaxOptions {
  SoftmaxOptions(int64_t dim) : dim_(dim) {}
  FULMEN_ARG(int64_t, dim);
};
using SoftminOptions = SoftmaxOptions;
using LogSoftmaxOptions = SoftmaxOptions;
struct PReLUOptions {
  FULMEN_ARG(int64_t, num_parameters) = 1;
  FULMEN_ARG(double, init) = 0.25;
};
struct ReLUOptions {
  ReLUOptions(bool inplace = false) : inplace_(inplace) {}
  FULMEN_ARG(bool, inplace);
};
using ReLU6Options = ReLUOptions;
struct RReLUOptions {
  FULMEN_ARG(double, lower) = 1.0 / 8.0;
  FULMEN_ARG(double, upper) = 1.0 / 3.0;
  FULMEN_ARG(bool, inplace) = false;
};
struct SoftplusOptions {
  FULMEN_ARG(double, beta) = 1.0;
  FULMEN_ARG(double, threshold) = 20.0;
};
struct SoftshrinkOptions {
  SoftshrinkOptions(double lambda = 0.5) : lambda_(lambda) {}
  FULMEN_ARG(double, lambda);
};
struct ThresholdOptions {
  ThresholdOptions(double threshold, double value) : threshold_(threshold), value_(value) {}
  FULMEN_ARG(double, threshold);
  FULMEN_ARG(double, value);
  FULMEN_ARG(bool, inplace) = false;
};

namespace functional {

using ELUFuncOptions = ELUOptions;
using SELUFuncOptions = SELUOptions;
using CELUFuncOptions = CELUOptions;
using GLUFuncOptions = GLUOptions;
using GELUFuncOptions = GELUOptions;
using HardshrinkFuncOptions = HardshrinkOptions;
using HardtanhFuncOptions = HardtanhOptions;
using LeakyReLUFuncOptions = LeakyReLUOptions;
using ReLUFuncOptions = ReLUOptions;
using ReLU6FuncOptions = ReLU6Options;
using SoftplusFuncOptions = SoftplusOptions;
using SoftshrinkFuncOptions = SoftshrinkOptions;
using ThresholdFuncOptions = ThresholdOptions;
struct SoftmaxFuncOptions {
  SoftmaxFuncOptions(int64_t dim) : dim_(dim) {}
  FULMEN_ARG(int64_t, dim);
  /// The input is converted to it first.
  FULMEN_ARG(std::optional<ScalarType>, dtype) = std::nullopt;
};
using SoftminFuncOptions = SoftmaxFuncOptions;
using LogSoftmaxFuncOptions = SoftmaxFuncOptions;
struct RReLUFuncOptions {
  FULMEN_ARG(double, lower) = 1.0 / 8.0;
  FULMEN_ARG(double, upper) = 1.0 / 3.0;
  FULMEN_ARG(bool, training) = false;
  FULMEN_ARG(bool, inplace) = false;
};

// Elementwise; PyTorch's definitions, each written in activation.cpp. With inplace(true) the result is also written
// into the input.
Tensor elu(Tensor input, const ELUFuncOptions& options = {});
Tensor selu(Tensor input, const SELUFuncOptions& options = {});
Tensor celu(Tensor input, const CELUFuncOptions& options = {});
Tensor gelu(const Tensor& input, const GELUFuncOptions& options = {});
Tensor silu(const Tensor& input);
Tensor mish(const Tensor& input);
Tensor relu(Tensor input, const ReLUFuncOptions& options = {});
Tensor relu6(Tensor input, const ReLU6FuncOptions& options = {});
Tensor leaky_relu(Tensor input, const LeakyReLUFuncOptions& options = {});
/// In training the slope of each negative element is drawn from lower..upper, otherwise it is their mean.
Tensor rrelu(Tensor input, const RReLUFuncOptions& options = {});
/// weight: one slope, or one per channel (dimension 1).
Tensor prelu(const Tensor& input, const Tensor& weight);
Tensor hardshrink(const Tensor& input, const HardshrinkFuncOptions& options = {});
Tensor softshrink(const Tensor& input, const SoftshrinkFuncOptions& options = {});
Tensor tanhshrink(const Tensor& input);
Tensor hardtanh(Tensor input, const HardtanhFuncOptions& options = {});
Tensor logsigmoid(const Tensor& input);
Tensor softplus(const Tensor& input, const SoftplusFuncOptions& options = {});
Tensor softsign(const Tensor& input);
Tensor threshold(Tensor input, const ThresholdFuncOptions& options);

/// Splits dimension `dim` into halves a, b: a * sigmoid(b).
Tensor glu(const Tensor& input, const GLUFuncOptions& options = {});
Tensor softmax(const Tensor& input, const SoftmaxFuncOptions& options);
Tensor softmin(const Tensor& input, const SoftminFuncOptions& options);
Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options);

}  // namespace functional
}  // namespace fulmen::nn
