#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/convolution.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/conv.h>

namespace fulmen {

using namespace autograd;

namespace {

/// [n, channels, sizes...] with all three dimensions; missing ones come first.
template <class V>
V with_three(V v) {
  const int missing = 5 - v.ndim;
  for (int d = 4; d >= 2; --d) {
    v.sizes[d] = d - missing < 2 ? 1 : v.sizes[d - missing];
    v.strides[d] = d - missing < 2 ? 1 : v.strides[d - missing];
  }
  v.ndim = 5;
  return v;
}
ConstView bias_view(Forward& f, const Tensor& bias) {
  if (bias.defined()) return f.in(bias);
  ConstView none;
  none.data = nullptr;
  return none;
}
/// {n, channels, spatial...}
Shape joined(int64_t n, int64_t channels, IntArrayRef spatial) {
  Shape sizes{n, channels};
  for (int64_t s : spatial) sizes.push_back(s);
  return sizes;
}
Shape spatial_of(const Tensor& t) { return t.sizes().slice(2); }
/// Sums over images and places: a bias meets every one of them.
Tensor sum_for_bias(const Tensor& gy) {
  Shape dims{0};
  for (int64_t d = 2; d < gy.dim(); ++d) dims.push_back(d);
  return gy.sum(IntArrayRef(dims));
}

// The three products of a convolution are each other's derivatives: what one computes from the other two, with the
// same geometry.
Tensor from_input(const ConvGeometry& g, IntArrayRef out, const Tensor& x, const Tensor& w, const Tensor& bias = {});
Tensor to_input(const ConvGeometry& g, IntArrayRef out, const Tensor& y, const Tensor& w, const Tensor& bias = {});
Tensor to_weight(const ConvGeometry& g, IntArrayRef kernel, const Tensor& x, const Tensor& y);

// y(o) = sum over channels and k of x(o stride + k dilation - padding) w(k) + bias
struct Convolution {
  static constexpr auto name = "convolution";
  ConvGeometry geometry;
  Shape out;  ///< sizes of y
  Output forward(Forward& f, const Input& x, const Input& w, const Input& bias) const {
    Tensor xc = x.contiguous(), wc = w.contiguous(), bc = bias.defined() ? bias.contiguous() : Tensor();
    Output y = f.empty(joined(x.size(0), w.size(0), out), x.scalar_type(), x.device());
    kernel::convolution(f.launch(x), with_three(f.out(y)), with_three(f.in(xc)), with_three(f.in(wc)), bias_view(f, bc),
                        geometry);
    f.save(x, w);
    return y;
  }
  // gx: the transposed convolution of gy; gw = sum of x gy; gb = sum of gy
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Tensor x = s[0], w = s[1];
    return {s.needs(0) ? to_input(geometry, spatial_of(x), gy, w) : Tensor(),
            s.needs(1) ? to_weight(geometry, spatial_of(w), x, gy) : Tensor(),
            s.needs(2) ? sum_for_bias(gy) : Tensor()};
  }
};

// x = sum over outputs and k of the y(o) and w(k) that convolution() brings together with it, + bias
struct ConvolutionTransposed {
  static constexpr auto name = "convolution_transposed";
  ConvGeometry geometry;
  Shape out;  ///< sizes of x
  Output forward(Forward& f, const Input& y, const Input& w, const Input& bias) const {
    Tensor yc = y.contiguous(), wc = w.contiguous(), bc = bias.defined() ? bias.contiguous() : Tensor();
    Output x = f.empty(joined(y.size(0), w.size(1) * geometry.groups, out), y.scalar_type(), y.device());
    kernel::convolution_transposed(f.launch(y), with_three(f.out(x)), with_three(f.in(yc)), with_three(f.in(wc)),
                                   bias_view(f, bc), geometry);
    f.save(y, w);
    return x;
  }
  // gy = convolution of gx; gw = sum of gx y; gb = sum of gx
  Grads<3> backward(const Saved& s, const Tensor& gx) const {
    Tensor y = s[0], w = s[1];
    return {s.needs(0) ? from_input(geometry, spatial_of(y), gx, w) : Tensor(),
            s.needs(1) ? to_weight(geometry, spatial_of(w), gx, y) : Tensor(),
            s.needs(2) ? sum_for_bias(gx) : Tensor()};
  }
};

// w(k) = sum over images and places of x(o stride + k dilation - padding) y(o)
struct ConvolutionWeight {
  static constexpr auto name = "convolution_weight";
  ConvGeometry geometry;
  Shape kernel;
  Output forward(Forward& f, const Input& x, const Input& y) const {
    Tensor xc = x.contiguous(), yc = y.contiguous();
    Output w = f.empty(joined(y.size(1), x.size(1) / geometry.groups, kernel), x.scalar_type(), x.device());
    kernel::convolution_weight(f.launch(x), with_three(f.out(w)), with_three(f.in(xc)), with_three(f.in(yc)), geometry);
    f.save(x, y);
    return w;
  }
  // gx: the transposed convolution of y with gw; gy = convolution of x with gw
  Grads<2> backward(const Saved& s, const Tensor& gw) const {
    Tensor x = s[0], y = s[1];
    return {s.needs(0) ? to_input(geometry, spatial_of(x), y, gw) : Tensor(),
            s.needs(1) ? from_input(geometry, spatial_of(y), x, gw) : Tensor()};
  }
};

Tensor from_input(const ConvGeometry& g, IntArrayRef out, const Tensor& x, const Tensor& w, const Tensor& bias) {
  return apply(Convolution{g, out}, x, w, bias);
}
Tensor to_input(const ConvGeometry& g, IntArrayRef out, const Tensor& y, const Tensor& w, const Tensor& bias) {
  return apply(ConvolutionTransposed{g, out}, y, w, bias);
}
Tensor to_weight(const ConvGeometry& g, IntArrayRef kernel, const Tensor& x, const Tensor& y) {
  return apply(ConvolutionWeight{g, kernel}, x, y);
}

// --- What callers may ask for ---------------------------------------------------------------------------------------

/// A list of settings with an entry per dimension.
Shape expanded(const char* op, const char* what, IntArrayRef values, int64_t dims) {
  const auto count = static_cast<size_t>(dims);
  FULMEN_CHECK(values.size() == count || values.size() == 1, op, ": expected ", what,
               " to be a single integer value or a list of ", dims, " values to match the convolution dimensions, but ",
               "got ", what, "=", values);
  return values.size() == count ? Shape(values) : Shape(count, values[0]);
}

/// "(5 x 6)"
std::string by(IntArrayRef sizes) {
  std::string text = "(";
  for (size_t i = 0; i < sizes.size(); ++i) text += str(i ? " x " : "", sizes[i]);
  return text + ")";
}

/// A call, checked; input has a batch dimension.
struct Checked {
  const char* op;
  int64_t dims, groups;
  bool transposed;
  Shape stride, padding, dilation, output_padding;

