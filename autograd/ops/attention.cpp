#include <fulmen/autograd/autocast.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/attention.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/dropout.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/patterns.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/softmax.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/kernels/attention.h>
#include <fulmen/kernels/random.h>

#include <cmath>
#include <limits>

namespace fulmen {

using namespace autograd;

namespace {

// --- the same with the matrix of probabilities: for derivatives of derivatives, and for what the kernels do not do

Tensor turned(const Tensor& x) { return x.transpose(-2, -1); }

/// Key heads [B, G, ...] repeated for the query heads that share them, and the sum over those.
Tensor repeat_heads(const Tensor& x, int64_t group) {
  if (group == 1) return x;
  const int64_t b = x.size(0), g = x.size(1), rows = x.size(2), cols = x.size(3);
  return x.unsqueeze(2).expand({b, g, group, rows, cols}).reshape({b, g * group, rows, cols});
}
Tensor sum_heads(const Tensor& x, int64_t group) {
  if (group == 1) return x;
  return x.reshape({x.size(0), x.size(1) / group, group, x.size(2), x.size(3)}).sum(IntArrayRef({2}));
}

/// softmax(scale q k^T + mask); rows without a key are zeros.
Tensor probabilities(const Tensor& q, const Tensor& k, const Tensor& mask, const AttentionSettings& settings) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tensor scores = matmul(q, turned(k)).mul(settings.scale);
  if (settings.causal) {
    const Tensor later = triu(ones({q.size(2), k.size(2)}, TensorOptions(kByte).device(q.device())), 1).to(kBool);
    return softmax(scores.masked_fill(later, -infinity), -1);
  }
  if (!mask.defined()) return softmax(scores, -1);
  if (mask.scalar_type() == kBool) {
    scores = scores.masked_fill(mask.logical_not(), -infinity);
  } else {
    scores = scores + mask;
  }
  const Tensor none = all(scores.detach().eq(-infinity), -1, true);
  return softmax(scores.masked_fill(none, 0), -1).masked_fill(none, 0);
}

Tensor composed(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                const AttentionSettings& settings) {
  const int64_t group = q.size(1) / k.size(1);
  Tensor p = probabilities(q, repeat_heads(k, group), mask, settings);
  if (settings.dropout > 0) p = dropout(p, settings.dropout, true);
  return matmul(p, repeat_heads(v, group));
}

/// What the kernels' dropout multiplied the probabilities with.
struct AttentionNoise {
  static constexpr auto name = "attention_noise";
  static constexpr bool differentiable = false;
  AttentionSettings settings;
  int64_t keys;
  Output forward(Forward& f, const Input& q) const {
    Output z = f.empty({q.size(0), q.size(1), q.size(2), keys}, kFloat, q.device());
    RandomStream stream{};
    stream.philox = settings.philox;
    kernel::random_uniform(f.launch(z), f.out(z), 0, 1, stream);
    Output noise = f.empty_like(z, q.scalar_type());
    noise.copy_(z.ge(settings.dropout).to(q.scalar_type()).mul(1 / (1 - settings.dropout)));
    return noise;
  }
};

// --- the kernels

/// The CPU's kernels compute in float32 or float64.
bool needs_wider(const Tensor& x) { return !x.is_cuda() && (x.scalar_type() == kHalf || x.scalar_type() == kBFloat16); }
/// Features next to each other, in a type that the kernels compute in.
Tensor for_kernel(const Tensor& x) {
  const Tensor y = x.scalar_type() != kBool && needs_wider(x) ? x.to(kFloat) : x;
  return y.stride(-1) == 1 || y.size(-1) == 1 ? y : y.contiguous();
}
Tensor wide_mask_of(const Tensor& mask) { return mask.defined() && needs_wider(mask) ? mask.to(kFloat) : mask; }
/// [batch, heads, time, features] whose memory is that of [batch, time, heads, features]: heads are joined without a
/// copy.
Output heads_inside(Forward& f, const Tensor& x, int64_t features) {
  const int64_t b = x.size(0), h = x.size(1), t = x.size(2), d = features;
  Output memory = f.empty({b, t, h, d}, x.scalar_type(), x.device());
  return f.view(memory, {b, h, t, d}, {t * h * d, d, h * d, 1}, memory.storage_offset());
}
ConstView mask_view(Forward& f, const Tensor& mask) {
  if (mask.defined()) return f.in(mask);
  ConstView v;
  v.data = nullptr;
  return v;
}

struct AttentionBackward {
  static constexpr auto name = "scaled_dot_product_attention_backward";
  AttentionSettings settings;
  // gv = p^T gy, gq = scale ds k, gk = scale ds^T q with ds = p (dp - sum(p dp)), dp = gy v^T
  std::array<Output, 3> forward(Forward& f, const Input& q, const Input& k, const Input& v, const Input& mask,
                                const Input& y, const Input& lse, const Input& gy) const {
    std::array<Output, 3> g = {heads_inside(f, q, q.size(3)), heads_inside(f, k, k.size(3)),
                               heads_inside(f, v, v.size(3))};
    const Tensor wide_q = for_kernel(q), wide_k = for_kernel(k), wide_v = for_kernel(v), wide_y = for_kernel(y),
                 wide_gy = for_kernel(gy), wide_mask = wide_mask_of(mask);
    Tensor out[3];
    for (size_t i = 0; i < 3; ++i) out[i] = needs_wider(q) ? empty(g[i].sizes(), wide_q.options()) : Tensor(g[i]);
    kernel::attention_backward(f.launch(q), f.out(out[0]), f.out(out[1]), f.out(out[2]), f.in(wide_q), f.in(wide_k),
                               f.in(wide_v), mask_view(f, wide_mask), f.in(wide_y), f.in(lse), f.in(wide_gy), settings);
    for (size_t i = 0; i < 3 && needs_wider(q); ++i) g[i].copy_(out[i]);
    f.save(q, k, v, mask, gy);
    return g;
  }
  // With a, b, c for gq, gk, gv: the derivative of scale sum(ds m) + sum(p n), m = a k^T + q b^T, n = gy c^T
  Grads<7> backward(const Saved& s, ConstTensorSpan g) const {
    const Tensor q = s[0], mask = s[3], gy = s[4];
    const int64_t group = q.size(1) / s[1].size(1);
    auto given = [&](const Tensor& t, const Tensor& like) { return t.defined() ? t : zeros_like(like); };
    const Tensor k = repeat_heads(s[1], group), v = repeat_heads(s[2], group), a = given(g[0], q);
    const Tensor b = repeat_heads(given(g[1], s[1]), group), c = repeat_heads(given(g[2], s[2]), group);
    Tensor z;
    if (settings.dropout > 0) z = apply(AttentionNoise{settings, k.size(2)}, q);
    auto noisy = [&](const Tensor& t) { return z.defined() ? t * z : t; };
    auto over_keys = [](const Tensor& t) { return t.sum(IntArrayRef({-1}), true); };
    const Tensor p = probabilities(q, k, mask, settings), dp = noisy(matmul(gy, turned(v))), r = over_keys(p * dp);
    const Tensor ds = p * (dp - r), m = matmul(a, turned(k)) + matmul(q, turned(b)), u = over_keys(p * m);
    const Tensor n = noisy(matmul(gy, turned(c)));
    const Tensor to_dp = noisy(p * (m - u) * settings.scale);
    const Tensor to_p = (dp * (m - u) - m * r) * settings.scale + n;
    const Tensor to_s = p * (to_p - over_keys(p * to_p));
    return {(matmul(to_s, k) + matmul(ds, b)) * settings.scale,
            sum_heads(matmul(turned(to_s), q) + matmul(turned(ds), a), group) * settings.scale,
            sum_heads(matmul(turned(to_dp), gy), group),
            Tensor(),
            Tensor(),
            Tensor(),
            matmul(to_dp, v) + matmul(noisy(p), c)};
  }
};

// y = softmax(scale q k^T + mask) v, heads [B, H, L, E], [B, G, S, E], [B, G, S, D]; lse of the scores
struct Attention {
  static constexpr auto name = "scaled_dot_product_attention";
  AttentionSettings settings;
  std::array<Output, 2> forward(Forward& f, const Input& q, const Input& k, const Input& v, const Input& mask) const {
    Output y = heads_inside(f, q, v.size(3));
    Output lse = f.empty({q.size(0), q.size(1), q.size(2)}, q.scalar_type() == kDouble ? kDouble : kFloat, q.device());
    const Tensor wide_q = for_kernel(q), wide_k = for_kernel(k), wide_v = for_kernel(v), wide_mask = wide_mask_of(mask);
    const Tensor out = needs_wider(q) ? empty(y.sizes(), wide_q.options()) : Tensor(y);
    kernel::attention(f.launch(q), f.out(out), f.out(lse), f.in(wide_q), f.in(wide_k), f.in(wide_v),
                      mask_view(f, wide_mask), settings);
    if (needs_wider(q)) y.copy_(out);
    f.save(q, k, v, mask, y, lse);
    f.mark_non_differentiable(lse);
    return {std::move(y), std::move(lse)};
  }
  Grads<4> backward(const Saved& s, ConstTensorSpan gy) const {
    if (!gy[0].defined()) return {};
    auto g = apply(AttentionBackward{settings}, s[0], s[1], s[2], s[3], s[4], s[5], gy[0]);
    return {g[0], g[1], g[2], Tensor()};
  }
};

/// More features would not fit into shared memory.
bool fits_kernel(const Tensor& q, const Tensor& v) {
  const int64_t most = q.scalar_type() == kDouble ? 128 : 256;
  return !q.is_cuda() || (q.size(-1) <= most && v.size(-1) <= most);
}

// --- checks, and from any number of dimensions to four

using Sizes = std::vector<int64_t>;

void check_operands(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  constexpr const char* op = "scaled_dot_product_attention";
  FULMEN_CHECK(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2, op,
               ": Expected query, key, and value to all be  at least 2 dimensional, but got ", q, ", ", k, ", ", v);
  FULMEN_CHECK(q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type(), op,
               ": Expected query, key, and value to have the same dtype, but got ", q, ", ", k, ", ", v);
  FULMEN_CHECK(q.device() == k.device() && q.device() == v.device(), op,
               ": Expected query, key, and value to have the same device type, but got ", q, ", ", k, ", ", v);
  FULMEN_CHECK(q.is_floating_point(), op, ": query, key and value must be floating point, got ", q);
  FULMEN_CHECK(q.size(-1) == k.size(-1), op, ": query and key must have as many features: ", q, " and ", k);
  FULMEN_CHECK(k.size(-2) == v.size(-2), op, ": there must be a value for every key: ", k, " and ", v);
  FULMEN_CHECK(!mask.defined() || mask.scalar_type() == kBool || mask.is_floating_point(), op,
               ": Expected attn_mask dtype to be bool or float or to match query dtype, but got ", mask);
}

/// The sizes of the leading dimensions that all three have after broadcasting; with `gqa` those before the heads.
Sizes common_leading(const Tensor& q, const Tensor& k, const Tensor& v, int64_t kept) {
  Sizes sizes;
  for (const Tensor* t : {&q, &k, &v}) {
    const auto own = static_cast<int64_t>(t->dim()) - kept;
    while (static_cast<int64_t>(sizes.size()) < own) sizes.insert(sizes.begin(), 1);
    for (int64_t d = 0; d < own; ++d) {
      int64_t& size = sizes[sizes.size() - static_cast<size_t>(own - d)];
      if (size == 1) size = t->size(d);
      FULMEN_CHECK(t->size(d) == size || t->size(d) == 1,
                   "scaled_dot_product_attention: leading dimensions do not broadcast: ", q, ", ", k, ", ", v);
    }
  }
  return sizes;
}

/// [..., heads, rows, cols] with these leading sizes, as [batch, heads, rows, cols].
Tensor four_dims(const Tensor& x, const Sizes& leading, int64_t kept) {
  Sizes sizes = leading;
  for (int64_t d = -kept; d < 0; ++d) sizes.push_back(x.size(d));
  const Tensor y = x.sizes() == IntArrayRef(sizes) ? x : x.expand(IntArrayRef(sizes));
  const auto n = static_cast<int64_t>(sizes.size());
  if (n == 4) return y;
  if (n == 3) return y.unsqueeze(0);
  if (n == 2) return y.unsqueeze(0).unsqueeze(0);
  return y.flatten(0, n - 4);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa) {
  constexpr const char* op = "scaled_dot_product_attention";
  if (autocast::applies(autocast::products, query)) {
    return autocast::recast(autocast::products, scaled_dot_product_attention, query, key, value, attn_mask, dropout_p,
                            is_causal, scale, enable_gqa);
  }
  check_operands(query, key, value, attn_mask);
  FULMEN_CHECK(!is_causal || !attn_mask.defined(), op,
               ": Explicit attn_mask should not be set when is_causal=True; add the causal mask to it");
  FULMEN_CHECK(dropout_p >= 0 && dropout_p <= 1, op, ": dropout_p must be between 0 and 1, but it is ", dropout_p);
  const bool shared = enable_gqa && query.dim() >= 3 && key.dim() >= 3 && value.dim() >= 3;
  FULMEN_CHECK(!shared || (key.size(-3) == value.size(-3) && key.size(-3) > 0 && query.size(-3) % key.size(-3) == 0),
               op, ": the heads of the query must be a multiple of those of key and value: ", query, ", ", key, ", ",
               value);
  const int64_t kept = shared ? 3 : 2;
  const Sizes leading = common_leading(query, key, value, kept);
  const Tensor q = four_dims(query, leading, kept), k = four_dims(key, leading, kept);
  const Tensor v = four_dims(value, leading, kept);
  Sizes sizes = leading;
  if (shared) sizes.push_back(query.size(-3));
  sizes.push_back(query.size(-2));
  sizes.push_back(key.size(-2));
  Tensor mask;
  if (attn_mask.defined()) {
    mask = attn_mask.scalar_type() == kBool ? attn_mask : attn_mask.to(query.scalar_type());
    mask = four_dims(mask.expand(IntArrayRef(sizes)), Sizes(sizes.begin(), sizes.end() - 2), 2);
  }
  AttentionSettings settings;
  settings.scale = scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
  settings.causal = is_causal;
  settings.dropout = dropout_p;
  const bool whole = mask.defined() && mask.requires_grad();
  Tensor y;
  if (whole || !fits_kernel(q, v) || (dropout_p > 0 && (!q.is_cuda() || dropout_p == 1))) {
    y = composed(q, k, v, mask, settings);
  } else {
    if (dropout_p > 0) settings.philox = default_generator(q.device())->stream().philox;
    y = apply(Attention{settings}, q, k, v, mask)[0];
  }
  sizes.back() = value.size(-1);
  return y.dim() == static_cast<int64_t>(sizes.size()) ? y : y.reshape(IntArrayRef(sizes));
}

}  // namespace fulmen
