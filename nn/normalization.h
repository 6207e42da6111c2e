#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/group_norm.h>
#include <fulmen/nn/functional/normalization.h>

namespace fulmen::nn {

/// Normalizes each sample over its trailing dimensions (Ba, Kiros and Hinton 2016, "Layer Normalization").
class LayerNormImpl : public Cloneable<LayerNormImpl> {
 public:
  explicit LayerNormImpl(std::vector<int64_t> normalized_shape);
  explicit LayerNormImpl(LayerNormOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  LayerNormOptions options;
  Tensor weight, bias;  ///< [normalized_shape]; undefined with .elementwise_affine(false), bias with .bias(false)
};
FULMEN_MODULE(LayerNorm);

/// Divides each sample by the root of its mean square over its trailing dimensions (Zhang and Sennrich 2019).
class RMSNormImpl : public Cloneable<RMSNormImpl> {
 public:
  explicit RMSNormImpl(std::vector<int64_t> normalized_shape);
  explicit RMSNormImpl(RMSNormOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  RMSNormOptions options;
  Tensor weight;  ///< [normalized_shape]; undefined with .elementwise_affine(false)
};
FULMEN_MODULE(RMSNorm);

/// What batch and instance norm share: a weight and bias per channel, running statistics for evaluation.
template <class Derived, class Options>
class NormImplBase : public Cloneable<Derived> {
 public:
  explicit NormImplBase(const Options& options_);
  void reset() override;
  void reset_parameters();
  void reset_running_stats();

  Options options;
  Tensor weight, bias;                                    ///< [num_features]; undefined with .affine(false)
  Tensor running_mean, running_var, num_batches_tracked;  ///< undefined with .track_running_stats(false)
};

/// What BatchNorm1d, 2d and 3d share: normalizes each channel (dimension 1) over the batch (Ioffe and Szegedy 2015,
/// "Batch Normalization").
template <size_t D, class Derived>
class BatchNormImplBase : public NormImplBase<Derived, BatchNormOptions> {
 public:
  using NormImplBase<Derived, BatchNormOptions>::NormImplBase;
  void pretty_print(std::ostream& stream) const override;
  /// D = 1: [N, C] or [N, C, L]; D = 2: [N, C, H, W]; D = 3: [N, C, D, H, W].
  Tensor forward(const Tensor& input);
};

/// What InstanceNorm1d, 2d and 3d share: normalizes every channel of every sample (Ulyanov et al. 2016, "Instance
/// Normalization").
template <size_t D, class Derived>
class InstanceNormImplBase : public NormImplBase<Derived, InstanceNormOptions> {
 public:
  using NormImplBase<Derived, InstanceNormOptions>::NormImplBase;
  void pretty_print(std::ostream& stream) const override;
  /// [N, num_features, sizes...], or without N.
  Tensor forward(const Tensor& input);
};

#define FULMEN_NORM(Kind, D)                                                        \
  class Kind##Norm##D##dImpl;                                                       \
  extern template class NormImplBase<Kind##Norm##D##dImpl, Kind##NormOptions>;      \
  extern template class Kind##NormImplBase<D, Kind##Norm##D##dImpl>;                \
  class Kind##Norm##D##dImpl : public Kind##NormImplBase<D, Kind##Norm##D##dImpl> { \
   public:                                                                          \
    using Kind##NormImplBase<D, Kind##Norm##D##dImpl>::Kind##NormImplBase;          \
  };                                                                                \
  FULMEN_MODULE(Kind##Norm##D##d)
FULMEN_NORM(Batch, 1);
FULMEN_NORM(Batch, 2);
FULMEN_NORM(Batch, 3);
FULMEN_NORM(Instance, 1);
FULMEN_NORM(Instance, 2);
FULMEN_NORM(Instance, 3);
#undef FULMEN_NORM

}  // namespace fulmen::nn