  void check_settings() const {
    FULMEN_CHECK(groups > 0, op, ": non-positive groups is not supported, got ", groups);
    for (size_t d = 0; d < stride.size(); ++d) {
      FULMEN_CHECK(stride[d] > 0, op, ": non-positive stride is not supported, got ", IntArrayRef(stride));
      FULMEN_CHECK(padding[d] >= 0, op, ": negative padding is not supported, got ", IntArrayRef(padding));
      FULMEN_CHECK(dilation[d] > 0, op, ": dilation should be greater than zero, got ", IntArrayRef(dilation));
      FULMEN_CHECK(output_padding[d] >= 0, op, ": negative output_padding is not supported, got ",
                   IntArrayRef(output_padding));
      FULMEN_CHECK(output_padding[d] < stride[d] || output_padding[d] < dilation[d], op,
                   ": output padding must be smaller than either stride or dilation, but got output_padding ",
                   IntArrayRef(output_padding), ", stride ", IntArrayRef(stride), ", dilation ", IntArrayRef(dilation));
    }
  }
  void check_tensors(const Tensor& input, const Tensor& weight, const Tensor& bias) const {
    FULMEN_CHECK(weight.dim() == dims + 2, op, ": expected a weight of ", dims + 2, " dimensions, got ", weight);
    FULMEN_CHECK(input.is_floating_point(), op, ": not implemented for '", to_string(input.scalar_type()), "': got ",
                 input);
    const int64_t first = weight.size(0), channels = transposed ? first : weight.size(1) * groups;
    const char* given = transposed ? "Given transposed=1" : "Given groups=";
    const std::string start = transposed ? std::string(given) : str(given, groups);
    FULMEN_CHECK(first >= groups, op, ": Given groups=", groups, ", expected weight to be at least ", groups,
                 " at dimension 0, but got weight of size ", weight.sizes(), " instead");
    FULMEN_CHECK(first % groups == 0, op, ": Given groups=", groups, ", expected weight to be divisible by ", groups,
                 " at dimension 0, but got weight of size ", weight.sizes(), " instead");
    if (input.size(1) != channels) {
      throw Error("E001",
                  str(op, ": ", start, ", weight of size ", weight.sizes(), ", expected input", input.sizes(),
                      " to have ", channels, " channels, but got ", input.size(1), " channels instead"),
                  "the input is [n, channels, sizes...]; construct the layer with the input's number of channels");
    }
    const int64_t outputs = transposed ? weight.size(1) * groups : first;
    FULMEN_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == outputs), op, ": ", start, ", weight of size ",
                 weight.sizes(), ", expected bias to be 1-dimensional with ", outputs,
                 " elements, but got bias of size ", bias.defined() ? bias.sizes() : IntArrayRef(), " instead");
    for (const Tensor* t : {&weight, &bias}) {
      if (!t->defined()) continue;
      const char* what = t == &bias ? "bias" : "weight";
      if (t->scalar_type() != input.scalar_type()) {
        throw Error(
            "E002",
            str(op, ": Input type (", to_string(input.scalar_type()), ") and ", what, " type (",
                to_string(t->scalar_type()), ") should be the same: the input is ", input, ", the ", what, " ", *t),
            "convert one of them with .to(dtype)");
      }
      FULMEN_CHECK(t->device() == input.device(), op, ": Expected all tensors to be on the same device, but got ",
                   input, " and ", what, " ", *t);
    }
  }
  Shape output_sizes(const Tensor& input, const Tensor& weight) const {
    Shape sizes, padded, kernel = spatial_of(weight);
    bool fits = true;
    for (size_t d = 0; d < stride.size(); ++d) {
      const int64_t size = input.size(static_cast<int64_t>(d) + 2), reach = dilation[d] * (kernel[d] - 1) + 1;
      FULMEN_CHECK(kernel[d] > 0, op, ": the kernel must not be empty, got weight ", weight);
      padded.push_back(size + 2 * padding[d]);
      if (transposed) {
        sizes.push_back((size - 1) * stride[d] - 2 * padding[d] + reach + output_padding[d]);
      } else {
        sizes.push_back((padded[d] - reach) / stride[d] + 1);
        fits = fits && padded[d] >= reach;
      }
    }
    FULMEN_CHECK(fits, op, ": Calculated padded input size per channel: ", by(padded), ". Kernel size: ", by(kernel),
                 ". Kernel size can't be greater than actual input size (input ", input, ", dilation ",
                 IntArrayRef(dilation), ")");
    for (int64_t s : sizes) {
      FULMEN_CHECK(!transposed || s > 0, op, ": Given input size per channel: ", by(spatial_of(input)),
                   ". Calculated output size per channel: ", by(sizes), ". Output size is too small");
    }
    return sizes;
  }
  /// The kernels' form. Missing dimensions come first and do nothing.
  ConvGeometry geometry() const {
    ConvGeometry g{{{1, 0, 1}, {1, 0, 1}, {1, 0, 1}}, groups};
    for (size_t d = 0; d < stride.size(); ++d) g.axes[3 - stride.size() + d] = {stride[d], padding[d], dilation[d]};
    return g;
  }
  Tensor run(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& sizes) const {
    return transposed ? to_input(geometry(), sizes, input, weight, bias)
                      : from_input(geometry(), sizes, input, weight, bias);
  }
};

