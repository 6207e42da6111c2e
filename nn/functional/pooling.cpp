#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/pooling.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/nn/functional/pooling.h>

namespace fulmen::nn::functional {

namespace {

template <size_t D>
std::vector<int64_t> sizes_for(const Tensor&, const ExpandingArray<D>& output_size) {
  return IntArrayRef(output_size).vec();
}
template <size_t D>
std::vector<int64_t> sizes_for(const Tensor& input, const ExpandingArrayWithOptionalElem<D>& output_size) {
  std::vector<int64_t> sizes;
  for (size_t d = 0; d < D; ++d) {
    const std::optional<int64_t>& wanted = (*output_size)[d];
    FULMEN_CHECK(input.dim() >= static_cast<int64_t>(D), "adaptive pooling: expected at least ", D, " dimensions, got ",
                 input);
    sizes.push_back(wanted ? *wanted : input.size(input.dim() - static_cast<int64_t>(D - d)));
  }
  return sizes;
}

/// What max_pool with these windows made the input's sizes of, or `output_size` if it is near that.
template <size_t D>
std::vector<int64_t> unpooled_sizes(const Tensor& input, const MaxUnpoolFuncOptions<D>& o) {
  FULMEN_CHECK(input.dim() > static_cast<int64_t>(D), "max_unpool", D, "d: expected ", D + 1, " or ", D + 2,
               " dimensions, got ", input);
  std::vector<int64_t> sizes;
  const int64_t first = input.dim() - static_cast<int64_t>(D);
  for (size_t d = 0; d < D; ++d) {
    sizes.push_back((input.size(first + static_cast<int64_t>(d)) - 1) * (*o.stride())[d] + (*o.kernel_size())[d] -
                    2 * (*o.padding())[d]);
  }
  if (!o.output_size()) return sizes;
  std::vector<int64_t> wanted = *o.output_size();
  if (wanted.size() == D + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  FULMEN_CHECK(wanted.size() == D, "max_unpool", D, "d: output_size should be a sequence containing ", D, " or ", D + 2,
               " elements, but it has a length of '", wanted.size(), "'");
  for (size_t d = 0; d < D; ++d) {
    const int64_t least = sizes[d] - (*o.stride())[d], most = sizes[d] + (*o.stride())[d];
    FULMEN_CHECK(least < wanted[d] && wanted[d] < most, "max_unpool", D, "d: invalid output_size ", IntArrayRef(wanted),
                 " (dim ", d, " must be between ", least, " and ", most, ")");
  }
  return wanted;
}

template <size_t D>
Tensor lp_pooled(const LPPoolOptions<D>& o, const Tensor& mean_of_powers) {
  double elements = 1;
  for (int64_t k : *o.kernel_size()) elements *= static_cast<double>(k);
  return (mean_of_powers.sign() * relu(mean_of_powers.abs())).mul(elements).pow(1 / o.norm_type());
}

}  // namespace

#define FULMEN_POOL(D)                                                                                                 \
  Tensor max_pool##D##d(const Tensor& input, const MaxPool##D##dFuncOptions& o) {                                      \
    return fulmen::max_pool##D##d(input, o.kernel_size(), o.stride(), o.padding(), o.dilation(), o.ceil_mode());       \
  }                                                                                                                    \
  std::tuple<Tensor, Tensor> max_pool##D##d_with_indices(const Tensor& input, const MaxPool##D##dFuncOptions& o) {     \
    return fulmen::max_pool##D##d_with_indices(input, o.kernel_size(), o.stride(), o.padding(), o.dilation(),          \
                                               o.ceil_mode());                                                         \
  }                                                                                                                    \
  Tensor adaptive_avg_pool##D##d(const Tensor& input, const AdaptiveAvgPool##D##dFuncOptions& o) {                     \
    return fulmen::adaptive_avg_pool##D##d(input, sizes_for(input, o.output_size()));                                  \
  }                                                                                                                    \
  std::tuple<Tensor, Tensor> adaptive_max_pool##D##d_with_indices(const Tensor& input,                                 \
                                                                  const AdaptiveMaxPool##D##dFuncOptions& o) {         \
    return fulmen::adaptive_max_pool##D##d(input, sizes_for(input, o.output_size()));                                  \
  }                                                                                                                    \
  Tensor adaptive_max_pool##D##d(const Tensor& input, const AdaptiveMaxPool##D##dFuncOptions& o) {                     \
    return std::get<0>(adaptive_max_pool##D##d_with_indices(input, o));                                                \
  }                                                                                                                    \
  Tensor max_unpool##D##d(const Tensor& input, const Tensor& indices, const MaxUnpool##D##dFuncOptions& o) {           \
    return fulmen::max_unpool(input, indices, unpooled_sizes(input, o));                                               \
  }                                                                                                                    \
  Tensor lp_pool##D##d(const Tensor& input, const LPPool##D##dFuncOptions& o) {                                        \
    return lp_pooled(o,                                                                                                \
                     fulmen::avg_pool##D##d(input.pow(o.norm_type()), o.kernel_size(), o.stride(), 0, o.ceil_mode())); \
  }
FULMEN_POOL(1)
FULMEN_POOL(2)
FULMEN_POOL(3)
#undef FULMEN_POOL

Tensor avg_pool1d(const Tensor& input, const AvgPool1dFuncOptions& o) {
  return fulmen::avg_pool1d(input, o.kernel_size(), o.stride(), o.padding(), o.ceil_mode(), o.count_include_pad());
}
Tensor avg_pool2d(const Tensor& input, const AvgPool2dFuncOptions& o) {
  return fulmen::avg_pool2d(input, o.kernel_size(), o.stride(), o.padding(), o.ceil_mode(), o.count_include_pad(),
                            o.divisor_override());
}
Tensor avg_pool3d(const Tensor& input, const AvgPool3dFuncOptions& o) {
  return fulmen::avg_pool3d(input, o.kernel_size(), o.stride(), o.padding(), o.ceil_mode(), o.count_include_pad(),
                            o.divisor_override());
}

}  // namespace fulmen::nn::functional
