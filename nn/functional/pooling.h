#pragma once
#include <fulmen/nn/expanding_array.h>
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <tuple>

namespace fulmen::nn {

/// Windows; the stride is the kernel's size unless set.
template <size_t D>
struct AvgPoolOptions {
  AvgPoolOptions(ExpandingArray<D> kernel_size) : kernel_size_(kernel_size), stride_(kernel_size) {}
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride);
  FULMEN_ARG(ExpandingArray<D>, padding) = 0;
  FULMEN_ARG(bool, ceil_mode) = false;
  FULMEN_ARG(bool, count_include_pad) = true;
  FULMEN_ARG(std::optional<int64_t>, divisor_override) = std::nullopt;
};
template <size_t D>
struct MaxPoolOptions {
  MaxPoolOptions(ExpandingArray<D> kernel_size) : kernel_size_(kernel_size), stride_(kernel_size) {}
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride);
  FULMEN_ARG(ExpandingArray<D>, padding) = 0;
  FULMEN_ARG(ExpandingArray<D>, dilation) = 1;
  FULMEN_ARG(bool, ceil_mode) = false;
};
/// Without a size (nullopt) a dimension stays as it is.
template <class OutputSize>
struct AdaptivePoolOptions {
  AdaptivePoolOptions(OutputSize output_size) : output_size_(output_size) {}
  FULMEN_ARG(OutputSize, output_size);
};
template <size_t D>
struct MaxUnpoolOptions {
  MaxUnpoolOptions(ExpandingArray<D> kernel_size) : kernel_size_(kernel_size), stride_(kernel_size) {}
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride);
  FULMEN_ARG(ExpandingArray<D>, padding) = 0;
};
template <size_t D>
struct LPPoolOptions {
  LPPoolOptions(double norm_type, ExpandingArray<D> kernel_size)
      : norm_type_(norm_type), kernel_size_(kernel_size), stride_(kernel_size) {}
  FULMEN_ARG(double, norm_type);
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride);
  FULMEN_ARG(bool, ceil_mode) = false;
};

namespace functional {

template <size_t D>
struct MaxUnpoolFuncOptions {
  MaxUnpoolFuncOptions(ExpandingArray<D> kernel_size) : kernel_size_(kernel_size), stride_(kernel_size) {}
  FULMEN_ARG(ExpandingArray<D>, kernel_size);
  FULMEN_ARG(ExpandingArray<D>, stride);
  FULMEN_ARG(ExpandingArray<D>, padding) = 0;
  FULMEN_ARG(std::optional<std::vector<int64_t>>, output_size) = std::nullopt;
};

}  // namespace functional

#define FULMEN_POOL(D)                                                                                              \
  using AvgPool##D##dOptions = AvgPoolOptions<D>;                                                                   \
  using MaxPool##D##dOptions = MaxPoolOptions<D>;                                                                   \
  using MaxUnpool##D##dOptions = MaxUnpoolOptions<D>;                                                               \
  using LPPool##D##dOptions = LPPoolOptions<D>;                                                                     \
  namespace functional {                                                                                            \
  using AvgPool##D##dFuncOptions = AvgPoolOptions<D>;                                                               \
  using MaxPool##D##dFuncOptions = MaxPoolOptions<D>;                                                               \
  using LPPool##D##dFuncOptions = LPPoolOptions<D>;                                                                 \
  using AdaptiveAvgPool##D##dFuncOptions = AdaptiveAvgPool##D##dOptions;                                            \
  using AdaptiveMaxPool##D##dFuncOptions = AdaptiveMaxPool##D##dOptions;                                            \
  using MaxUnpool##D##dFuncOptions = MaxUnpoolFuncOptions<D>;                                                       \
  Tensor avg_pool##D##d(const Tensor& input, const AvgPool##D##dFuncOptions& options);                              \
  Tensor max_pool##D##d(const Tensor& input, const MaxPool##D##dFuncOptions& options);                              \
  std::tuple<Tensor, Tensor> max_pool##D##d_with_indices(const Tensor& input,                                       \
                                                         const MaxPool##D##dFuncOptions& options);                  \
  Tensor adaptive_avg_pool##D##d(const Tensor& input, const AdaptiveAvgPool##D##dFuncOptions& options);             \
  Tensor adaptive_max_pool##D##d(const Tensor& input, const AdaptiveMaxPool##D##dFuncOptions& options);             \
  std::tuple<Tensor, Tensor> adaptive_max_pool##D##d_with_indices(const Tensor& input,                              \
                                                                  const AdaptiveMaxPool##D##dFuncOptions& options); \
  Tensor max_unpool##D##d(const Tensor& input, const Tensor& indices, const MaxUnpool##D##dFuncOptions& options);   \
  Tensor lp_pool##D##d(const Tensor& input, const LPPool##D##dFuncOptions& options);                                \
  }
using AdaptiveAvgPool1dOptions = AdaptivePoolOptions<ExpandingArray<1>>;
using AdaptiveAvgPool2dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<2>>;
using AdaptiveAvgPool3dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<3>>;
using AdaptiveMaxPool1dOptions = AdaptivePoolOptions<ExpandingArray<1>>;
using AdaptiveMaxPool2dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<2>>;
using AdaptiveMaxPool3dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<3>>;
/// Shapes as in autograd/ops/pooling.h. lp_pool: (sum of x^p)^(1/p) of each window.
FULMEN_POOL(1)
FULMEN_POOL(2)
FULMEN_POOL(3)
#undef FULMEN_POOL

}  // namespace fulmen::nn
