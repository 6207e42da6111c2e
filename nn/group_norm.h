#pragma once
#include <fulmen/nn/any_module.h>
#include <fulmen/nn/cloneable.h>
#include <fulmen/nn/functional/group_norm.h>

namespace fulmen::nn {

/// Normalizes each sample over groups of neighbouring channels (Wu and He 2018, "Group Normalization").
class GroupNormImpl : public Cloneable<GroupNormImpl> {
 public:
  GroupNormImpl(int64_t num_groups, int64_t num_channels) : GroupNormImpl(GroupNormOptions(num_groups, num_channels)) {}
  explicit GroupNormImpl(const GroupNormOptions& options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  /// [n, num_channels, ...].
  Tensor forward(const Tensor& input);

  GroupNormOptions options;
  Tensor weight, bias;  ///< [num_channels]; undefined with .affine(false)
};
FULMEN_MODULE(GroupNorm);

/// What InstanceNorm1d, 2d and 3d share: normalizes every channel of every sample (Ulyanov et al. 2016, "Instance
/// Normalization").
template <size_t D, class Derived>
class InstanceNormImplBase : public Cloneable<Derived> {
 public:
  explicit InstanceNormImplBase(const InstanceNormOptions& options_);
  void reset() override;
  void reset_parameters();
  void reset_running_stats();
  void pretty_print(std::ostream& stream) const override;
  /// [n, num_features, sizes...], or without n.
  Tensor forward(const Tensor& input);

  InstanceNormOptions options;
  Tensor weight, bias;                                    ///< undefined without .affine(true)
  Tensor running_mean, running_var, num_batches_tracked;  ///< undefined without .track_running_stats(true)
};

#define FULMEN_INSTANCE_NORM(D)                                                           \
  class InstanceNorm##D##dImpl;                                                           \
  extern template class InstanceNormImplBase<D, InstanceNorm##D##dImpl>;                  \
  class InstanceNorm##D##dImpl : public InstanceNormImplBase<D, InstanceNorm##D##dImpl> { \
   public:                                                                                \
    using InstanceNormImplBase<D, InstanceNorm##D##dImpl>::InstanceNormImplBase;          \
  };                                                                                      \
  FULMEN_MODULE(InstanceNorm##D##d)
FULMEN_INSTANCE_NORM(1);
FULMEN_INSTANCE_NORM(2);
FULMEN_INSTANCE_NORM(3);
#undef FULMEN_INSTANCE_NORM

/// Divides by the power of neighbouring channels (Krizhevsky et al. 2012).
class LocalResponseNormImpl : public Cloneable<LocalResponseNormImpl> {
 public:
  LocalResponseNormImpl(int64_t size) : LocalResponseNormImpl(LocalResponseNormOptions(size)) {}
  explicit LocalResponseNormImpl(const LocalResponseNormOptions& options_) : options(options_) {}
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);

  LocalResponseNormOptions options;
};
FULMEN_MODULE(LocalResponseNorm);

}  // namespace fulmen::nn
