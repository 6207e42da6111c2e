#include <fulmen/nn/conv.h>
#include <fulmen/nn/group_norm.h>
#include <fulmen/nn/normalization.h>
#include <fulmen/nn/padding.h>
#include <fulmen/nn/pooling.h>

#include "tests/conformance/modules.h"

// Convolutions, pooling, padding and norms of channels.
namespace conformance {

namespace {

using namespace fulmen::nn;

template <class Holder>
BuiltModule built(Holder module) {
  return {module.ptr(), [=](const Arguments& in) mutable { return Tensors{module->forward(in.tensor(0))}; }};
}
template <class Holder>
BuiltModule built_with_indices(Holder module, bool indices) {
  return {module.ptr(), [=](const Arguments& in) mutable {
            const auto [y, places] = module->forward_with_indices(in.tensor(0));
            return indices ? Tensors{y, places} : Tensors{y};
          }};
}

/// One number for all dimensions, or a list.
template <size_t D>
ExpandingArray<D> sizes(const Arguments& a, size_t position, const char* keyword) {
  const std::vector<int64_t> list = a.integers(position, keyword);
  return list.size() == 1 && !a.is_list(position, keyword) ? ExpandingArray<D>(list[0]) : ExpandingArray<D>(list);
}
template <size_t D>
ExpandingArrayWithOptionalElem<D> optional_sizes(const Arguments& a) {
  if (!a.is_list(0, "output_size")) return a.integer(0, "output_size");
  a.has(0, "output_size");
  std::vector<std::optional<int64_t>> list;
  for (const Json& each : a.raw(0)) {
    list.push_back(each.is_null() ? std::nullopt : std::optional<int64_t>(each.get<int64_t>()));
  }
  return ExpandingArrayWithOptionalElem<D>(list);
}

template <size_t D, class Options>
Options convolution_options(const Arguments& a) {
  return Options(a.integer(0, "in_channels"), a.integer(1, "out_channels"), sizes<D>(a, 2, "kernel_size"));
}
template <size_t D>
LPPoolOptions<D> lp_options(const Arguments& a) {
  LPPoolOptions<D> o(a.number(0, "norm_type").toDouble(), sizes<D>(a, 1, "kernel_size"));
  if (a.has(2, "stride")) o.stride(sizes<D>(a, 2, "stride"));
  return o;
}
template <size_t D>
AvgPoolOptions<D> mean_options(const Arguments& a) {
  AvgPoolOptions<D> o(sizes<D>(a, 0, "kernel_size"));
  if (a.has(1, "stride")) o.stride(sizes<D>(a, 1, "stride"));
  if (a.has(2, "padding")) o.padding(sizes<D>(a, 2, "padding"));
  if (a.has(5, "divisor_override")) o.divisor_override(a.integer(5, "divisor_override"));
  return o;
}
template <size_t D>
MaxPoolOptions<D> max_options(const Arguments& a) {
  MaxPoolOptions<D> o(sizes<D>(a, 0, "kernel_size"));
  if (a.has(1, "stride")) o.stride(sizes<D>(a, 1, "stride"));
  if (a.has(2, "padding")) o.padding(sizes<D>(a, 2, "padding"));
  return o;
}

BatchNormOptions batch_norm_options(const Arguments& a) {
  if (a.has(9, "bias")) throw NotThere{"a batch norm with a weight alone"};
  BatchNormOptions o(a.integer(0, "num_features"));
  o.eps(a.number(1, "eps", 1e-5).toDouble());
  if (a.has(2, "momentum") || a.count() < 3) {
    o.momentum(a.number(2, "momentum", 0.1).toDouble());
  } else {
    o.momentum().reset();
  }
  return o.affine(a.flag(3, "affine", true)).track_running_stats(a.flag(4, "track_running_stats", true));
}
InstanceNormOptions instance_norm_options(const Arguments& a) {
  InstanceNormOptions o(a.integer(0, "num_features"));
  o.eps(a.number(1, "eps", 1e-5).toDouble()).momentum(a.number(2, "momentum", 0.1).toDouble());
  return o.affine(a.flag(3, "affine", false)).track_running_stats(a.flag(4, "track_running_stats", false));
}

}  // namespace

#define DIMENSIONS(D, Sizes)                                                                                    \
  b["Conv" #D "d"] = [](const Arguments& a) {                                                                   \
    return built(Conv##D##d(convolution_options<D, Conv##D##dOptions>(a)));                                     \
  };                                                                                                            \
  b["ConvTranspose" #D "d"] = [](const Arguments& a) {                                                          \
    return built(ConvTranspose##D##d(convolution_options<D, ConvTranspose##D##dOptions>(a)));                   \
  };                                                                                                            \
  b["AvgPool" #D "d"] = [](const Arguments& a) { return built(AvgPool##D##d(mean_options<D>(a))); };            \
  b["MaxPool" #D "d"] = [](const Arguments& a) {                                                                \
    return built_with_indices(MaxPool##D##d(max_options<D>(a)), a.flag(9, "return_indices", false));            \
  };                                                                                                            \
  b["AdaptiveAvgPool" #D "d"] = [](const Arguments& a) {                                                        \
    return built(AdaptiveAvgPool##D##d(AdaptiveAvgPool##D##dOptions(Sizes)));                                   \
  };                                                                                                            \
  b["AdaptiveMaxPool" #D "d"] = [](const Arguments& a) {                                                        \
    return built(AdaptiveMaxPool##D##d(AdaptiveMaxPool##D##dOptions(Sizes)));                                   \
  };                                                                                                            \
  b["LPPool" #D "d"] = [](const Arguments& a) { return built(LPPool##D##d(lp_options<D>(a))); };                \
  b["ReflectionPad" #D "d"] = [](const Arguments& a) {                                                          \
    return built(ReflectionPad##D##d(sizes<2 * D>(a, 0, "padding")));                                           \
  };                                                                                                            \
  b["ReplicationPad" #D "d"] = [](const Arguments& a) {                                                         \
    return built(ReplicationPad##D##d(sizes<2 * D>(a, 0, "padding")));                                          \
  };                                                                                                            \
  b["ZeroPad" #D "d"] = [](const Arguments& a) { return built(ZeroPad##D##d(sizes<2 * D>(a, 0, "padding"))); }; \
  b["ConstantPad" #D "d"] = [](const Arguments& a) {                                                            \
    return built(ConstantPad##D##d(sizes<2 * D>(a, 0, "padding"), a.number(1, "value").toDouble()));            \
  };                                                                                                            \
  b["BatchNorm" #D "d"] = [](const Arguments& a) { return built(BatchNorm##D##d(batch_norm_options(a))); };     \
  b["InstanceNorm" #D "d"] = [](const Arguments& a) { return built(InstanceNorm##D##d(instance_norm_options(a))); }

void add_vision_modules(Builders& b) {
  DIMENSIONS(1, sizes<1>(a, 0, "output_size"));
  DIMENSIONS(2, optional_sizes<2>(a));
  DIMENSIONS(3, optional_sizes<3>(a));
  b["GroupNorm"] = [](const Arguments& a) {
    GroupNormOptions o(a.integer(0, "num_groups"), a.integer(1, "num_channels"));
    return built(GroupNorm(o.eps(a.number(2, "eps", 1e-5).toDouble()).affine(a.flag(3, "affine", true))));
  };
  b["LocalResponseNorm"] = [](const Arguments& a) {
    LocalResponseNormOptions o(a.integer(0, "size"));
    o.alpha(a.number(1, "alpha", 1e-4).toDouble()).beta(a.number(2, "beta", 0.75).toDouble());
    return built(LocalResponseNorm(o.k(a.number(3, "k", 1.0).toDouble())));
  };
}
#undef DIMENSIONS

}  // namespace conformance