/// Calls f with a batch, and takes the batch dimension off again if `input` has none.
template <class F>
Tensor batched(const char* op, int64_t dims, const Tensor& input, const F& f) {
  FULMEN_CHECK(input.dim() == dims + 1 || input.dim() == dims + 2, op, ": Expected ", dims + 1, "D (unbatched) or ",
               dims + 2, "D (batched) input to ", op, ", but got input of size: ", input.sizes());
  return input.dim() == dims + 2 ? f(input) : f(input.unsqueeze(0)).squeeze(0);
}

Tensor convolve(const char* op, int64_t dims, const Tensor& input, const Tensor& weight, const Tensor& bias,
                IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool transposed,
                IntArrayRef output_padding, int64_t groups) {
  const Checked call{op,
                     dims,
                     groups,
                     transposed,
                     expanded(op, "stride", stride, dims),
                     expanded(op, "padding", padding, dims),
                     expanded(op, "dilation", dilation, dims),
                     expanded(op, "output_padding", output_padding, dims)};
  call.check_settings();
  return batched(op, dims, input, [&](const Tensor& x) {
    call.check_tensors(x, weight, bias);
    return call.run(x, weight, bias, call.output_sizes(x, weight));
  });
}

Tensor convolve_padded(const char* op, int64_t dims, const Tensor& input, const Tensor& weight, const Tensor& bias,
                       IntArrayRef stride, std::string_view padding, IntArrayRef dilation, int64_t groups) {
  FULMEN_CHECK(padding == "valid" || padding == "same", op, ": Invalid padding string: '", padding,
               "'; it is 'valid' or 'same'");
  if (padding == "valid") {
    return convolve(op, dims, input, weight, bias, stride, 0, dilation, false, 0, groups);
  }
  FULMEN_CHECK(weight.dim() == dims + 2, op, ": expected a weight of ", dims + 2, " dimensions, got ", weight);
  Checked call{op,
               dims,
               groups,
               false,
               expanded(op, "stride", stride, dims),
               Shape(static_cast<size_t>(dims), 0),
               expanded(op, "dilation", dilation, dims),
               Shape(static_cast<size_t>(dims), 0)};
  call.check_settings();
  for (size_t d = 0; d < call.stride.size(); ++d) {
    FULMEN_CHECK(call.stride[d] == 1, op, ": padding='same' is not supported for strided convolutions");
    call.padding[d] = call.dilation[d] * (weight.size(static_cast<int64_t>(d) + 2) - 1) / 2;
  }
  return batched(op, dims, input, [&](const Tensor& x) {
    call.check_tensors(x, weight, bias);
    return call.run(x, weight, bias, spatial_of(x));
  });
}

}  // namespace

