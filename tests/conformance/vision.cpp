#include <fulmen/autograd/ops/convolution.h>
#include <fulmen/autograd/ops/pad.h>
#include <fulmen/autograd/ops/pooling.h>

#include "tests/conformance/case.h"

// Convolutions, pooling and padding.
namespace conformance {

namespace {

std::vector<int64_t> list(const Arguments& a, size_t position, const char* keyword, int64_t otherwise) {
  return a.has(position, keyword) ? a.integers(position, keyword) : std::vector<int64_t>{otherwise};
}

template <class Numbers, class Word>
Operation convolution_by(Numbers numbers, Word word) {
  return one([=](const Arguments& a) {
    Tensor x = a.tensor(0), w = a.tensor(1, "weight"), b = a.optional_tensor(2, "bias");
    const auto stride = list(a, 3, "stride", 1), dilation = list(a, 5, "dilation", 1);
    const int64_t groups = a.integer(6, "groups", 1);
    std::string padding;
    try {
      padding = a.text(4, "padding", "");
    } catch (const NotThere&) {
      return numbers(x, w, b, stride, list(a, 4, "padding", 0), dilation, groups);
    }
    if (padding.empty()) return numbers(x, w, b, stride, 0, dilation, groups);
    return word(x, w, b, stride, padding, dilation, groups);
  });
}

void add_convolutions(Operations& ops) {
#define CONV(D)                                                                                                     \
  ops["nn.functional.conv" #D "d"] = convolution_by(                                                                \
      [](const Tensor& x, const Tensor& w, const Tensor& b, IntArrayRef stride, IntArrayRef padding,                \
         IntArrayRef dilation, int64_t groups) { return conv##D##d(x, w, b, stride, padding, dilation, groups); },  \
      [](const Tensor& x, const Tensor& w, const Tensor& b, IntArrayRef stride, const std::string& padding,         \
         IntArrayRef dilation, int64_t groups) { return conv##D##d(x, w, b, stride, padding, dilation, groups); }); \
  ops["nn.functional.conv_transpose" #D "d"] = one([](const Arguments& a) {                                         \
    return conv_transpose##D##d(a.tensor(0), a.tensor(1, "weight"), a.optional_tensor(2, "bias"),                   \
                                list(a, 3, "stride", 1), list(a, 4, "padding", 0), list(a, 5, "output_padding", 0), \
                                a.integer(6, "groups", 1), list(a, 7, "dilation", 1));                              \
  })
  CONV(1);
  CONV(2);
  CONV(3);
#undef CONV
}

Tensors both(const std::tuple<Tensor, Tensor>& results, bool indices) {
  return indices ? Tensors{std::get<0>(results), std::get<1>(results)} : Tensors{std::get<0>(results)};
}

void add_pooling(Operations& ops) {
#define POOL(D)                                                                                                 \
  ops["nn.functional.max_pool" #D "d"] = [](const Arguments& a) {                                               \
    return both(max_pool##D##d_with_indices(a.tensor(0), a.integers(1, "kernel_size"), a.integers(2, "stride"), \
                                            list(a, 3, "padding", 0), list(a, 4, "dilation", 1),                \
                                            a.flag(5, "ceil_mode", false)),                                     \
                a.flag(6, "return_indices", false));                                                            \
  };                                                                                                            \
  ops["nn.functional.adaptive_max_pool" #D "d"] = [](const Arguments& a) {                                      \
    return both(adaptive_max_pool##D##d(a.tensor(0), a.integers(1, "output_size")),                             \
                a.flag(2, "return_indices", false));                                                            \
  };                                                                                                            \
  ops["nn.functional.adaptive_avg_pool" #D "d"] =                                                               \
      one([](const Arguments& a) { return adaptive_avg_pool##D##d(a.tensor(0), a.integers(1, "output_size")); })
  POOL(1);
  POOL(2);
  POOL(3);
#undef POOL
  ops["nn.functional.avg_pool1d"] = one([](const Arguments& a) {
    return avg_pool1d(a.tensor(0), a.integers(1, "kernel_size"), a.integers(2, "stride"), list(a, 3, "padding", 0),
                      a.flag(4, "ceil_mode", false), a.flag(5, "count_include_pad", true));
  });
#define AVG(D)                                                                                \
  ops["nn.functional.avg_pool" #D "d"] = one([](const Arguments& a) {                         \
    std::optional<int64_t> divisor;                                                           \
    if (a.has(6, "divisor_override")) divisor = a.integer(6, "divisor_override");             \
    return avg_pool##D##d(a.tensor(0), a.integers(1, "kernel_size"), a.integers(2, "stride"), \
                          list(a, 3, "padding", 0), a.flag(4, "ceil_mode", false),            \
                          a.flag(5, "count_include_pad", true), divisor);                     \
  })
  AVG(2);
  AVG(3);
#undef AVG
}

}  // namespace

void add_vision(Operations& ops) {
  add_convolutions(ops);
  add_pooling(ops);
  ops["constant_pad_nd"] = one(
      [](const Arguments& a) { return constant_pad_nd(a.tensor(0), a.integers(1, "pad"), a.number(2, "value", 0)); });
  ops["nn.functional.pad"] = one([](const Arguments& a) {
    std::optional<double> value;
    if (a.has(3, "value")) value = a.number(3, "value").toDouble();
    return pad(a.tensor(0), a.integers(1, "pad"), a.text(2, "mode", "constant"), value);
  });
}

}  // namespace conformance
