#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/pad.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>

namespace fulmen {

using namespace autograd;

namespace {

/// The part of `t` that dimension d keeps when `before` and `after` elements are taken away.
Tensor cropped(const Tensor& t, IntArrayRef pad) {
  Tensor inner = t;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const int64_t d = t.dim() - 1 - static_cast<int64_t>(i), before = pad[2 * i], after = pad[2 * i + 1];
    if (before != 0 || after != 0) inner = inner.narrow(d, before, t.size(d) - before - after);
  }
  return inner;
}

// y = value around x
struct ConstantPad {
  static constexpr auto name = "constant_pad_nd";
  Shape pad;  ///< none negative
  Scalar value;
  Output forward(Forward& f, const Input& x) const {
    Shape sizes = x.sizes();
    for (size_t i = 0; i < pad.size(); ++i) sizes[sizes.size() - 1 - i / 2] += pad[i];
    Output y = f.empty(sizes, x.scalar_type(), x.device());
    Tensor whole = y;
    whole.fill_(value);
    cropped(whole, pad).copy_(x);
    return y;
  }
  // gx: the part of gy that came from x
  Grads<1> backward(const Saved&, const Tensor& gy) const { return {cropped(gy, pad)}; }
};

void check_pairs(const Tensor& x, IntArrayRef pad) {
  FULMEN_CHECK(pad.size() % 2 == 0, "pad: Length of pad must be even but instead it equals ", pad.size());
  FULMEN_CHECK(static_cast<int64_t>(pad.size()) <= 2 * x.dim(), "pad: Length of pad should be no more than twice the ",
               "number of dimensions of the input. Pad length is ", pad.size(), " while the input has ", x.dim(),
               " dimensions");
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const int64_t d = x.dim() - 1 - static_cast<int64_t>(i), size = x.size(d) + pad[2 * i] + pad[2 * i + 1];
    FULMEN_CHECK(size >= 0, "pad: The input size ", x.size(d), ", plus negative padding ", pad[2 * i], " and ",
                 pad[2 * i + 1], " resulted in a negative output size, which is invalid. Check dimension ", d,
                 " of your input.");
  }
}

/// Which element of a dimension of `size` is at `i`, which may lie outside.
int64_t source_of(char mode, int64_t i, int64_t size) {
  if (mode == 'r') return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;  // reflect
  if (mode == 'e') return i < 0 ? 0 : i >= size ? size - 1 : i;             // replicate
  return i < 0 ? i + size : i >= size ? i - size : i;                       // circular
}

Tensor padded_dimension(const Tensor& x, int64_t d, int64_t before, int64_t after, char mode) {
  std::vector<int64_t> places;
  for (int64_t i = -before; i < x.size(d) + after; ++i) places.push_back(source_of(mode, i, x.size(d)));
  return index_select(x, d, tensor(places, TensorOptions(kLong)).to(x.device()));
}

}  // namespace

Tensor constant_pad_nd(const Tensor& x, IntArrayRef pad, const Scalar& value) {
  check_pairs(x, pad);
  Shape more = pad, less = pad;
  bool grows = false, shrinks = false;
  for (size_t i = 0; i < pad.size(); ++i) {
    grows = grows || pad[i] > 0;
    shrinks = shrinks || pad[i] < 0;
    if (pad[i] < 0) more[i] = 0;
    less[i] = pad[i] < 0 ? -pad[i] : 0;
  }
  // Cropping first: what is taken away may be more than what x has on that side, when the other side grows.
  bool possible = true;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    possible = possible && less[2 * i] + less[2 * i + 1] <= x.size(x.dim() - 1 - static_cast<int64_t>(i));
  }
  if (!possible) return cropped(apply(ConstantPad{more, value}, x), less).clone();
  Tensor kept = shrinks ? cropped(x, less) : x;
  return grows ? apply(ConstantPad{more, value}, kept) : kept.clone();
}

Tensor pad(const Tensor& x, IntArrayRef pad, std::string_view mode, std::optional<double> value) {
  if (mode == "constant") return constant_pad_nd(x, pad, value.value_or(0));
  FULMEN_CHECK(!value || *value == 0, "pad: Padding mode \"", mode, "\" doesn't take in value argument");
  FULMEN_CHECK(mode == "reflect" || mode == "replicate" || mode == "circular", "pad: Unrecognised padding mode ", mode);
  const auto dims = static_cast<int64_t>(pad.size() / 2);
  FULMEN_CHECK(pad.size() % 2 == 0 && dims >= 1 && dims <= 3 && (x.dim() == dims + 1 || x.dim() == dims + 2),
               "pad: Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: mode ", mode,
               " pads the last 1, 2 or 3 dimensions of an input with one or two more; got ", x, " and pad=", pad);
  check_pairs(x, pad);
  const char kind = mode == "reflect" ? 'r' : mode == "replicate" ? 'e' : 'c';
  Tensor y = x;
  for (int64_t i = 0; i < dims; ++i) {
    const int64_t d = x.dim() - 1 - i, size = x.size(d), before = pad[static_cast<size_t>(2 * i)],
                  after = pad[static_cast<size_t>(2 * i + 1)];
    if (before == 0 && after == 0) continue;
    FULMEN_CHECK(size > 0, "pad: Expected non-empty dimensions to pad, got ", x);
    if (kind == 'r') {
      FULMEN_CHECK(before < size && after < size, "pad: Padding size should be less than the corresponding input ",
                   "dimension, but got: padding (", before, ", ", after, ") at dimension ", d, " of input ", x.sizes());
    } else if (kind == 'c') {
      FULMEN_CHECK(before <= size && after <= size,
                   "pad: Padding value causes wrapping around more than once: ", "padding (", before, ", ", after,
                   ") at dimension ", d, " of input ", x.sizes());
    }
    y = padded_dimension(y, d, before, after, kind);
  }
  return y.is_same(x) ? x.clone() : y;
}

}  // namespace fulmen