#define FULMEN_CONV(D)                                                                                                 \
  Tensor conv##D##d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,                 \
                    IntArrayRef padding, IntArrayRef dilation, int64_t groups) {                                       \
    if (autocast::applies(autocast::products, input)) {                                                                \
      const auto call = [&](const Tensor& x, const Tensor& w, const Tensor& b) {                                       \
        return conv##D##d(x, w, b, stride, padding, dilation, groups);                                                 \
      };                                                                                                               \
      return autocast::recast(autocast::products, call, input, weight, bias);                                          \
    }                                                                                                                  \
    return convolve("conv" #D "d", D, input, weight, bias, stride, padding, dilation, false, 0, groups);               \
  }                                                                                                                    \
  Tensor detail::conv##D##d_padded(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,  \
                                   std::string_view padding, IntArrayRef dilation, int64_t groups) {                   \
    if (autocast::applies(autocast::products, input)) {                                                                \
      const auto call = [&](const Tensor& x, const Tensor& w, const Tensor& b) {                                       \
        return conv##D##d_padded(x, w, b, stride, padding, dilation, groups);                                          \
      };                                                                                                               \
      return autocast::recast(autocast::products, call, input, weight, bias);                                          \
    }                                                                                                                  \
    return convolve_padded("conv" #D "d", D, input, weight, bias, stride, padding, dilation, groups);                  \
  }                                                                                                                    \
  Tensor conv_transpose##D##d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,       \
                              IntArrayRef padding, IntArrayRef output_padding, int64_t groups, IntArrayRef dilation) { \
    if (autocast::applies(autocast::products, input)) {                                                                \
      const auto call = [&](const Tensor& x, const Tensor& w, const Tensor& b) {                                       \
        return conv_transpose##D##d(x, w, b, stride, padding, output_padding, groups, dilation);                       \
      };                                                                                                               \
      return autocast::recast(autocast::products, call, input, weight, bias);                                          \
    }                                                                                                                  \
    return convolve("conv_transpose" #D "d", D, input, weight, bias, stride, padding, dilation, true, output_padding,  \
                    groups);                                                                                           \
  }
FULMEN_CONV(1)
FULMEN_CONV(2)
FULMEN_CONV(3)
#undef FULMEN_CONV

Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                   IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
                   int64_t groups) {
  const int64_t dims = weight.dim() - 2;
  FULMEN_CHECK(dims >= 1 && dims <= 3, "convolution: expected a weight of 3, 4 or 5 dimensions, got ", weight);
  if (transposed) {
    const auto transpose = dims == 1 ? conv_transpose1d : dims == 2 ? conv_transpose2d : conv_transpose3d;
    return transpose(input, weight, bias, stride, padding, output_padding, groups, dilation);
  }
  using Convolve =
      Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, int64_t);
  const Convolve straight = dims == 1   ? static_cast<Convolve>(conv1d)
                            : dims == 2 ? static_cast<Convolve>(conv2d)
                                        : static_cast<Convolve>(conv3d);
  return straight(input, weight, bias, stride, padding, dilation, groups);
}

}  // namespace fulmen
