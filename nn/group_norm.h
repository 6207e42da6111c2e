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
