#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
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

/// What BatchNorm1d, 2d and 3d share: normalizes each channel (dimension 1) over the batch, keeps running statistics
/// for evaluation (Ioffe and Szegedy 2015, "Batch Normalization").
template <size_t D, class Derived>
class BatchNormImplBase : public Cloneable<Derived> {
 public:
  explicit BatchNormImplBase(const BatchNormOptions& options_);
  void reset() override;
  void reset_parameters();
  void reset_running_stats();
  void pretty_print(std::ostream& stream) const override;
  /// D = 1: [N, C] or [N, C, L]; D = 2: [N, C, H, W]; D = 3: [N, C, D, H, W].
  Tensor forward(const Tensor& input);

  BatchNormOptions options;
  Tensor weight, bias;                                    ///< [num_features]; undefined with .affine(false)
  Tensor running_mean, running_var, num_batches_tracked;  ///< undefined with .track_running_stats(false)
};

#define FULMEN_BATCH_NORM(D)                                                     \
  class BatchNorm##D##dImpl;                                                     \
  extern template class BatchNormImplBase<D, BatchNorm##D##dImpl>;               \
  class BatchNorm##D##dImpl : public BatchNormImplBase<D, BatchNorm##D##dImpl> { \
   public:                                                                       \
    using BatchNormImplBase<D, BatchNorm##D##dImpl>::BatchNormImplBase;          \
  };                                                                             \
  FULMEN_MODULE(BatchNorm##D##d)
FULMEN_BATCH_NORM(1);
FULMEN_BATCH_NORM(2);
FULMEN_BATCH_NORM(3);
#undef FULMEN_BATCH_NORM

}  // namespace fulmen::nn
