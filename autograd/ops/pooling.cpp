#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/pooling.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/pool.h>

#include <limits>

namespace fulmen {

using namespace autograd;

namespace {

/// The leading sizes of t, and `spatial` behind them.
Shape with_spatial(const Tensor& t, IntArrayRef spatial) {
  Shape sizes = t.sizes();
  for (size_t d = 0; d < spatial.size(); ++d) sizes[sizes.size() - spatial.size() + d] = spatial[d];
  return sizes;
}
/// [planes, everything behind].
Tensor planes_of(const Tensor& t, size_t dims) { return t.flatten(-static_cast<int64_t>(dims), -1).flatten(0, -2); }

// gx = sum of gy over the windows whose largest element this is
struct MaxPoolBackward {
  static constexpr auto name = "max_pool_backward";
  PoolGeometry geometry;
  Shape in;  ///< sizes that are pooled
  Output forward(Forward& f, const Input& gy, const Input& indices) const {
    Tensor gc = gy.contiguous(), ic = indices.contiguous();
    Output gx = f.empty(with_spatial(gy, in), gy.scalar_type(), gy.device());
    kernel::max_pool_backward(f.launch(gy), f.out(gx), f.in(gc), f.in(ic), geometry);
    f.save(indices);
    return gx;
  }
  // gy' = the elements of gx' that were largest
  Grads<2> backward(const Saved& s, const Tensor& g) const {
    Tensor indices = s[0];
    return {planes_of(g.contiguous(), in.size())
                .gather(1, planes_of(indices.contiguous(), in.size()))
                .view(indices.sizes()),
            Tensor()};
  }
};

// y = the largest element of each window; its place as well
struct MaxPool {
  static constexpr auto name = "max_pool";
  PoolGeometry geometry;
  Shape in, out;
  std::array<Output, 2> forward(Forward& f, const Input& x) const {
    Tensor xc = x.contiguous();
    Output y = f.empty(with_spatial(x, out), x.scalar_type(), x.device()), indices = f.empty_like(y, kLong);
    kernel::max_pool(f.launch(x), f.out(y), f.out(indices), f.in(xc), geometry);
    f.save(indices);
    f.mark_non_differentiable(indices);
    return {std::move(y), std::move(indices)};
  }
  Grads<1> backward(const Saved& s, ConstTensorSpan gy) const {
    if (!gy[0].defined()) return {};
    return {apply(MaxPoolBackward{geometry, in}, gy[0], s[0])};
  }
};

struct AvgPool;
Tensor avg_pool_backward(const Tensor& gy, const PoolGeometry& g, const PoolDivisor& d, const Shape& in,
                         const Shape& out);

// y = sum of each window / divisor
struct AvgPool {
  static constexpr auto name = "avg_pool";
  PoolGeometry geometry;
  PoolDivisor divisor;
  Shape in, out;
  Output forward(Forward& f, const Input& x) const {
    Tensor xc = x.contiguous();
    Output y = f.empty(with_spatial(x, out), x.scalar_type(), x.device());
    kernel::avg_pool(f.launch(x), f.out(y), f.in(xc), geometry, divisor);
    return y;
  }
  Grads<1> backward(const Saved&, const Tensor& gy) const {
    return {avg_pool_backward(gy, geometry, divisor, in, out)};
  }
};
// gx = sum of gy / divisor over the windows with this element: linear, and avg_pool is its transpose
struct AvgPoolBackward {
  static constexpr auto name = "avg_pool_backward";
  PoolGeometry geometry;
  PoolDivisor divisor;
  Shape in, out;
  Output forward(Forward& f, const Input& gy) const {
    Tensor gc = gy.contiguous();
    Output gx = f.empty(with_spatial(gy, in), gy.scalar_type(), gy.device());
    kernel::avg_pool_backward(f.launch(gy), f.out(gx), f.in(gc), geometry, divisor);
    return gx;
  }
  Grads<1> backward(const Saved&, const Tensor& g) const { return {apply(AvgPool{geometry, divisor, in, out}, g)}; }
};
Tensor avg_pool_backward(const Tensor& gy, const PoolGeometry& g, const PoolDivisor& d, const Shape& in,
                         const Shape& out) {
  return apply(AvgPoolBackward{g, d, in, out}, gy);
}

// --- What callers may ask for ---------------------------------------------------------------------------------------

Shape expanded(const char* op, const char* what, IntArrayRef values, size_t dims) {
  FULMEN_CHECK(values.size() == dims || values.size() == 1, op, ": ", what, " must either be a single int, or a tuple ",
               "of ", dims, " ints, got ", values);
  return values.size() == dims ? Shape(values) : Shape(dims, values[0]);
}

void check_input(const char* op, const Tensor& input, size_t dims) {
  const auto d = static_cast<int64_t>(dims);
  bool empty = false;  // only the batch may be
  for (int64_t i = input.dim() - d - 1; i < input.dim(); ++i) empty = empty || i < 0 || input.size(i) == 0;
  FULMEN_CHECK((input.dim() == d + 1 || input.dim() == d + 2) && !empty, op, ": Expected ", d + 1, "D or ", d + 2,
               "D (batch mode) tensor with optional 0 dim batch size for input, but got: ", input);
  FULMEN_CHECK(input.is_floating_point(), op, ": not implemented for '", to_string(input.scalar_type()), "': got ",
               input);
  int64_t plane = 1;
  for (int64_t i = input.dim() - d; i < input.dim(); ++i) plane *= input.size(i);
  FULMEN_CHECK(plane <= std::numeric_limits<int32_t>::max(), op, ": more than 2^31 elements per channel: ", input);
}

/// Sizes that are pooled, and what becomes of them.
struct Pooling {
  PoolGeometry geometry;
  Shape in, out;
};
void add_axis(Pooling& p, size_t d, size_t dims, const PoolAxis& axis) {
  p.geometry.axes[3 - dims + d] = axis;
  p.in.push_back(axis.in);
  p.out.push_back(axis.out);
}
Pooling none() {
  constexpr PoolAxis single{1, 1, 1, 1, 0, 1, false};
  return {{{single, single, single}}, {}, {}};
}

struct Windows {
  IntArrayRef kernel, stride, padding, dilation;
  bool ceil_mode;
};
Pooling windows_of(const char* op, const Tensor& input, size_t dims, const Windows& w) {
  check_input(op, input, dims);
  const Shape kernel = expanded(op, "kernel_size", w.kernel, dims),
              stride = w.stride.empty() ? kernel : expanded(op, "stride", w.stride, dims),
              padding = expanded(op, "padding", w.padding, dims), dilation = expanded(op, "dilation", w.dilation, dims);
  Pooling p = none();
  for (size_t d = 0; d < dims; ++d) {
    FULMEN_CHECK(kernel[d] > 0, op, ": kernel size should be greater than zero, but got ", IntArrayRef(kernel));
    FULMEN_CHECK(stride[d] > 0, op, ": stride should be greater than zero, but got ", IntArrayRef(stride));
    FULMEN_CHECK(dilation[d] > 0, op, ": dilation should be greater than zero, but got ", IntArrayRef(dilation));
    FULMEN_CHECK(padding[d] >= 0, op, ": pad must be non-negative, but got pad: ", padding[d]);
    const int64_t reach = dilation[d] * (kernel[d] - 1) + 1;
    FULMEN_CHECK(padding[d] <= reach / 2, op,
                 ": pad should be at most half of effective kernel size, but got pad=", padding[d],
                 ", kernel_size=", kernel[d], " and dilation=", dilation[d]);
    const int64_t in = input.size(input.dim() - static_cast<int64_t>(dims - d)), room = in + 2 * padding[d] - reach;
    int64_t out = room < 0 && !w.ceil_mode ? 0 : (room + (w.ceil_mode ? stride[d] - 1 : 0)) / stride[d] + 1;
    // The last window must begin inside of the input or in the padding before it.
    if (w.ceil_mode && (out - 1) * stride[d] >= in + padding[d]) --out;
    FULMEN_CHECK(out > 0 && room + (w.ceil_mode ? stride[d] - 1 : 0) >= 0, op, ": Given input size ", input.sizes(),
                 ", calculated output size is too small: dimension ", d, " of ", in, " elements with kernel ",
                 kernel[d], ", padding ", padding[d], " and dilation ", dilation[d]);
    add_axis(p, d, dims, {in, out, kernel[d], stride[d], padding[d], dilation[d], false});
  }
  return p;
}
Pooling shares_of(const char* op, const Tensor& input, size_t dims, IntArrayRef sizes) {
  check_input(op, input, dims);
  const Shape out = expanded(op, "output_size", sizes, dims);
  Pooling p = none();
  for (size_t d = 0; d < dims; ++d) {
    FULMEN_CHECK(out[d] >= 0, op, ": elements of output_size must be greater than or equal to 0, but received ",
                 IntArrayRef(out));
    add_axis(p, d, dims, {input.size(input.dim() - static_cast<int64_t>(dims - d)), out[d], 1, 1, 0, 1, true});
  }
  return p;
}

std::tuple<Tensor, Tensor> largest(const Tensor& input, Pooling p) {
  auto results = apply(MaxPool{p.geometry, p.in, p.out}, input);
  return {std::move(results[0]), std::move(results[1])};
}
Tensor mean(const Tensor& input, Pooling p, PoolDivisor divisor) {
  return apply(AvgPool{p.geometry, divisor, p.in, p.out}, input);
}
Tensor mean_of(const char* op, size_t dims, const Tensor& input, const Windows& w, bool count_include_pad,
               std::optional<int64_t> divisor_override) {
  FULMEN_CHECK(!divisor_override || *divisor_override != 0, op, ": divisor must be not zero");
  return mean(input, windows_of(op, input, dims, w), {divisor_override.value_or(0), count_include_pad});
}

}  // namespace

#define FULMEN_POOL(D)                                                                                            \
  std::tuple<Tensor, Tensor> max_pool##D##d_with_indices(const Tensor& input, IntArrayRef kernel_size,            \
                                                         IntArrayRef stride, IntArrayRef padding,                 \
                                                         IntArrayRef dilation, bool ceil_mode) {                  \
    return largest(input,                                                                                         \
                   windows_of("max_pool" #D "d", input, D, {kernel_size, stride, padding, dilation, ceil_mode})); \
  }                                                                                                               \
  Tensor max_pool##D##d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,    \
                        IntArrayRef dilation, bool ceil_mode) {                                                   \
    return std::get<0>(max_pool##D##d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode));    \
  }                                                                                                               \
  Tensor adaptive_avg_pool##D##d(const Tensor& input, IntArrayRef output_size) {                                  \
    return mean(input, shares_of("adaptive_avg_pool" #D "d", input, D, output_size), {0, false});                 \
  }                                                                                                               \
  std::tuple<Tensor, Tensor> adaptive_max_pool##D##d(const Tensor& input, IntArrayRef output_size) {              \
    return largest(input, shares_of("adaptive_max_pool" #D "d", input, D, output_size));                          \
  }
FULMEN_POOL(1)
FULMEN_POOL(2)
FULMEN_POOL(3)
#undef FULMEN_POOL

Tensor avg_pool1d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                  bool count_include_pad) {
  return mean_of("avg_pool1d", 1, input, {kernel_size, stride, padding, 1, ceil_mode}, count_include_pad, {});
}
Tensor avg_pool2d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                  bool count_include_pad, std::optional<int64_t> divisor_override) {
  return mean_of("avg_pool2d", 2, input, {kernel_size, stride, padding, 1, ceil_mode}, count_include_pad,
                 divisor_override);
}
Tensor avg_pool3d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                  bool count_include_pad, std::optional<int64_t> divisor_override) {
  return mean_of("avg_pool3d", 3, input, {kernel_size, stride, padding, 1, ceil_mode}, count_include_pad,
                 divisor_override);
}

Tensor max_unpool(const Tensor& x, const Tensor& indices, IntArrayRef sizes) {
  FULMEN_CHECK(indices.scalar_type() == kLong,
               "max_unpool: elements in indices should be type int64 but got: ", to_string(indices.scalar_type()));
  FULMEN_CHECK(x.sizes() == indices.sizes(),
               "max_unpool: Expected shape of indices to be same as that of the input "
               "tensor (",
               x.sizes(), ") but got indices tensor with shape: ", indices.sizes());
  FULMEN_CHECK(x.dim() > static_cast<int64_t>(sizes.size()), "max_unpool: expected channels before ", sizes.size(),
               " dimensions, got ", x);
  int64_t size = 1;
  for (int64_t s : sizes) size *= s;
  Tensor from = planes_of(x.contiguous(), sizes.size()), places = planes_of(indices.contiguous(), sizes.size());
  Tensor planes = arange(from.size(0), TensorOptions(kLong).device(x.device())).unsqueeze(1);
  Tensor y = index_put(zeros({from.size(0), size}, x.options()), {planes.expand(places.sizes()), places}, from);
  return y.view(with_spatial(x, sizes));
}

}  // namespace fulmen
