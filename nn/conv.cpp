#include <fulmen/autograd/ops/convolution.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/pad.h>
#include <fulmen/nn/conv.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>

#include <cmath>

namespace fulmen::nn {

namespace {

template <class Options>
void check_options(const char* kind, size_t dims, const Options& o) {
  FULMEN_CHECK(o.in_channels() > 0 && o.out_channels() > 0 && o.groups() > 0, kind, dims,
               "d: in_channels, groups and out_channels must be a positive integer.");
  FULMEN_CHECK(o.in_channels() % o.groups() == 0, kind, dims, "d: in_channels must be divisible by groups");
  FULMEN_CHECK(o.out_channels() % o.groups() == 0, kind, dims, "d: out_channels must be divisible by groups");
}

/// Registers the parameters, weight [first, second / groups, kernel...].
template <class M>
void make_parameters(M& module, int64_t first, int64_t second, IntArrayRef kernel) {
  std::vector<int64_t> sizes{first, second / module.options.groups()};
  sizes.insert(sizes.end(), kernel.begin(), kernel.end());
  module.weight = module.register_parameter("weight", fulmen::empty(sizes));
  const bool bias = module.options.bias();
  module.bias = module.register_parameter("bias", bias ? empty({module.options.out_channels()}) : Tensor(), bias);
  module.reset_parameters();
}

/// He's initialisation with slope sqrt(5), as every layer of PyTorch has it.
void draw_parameters(const Tensor& weight, const Tensor& bias) {
  init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (!bias.defined()) return;
  const int64_t fan_in = init::_calculate_fan_in_and_fan_out(weight).first;
  if (fan_in == 0) return;
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  init::uniform_(bias, -bound, bound);
}

template <size_t D>
bool all_are(const ExpandingArray<D>& values, int64_t value) {
  for (int64_t v : *values) {
    if (v != value) return false;
  }
  return true;
}
template <size_t D>
void print_unless(Printed& printed, const char* name, const ExpandingArray<D>& values, int64_t otherwise) {
  if (!all_are(values, otherwise)) printed.arg(name, values);
}
template <class Options>
void print_rest(Printed& printed, const Options& o) {
  if (o.groups() != 1) printed.arg("groups", o.groups());
  if (!o.bias()) printed.arg("bias", false);
  if (!o.padding_mode().template is<enumtype::kZeros>()) {
    printed.arg("padding_mode", str("k", o.padding_mode().text()));
  }
}

/// (before, after) pairs of a convolution's padding, the last dimension first.
template <size_t D>
std::vector<int64_t> padding_around(const ConvOptions<D>& o) {
  std::vector<int64_t> pairs;
  for (size_t d = D; d-- > 0;) {
    const int64_t same = (*o.dilation())[d] * ((*o.kernel_size())[d] - 1), amount = (*o.padding().amount())[d];
    pairs.push_back(o.padding().is_same() ? same / 2 : amount);
    pairs.push_back(o.padding().is_same() ? same - same / 2 : amount);
  }
  return pairs;
}

template <size_t D>
Tensor convolved(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions<D>& o,
                 const ConvPadding<D>& padding) {
  const auto options = functional::ConvFuncOptions<D>()
                           .bias(bias)
                           .stride(o.stride())
                           .padding(padding)
                           .dilation(o.dilation())
                           .groups(o.groups());
  if constexpr (D == 1) return functional::conv1d(x, weight, options);
  if constexpr (D == 2) return functional::conv2d(x, weight, options);
  if constexpr (D == 3) return functional::conv3d(x, weight, options);
}

/// The output padding that gives `wanted` sizes.
template <size_t D>
ExpandingArray<D> padding_for(const Tensor& input, IntArrayRef wanted, const ConvTransposeOptions<D>& o) {
  const int64_t channels_at = input.dim() - static_cast<int64_t>(D);  // where sizes begin
  if (wanted.size() == D + static_cast<size_t>(channels_at)) wanted = wanted.slice(static_cast<size_t>(channels_at));
  FULMEN_CHECK(wanted.size() == D, "ConvTranspose", D, "d: output_size must have ", D, " or ", D + 2, " elements (got ",
               wanted.size(), ")");
  std::array<int64_t, D> padding;
  for (size_t d = 0; d < D; ++d) {
    const int64_t least = (input.size(channels_at + static_cast<int64_t>(d)) - 1) * (*o.stride())[d] -
                          2 * (*o.padding())[d] + (*o.dilation())[d] * ((*o.kernel_size())[d] - 1) + 1;
    const int64_t most = least + (*o.stride())[d] - 1;
    FULMEN_CHECK(wanted[d] >= least && wanted[d] <= most, "ConvTranspose", D, "d: requested an output size of ", wanted,
                 ", but valid sizes range from ", least, " to ", most, " in dimension ", d, " (for an input of ",
                 input.sizes(), ")");
    padding[d] = wanted[d] - least;
  }
  return padding;
}

}  // namespace

template <size_t D, class Derived>
ConvImplBase<D, Derived>::ConvImplBase(const ConvOptions<D>& options_) : options(options_) {
  ConvImplBase::reset();
}

template <size_t D, class Derived>
void ConvImplBase<D, Derived>::reset() {
  check_options("Conv", D, options);
  FULMEN_CHECK(!options.padding().is_same() || all_are(options.stride(), 1), "Conv", D,
               "d: padding='same' is not supported for strided convolutions");
  make_parameters(*this, options.out_channels(), options.in_channels(), options.kernel_size());
}

template <size_t D, class Derived>
void ConvImplBase<D, Derived>::reset_parameters() {
  draw_parameters(weight, bias);
}

template <size_t D, class Derived>
void ConvImplBase<D, Derived>::pretty_print(std::ostream& stream) const {
  Printed printed(stream, str("Conv", D, "d"));
  printed.arg(options.in_channels()).arg(options.out_channels());
  printed.arg("kernel_size", options.kernel_size()).arg("stride", options.stride());
  if (options.padding().is_valid() || options.padding().is_same()) {
    printed.arg("padding", options.padding().is_same() ? "'same'" : "'valid'");
  } else {
    print_unless(printed, "padding", options.padding().amount(), 0);
  }
  print_unless(printed, "dilation", options.dilation(), 1);
  print_rest(printed, options);
}

template <size_t D, class Derived>
Tensor ConvImplBase<D, Derived>::forward(const Tensor& input) {
  const ConvPaddingMode& mode = options.padding_mode();
  if (mode.template is<enumtype::kZeros>()) return convolved(input, weight, bias, options, options.padding());
  const Tensor around = fulmen::pad(input, padding_around(options),
                                    mode.template is<enumtype::kReflect>()     ? "reflect"
                                    : mode.template is<enumtype::kReplicate>() ? "replicate"
                                                                               : "circular");
  return convolved(around, weight, bias, options, ConvPadding<D>(0));
}

template <size_t D, class Derived>
ConvTransposeImplBase<D, Derived>::ConvTransposeImplBase(const ConvTransposeOptions<D>& options_) : options(options_) {
  ConvTransposeImplBase::reset();
}

template <size_t D, class Derived>
void ConvTransposeImplBase<D, Derived>::reset() {
  check_options("ConvTranspose", D, options);
  FULMEN_CHECK(options.padding_mode().template is<enumtype::kZeros>(), "ConvTranspose", D,
               "d: Only \"zeros\" padding mode is supported for ConvTranspose", D, "d");
  make_parameters(*this, options.in_channels(), options.out_channels(), options.kernel_size());
}

template <size_t D, class Derived>
void ConvTransposeImplBase<D, Derived>::reset_parameters() {
  draw_parameters(weight, bias);
}

template <size_t D, class Derived>
void ConvTransposeImplBase<D, Derived>::pretty_print(std::ostream& stream) const {
  Printed printed(stream, str("ConvTranspose", D, "d"));
  printed.arg(options.in_channels()).arg(options.out_channels());
  printed.arg("kernel_size", options.kernel_size()).arg("stride", options.stride());
  print_unless(printed, "padding", options.padding(), 0);
  print_unless(printed, "dilation", options.dilation(), 1);
  print_unless(printed, "output_padding", options.output_padding(), 0);
  print_rest(printed, options);
}

template <size_t D, class Derived>
Tensor ConvTransposeImplBase<D, Derived>::forward(const Tensor& input, const std::optional<IntArrayRef>& output_size) {
  const auto call =
      functional::ConvTransposeFuncOptions<D>()
          .bias(bias)
          .stride(options.stride())
          .padding(options.padding())
          .output_padding(output_size ? padding_for(input, *output_size, options) : options.output_padding())
          .groups(options.groups())
          .dilation(options.dilation());
  if constexpr (D == 1) return functional::conv_transpose1d(input, weight, call);
  if constexpr (D == 2) return functional::conv_transpose2d(input, weight, call);
  if constexpr (D == 3) return functional::conv_transpose3d(input, weight, call);
}

template class ConvImplBase<1, Conv1dImpl>;
template class ConvImplBase<2, Conv2dImpl>;
template class ConvImplBase<3, Conv3dImpl>;
template class ConvTransposeImplBase<1, ConvTranspose1dImpl>;
template class ConvTransposeImplBase<2, ConvTranspose2dImpl>;
template class ConvTransposeImplBase<3, ConvTranspose3dImpl>;

}  // namespace fulmen::nn
