#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/rotary.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/rotary.h>

namespace fulmen {

using namespace autograd;

namespace {

/// The view of the first of each pair along the last dimension, and how far on the second one lies.
template <class V>
int64_t show_first(V& v, bool interleaved) {
  const int last = v.ndim - 1;
  const int64_t step = v.strides[last], pairs = v.sizes[last] / 2;
  v.sizes[last] = pairs;
  v.numel /= 2;
  if (!interleaved) return pairs * step;
  v.strides[last] = 2 * step;
  return step;
}

// y = (a cos - b sin, a sin + b cos) for each pair (a, b) of x
struct Rotate {
  static constexpr auto name = "rotary_embedding";
  bool interleaved, backwards = false;
  bool keeps_x = false;  ///< saved only where an angle wants its gradient
  Output forward(Forward& f, const Input& x, const Input& cos, const Input& sin) {
    Output y = f.empty_like(x);
    View to = f.out(y);
    ConstView from = f.in(x);
    const int64_t y_apart = show_first(to, interleaved), x_apart = show_first(from, interleaved);
    kernel::rotate_pairs(f.launch(x), to, from, f.in(cos), f.in(sin), y_apart, x_apart, backwards);
    keeps_x = cos.requires_grad() || sin.requires_grad();
    f.save(cos, sin);
    if (keeps_x) f.save(x);
    return y;
  }
  // gx = gy rotated back; gcos = ga a + gb b, gsin = gb a - ga b (negated if `backwards`)
  Grads<3> backward(const Saved& s, const Tensor& gy) const {
    Grads<3> g;
    if (s.needs(0)) g[0] = apply(Rotate{interleaved, !backwards}, gy, s[0], s[1]);
    if (!keeps_x) return g;
    const Tensor x = s[2].to(s[0].scalar_type()), wide = gy.to(s[0].scalar_type());
    const Tensor a = half(x, 0), b = half(x, 1), ga = half(wide, 0), gb = half(wide, 1);
    if (s.needs(1)) g[1] = ga * a + gb * b;
    if (s.needs(2)) g[2] = backwards ? ga * b - gb * a : gb * a - ga * b;
    return g;
  }

 private:
  Tensor half(const Tensor& x, int64_t which) const {
    const int64_t pairs = x.size(-1) / 2;
    return interleaved ? x.slice(-1, which, 2 * pairs, 2) : x.narrow(-1, which * pairs, pairs);
  }
};

}  // namespace

std::tuple<Tensor, Tensor> rotary_angles(const Tensor& positions, int64_t dim, double base) {
  FULMEN_CHECK(dim > 0 && dim % 2 == 0, "rotary_angles: dim must be even and positive, but it is ", dim);
  FULMEN_CHECK(base > 0, "rotary_angles: base must be positive, but it is ", base);
  const auto options = TensorOptions(kFloat).device(positions.device());
  const Tensor exponents = arange(0, dim, 2, options).div(static_cast<double>(dim));
  const Tensor frequencies = full({}, base, options).pow(exponents).reciprocal();
  const Tensor angles = positions.to(kFloat).unsqueeze(-1).mul(frequencies);
  return {angles.cos(), angles.sin()};
}

Tensor rotary_embedding(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved) {
  FULMEN_CHECK(x.is_floating_point() && x.dim() > 0, "rotary_embedding: x must be floating point [..., features], got ",
               x);
  FULMEN_CHECK(cos.sizes() == sin.sizes() && cos.dim() > 0,
               "rotary_embedding: cos and sin must have the same sizes "
               "[..., pairs], got ",
               cos, " and ", sin);
  const int64_t features = x.size(-1), rotated = 2 * cos.size(-1);
  FULMEN_CHECK(rotated <= features, "rotary_embedding: ", cos.size(-1), " pairs need ", rotated,
               " features, but x has ", features, ": ", x);
  bool fits = cos.dim() <= x.dim();
  for (int64_t d = 2; fits && d <= cos.dim(); ++d) fits = cos.size(-d) == 1 || cos.size(-d) == x.size(-d);
  FULMEN_CHECK(fits, "rotary_embedding: cos ", cos, " does not broadcast to ", x,
               "; for [batch, time, heads, features] it is [time, 1, pairs]");
  const ScalarType wide = x.scalar_type() == kDouble ? kDouble : kFloat;
  const Tensor c = cos.to(wide), s = sin.to(wide);
  if (rotated == features) return apply(Rotate{interleaved}, x, c, s);
  if (rotated == 0) return x;
  return cat({apply(Rotate{interleaved}, x.narrow(-1, 0, rotated), c, s), x.narrow(-1, rotated, features - rotated)},
             -1);
}

}  // namespace fulmen
