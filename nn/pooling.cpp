#include <fulmen/nn/pooling.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {
namespace F = functional;

#define FULMEN_POOL(D)                                                                                 \
  void AvgPool##D##dImpl::pretty_print(std::ostream& stream) const {                                   \
    Printed(stream, "AvgPool" #D "d")                                                                  \
        .arg("kernel_size", options.kernel_size())                                                     \
        .arg("stride", options.stride())                                                               \
        .arg("padding", options.padding());                                                            \
  }                                                                                                    \
  Tensor AvgPool##D##dImpl::forward(const Tensor& input) { return F::avg_pool##D##d(input, options); } \
  void MaxPool##D##dImpl::pretty_print(std::ostream& stream) const {                                   \
    Printed(stream, "MaxPool" #D "d")                                                                  \
        .arg("kernel_size", options.kernel_size())                                                     \
        .arg("stride", options.stride())                                                               \
        .arg("padding", options.padding())                                                             \
        .arg("dilation", options.dilation())                                                           \
        .arg("ceil_mode", options.ceil_mode());                                                        \
  }                                                                                                    \
  Tensor MaxPool##D##dImpl::forward(const Tensor& input) { return F::max_pool##D##d(input, options); } \
  std::tuple<Tensor, Tensor> MaxPool##D##dImpl::forward_with_indices(const Tensor& input) {            \
    return F::max_pool##D##d_with_indices(input, options);                                             \
  }                                                                                                    \
  void AdaptiveAvgPool##D##dImpl::pretty_print(std::ostream& stream) const {                           \
    Printed(stream, "AdaptiveAvgPool" #D "d").arg("output_size", options.output_size());               \
  }                                                                                                    \
  Tensor AdaptiveAvgPool##D##dImpl::forward(const Tensor& input) {                                     \
    return F::adaptive_avg_pool##D##d(input, options);                                                 \
  }                                                                                                    \
  void AdaptiveMaxPool##D##dImpl::pretty_print(std::ostream& stream) const {                           \
    Printed(stream, "AdaptiveMaxPool" #D "d").arg("output_size", options.output_size());               \
  }                                                                                                    \
  Tensor AdaptiveMaxPool##D##dImpl::forward(const Tensor& input) {                                     \
    return F::adaptive_max_pool##D##d(input, options);                                                 \
  }                                                                                                    \
  std::tuple<Tensor, Tensor> AdaptiveMaxPool##D##dImpl::forward_with_indices(const Tensor& input) {    \
    return F::adaptive_max_pool##D##d_with_indices(input, options);                                    \
  }                                                                                                    \
  void MaxUnpool##D##dImpl::pretty_print(std::ostream& stream) const {                                 \
    Printed(stream, "MaxUnpool" #D "d")                                                                \
        .arg("kernel_size", options.kernel_size())                                                     \
        .arg("stride", options.stride())                                                               \
        .arg("padding", options.padding());                                                            \
  }                                                                                                    \
  Tensor MaxUnpool##D##dImpl::forward(const Tensor& input, const Tensor& indices,                      \
                                      const std::optional<std::vector<int64_t>>& output_size) {        \
    return F::max_unpool##D##d(input, indices,                                                         \
                               F::MaxUnpool##D##dFuncOptions(options.kernel_size())                    \
                                   .stride(options.stride())                                           \
                                   .padding(options.padding())                                         \
                                   .output_size(output_size));                                         \
  }                                                                                                    \
  void LPPool##D##dImpl::pretty_print(std::ostream& stream) const {                                    \
    Printed(stream, "LPPool" #D "d")                                                                   \
        .arg("norm_type", options.norm_type())                                                         \
        .arg("kernel_size", options.kernel_size())                                                     \
        .arg("stride", options.stride())                                                               \
        .arg("ceil_mode", options.ceil_mode());                                                        \
  }                                                                                                    \
  Tensor LPPool##D##dImpl::forward(const Tensor& input) { return F::lp_pool##D##d(input, options); }
FULMEN_POOL(1)
FULMEN_POOL(2)
FULMEN_POOL(3)
#undef FULMEN_POOL

}  // namespace fulmen::nn
