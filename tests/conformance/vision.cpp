#include <fulmen/autograd/ops/convolution.h>
#include <fulmen/autograd/ops/group_norm.h>
#include <fulmen/autograd/ops/pad.h>
#include <fulmen/autograd/ops/pooling.h>
#include <fulmen/autograd/ops/resample.h>
#include <fulmen/nn/functional/vision.h>

#include "tests/conformance/case.h"

// Convolutions, pooling and padding.
namespace conformance {

namespace {

/// The operand. PyTorch's processors compute some of these for integers, too.
Tensor operand(const Arguments& a) {
  Tensor x = a.tensor(0);
  if (!x.is_floating_point()) throw NotThere{"integers"};
  return x;
}

std::vector<int64_t> list(const Arguments& a, size_t position, const char* keyword, int64_t otherwise) {
  return a.has(position, keyword) ? a.integers(position, keyword) : std::vector<int64_t>{otherwise};
}

template <class Numbers, class Word>
Operation convolution_by(Numbers numbers, Word word) {
  return one([=](const Arguments& a) {
    Tensor x = operand(a), w = a.tensor(1, "weight"), b = a.optional_tensor(2, "bias");
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
    return conv_transpose##D##d(operand(a), a.tensor(1, "weight"), a.optional_tensor(2, "bias"),                    \
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
#define POOL(D)                                                                                                \
  ops["nn.functional.max_pool" #D "d"] = [](const Arguments& a) {                                              \
    return both(max_pool##D##d_with_indices(operand(a), a.integers(1, "kernel_size"), a.integers(2, "stride"), \
                                            list(a, 3, "padding", 0), list(a, 4, "dilation", 1),               \
                                            a.flag(5, "ceil_mode", false)),                                    \
                a.flag(6, "return_indices", false));                                                           \
  };                                                                                                           \
  ops["nn.functional.adaptive_max_pool" #D "d"] = [](const Arguments& a) {                                     \
    return both(adaptive_max_pool##D##d(operand(a), a.integers(1, "output_size")),                             \
                a.flag(2, "return_indices", false));                                                           \
  };                                                                                                           \
  ops["nn.functional.adaptive_avg_pool" #D "d"] =                                                              \
      one([](const Arguments& a) { return adaptive_avg_pool##D##d(operand(a), a.integers(1, "output_size")); })
  POOL(1);
  POOL(2);
  POOL(3);
#undef POOL
  ops["nn.functional.avg_pool1d"] = one([](const Arguments& a) {
    return avg_pool1d(operand(a), a.integers(1, "kernel_size"), a.integers(2, "stride"), list(a, 3, "padding", 0),
                      a.flag(4, "ceil_mode", false), a.flag(5, "count_include_pad", true));
  });
#define AVG(D)                                                                                                         \
  ops["nn.functional.avg_pool" #D "d"] = one([](const Arguments& a) {                                                  \
    std::optional<int64_t> divisor;                                                                                    \
    if (a.has(6, "divisor_override")) divisor = a.integer(6, "divisor_override");                                      \
    return avg_pool##D##d(operand(a), a.integers(1, "kernel_size"), a.integers(2, "stride"), list(a, 3, "padding", 0), \
                          a.flag(4, "ceil_mode", false), a.flag(5, "count_include_pad", true), divisor);               \
  })
  AVG(2);
  AVG(3);
#undef AVG
}

void add_norms(Operations& ops) {
  ops["nn.functional.group_norm"] = one([](const Arguments& a) {
    return group_norm(operand(a), a.integer(1, "num_groups"), a.optional_tensor(2, "weight"),
                      a.optional_tensor(3, "bias"), a.number(4, "eps", 1e-5).toDouble());
  });
  ops["nn.functional.instance_norm"] = one([](const Arguments& a) {
    return instance_norm(operand(a), a.optional_tensor(3, "weight"), a.optional_tensor(4, "bias"),
                         a.optional_tensor(1, "running_mean"), a.optional_tensor(2, "running_var"),
                         a.flag(5, "use_input_stats", true), a.number(6, "momentum", 0.1).toDouble(),
                         a.number(7, "eps", 1e-5).toDouble());
  });
  ops["nn.functional.local_response_norm"] = one([](const Arguments& a) {
    return local_response_norm(operand(a), a.integer(1, "size"), a.number(2, "alpha", 1e-4).toDouble(),
                               a.number(3, "beta", 0.75).toDouble(), a.number(4, "k", 1.0).toDouble());
  });
}

namespace F = nn::functional;

F::InterpolateFuncOptions::mode_t mode_of(const std::string& name) {
  if (name == "nearest") return kNearest;
  if (name == "nearest-exact") return kNearestExact;
  if (name == "linear") return kLinear;
  if (name == "bilinear") return kBilinear;
  if (name == "bicubic") return kBicubic;
  if (name == "trilinear") return kTrilinear;
  if (name == "area") return kArea;
  throw NotThere{"mode " + name};
}
Tensor interpolated(const Arguments& a, const std::string& mode, std::optional<bool> align_corners) {
  F::InterpolateFuncOptions o;
  if (a.has(1, "size")) {
    o.size(a.integers(1, "size"));
  }
  if (a.is_list(2, "scale_factor")) throw NotThere{"a list of factors"};
  if (a.has(2, "scale_factor")) o.scale_factor(std::vector<double>{a.number(2, "scale_factor").toDouble()});
  if (a.has(5, "recompute_scale_factor")) o.recompute_scale_factor(a.flag(5, "recompute_scale_factor", false));
  return F::interpolate(operand(a), o.mode(mode_of(mode)).align_corners(align_corners));
}

void add_resampling(Operations& ops) {
  ops["nn.functional.interpolate"] = one([](const Arguments& a) {
    std::optional<bool> align_corners;
    if (a.has(4, "align_corners")) align_corners = a.flag(4, "align_corners", false);
    return interpolated(a, a.text(3, "mode", "nearest"), align_corners);
  });
  ops["nn.functional.upsample_nearest"] =
      one([](const Arguments& a) { return interpolated(a, "nearest", std::nullopt); });
  ops["nn.functional.upsample_bilinear"] = one([](const Arguments& a) { return interpolated(a, "bilinear", true); });
  ops["nn.functional.pixel_shuffle"] =
      one([](const Arguments& a) { return pixel_shuffle(a.tensor(0), a.integer(1, "upscale_factor")); });
  ops["nn.functional.pixel_unshuffle"] =
      one([](const Arguments& a) { return pixel_unshuffle(a.tensor(0), a.integer(1, "downscale_factor")); });
}

}  // namespace

void add_vision(Operations& ops) {
  add_convolutions(ops);
  add_pooling(ops);
  add_norms(ops);
  add_resampling(ops);
  ops["constant_pad_nd"] = one(
      [](const Arguments& a) { return constant_pad_nd(a.tensor(0), a.integers(1, "pad"), a.number(2, "value", 0)); });
  ops["nn.functional.pad"] = one([](const Arguments& a) {
    std::optional<double> value;
    if (a.has(3, "value")) value = a.number(3, "value").toDouble();
    return pad(a.tensor(0), a.integers(1, "pad"), a.text(2, "mode", "constant"), value);
  });
}

}  // namespace conformance
