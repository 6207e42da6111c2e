#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/attention.h>
#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/dropout.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/matmul.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/softmax.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/functional/attention.h>

#include <array>
#include <cmath>
#include <limits>

namespace fulmen::nn::functional {

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa) {
  return fulmen::scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa);
}

MultiheadAttentionForwardFuncOptions::MultiheadAttentionForwardFuncOptions(
    int64_t embed_dim_to_check, int64_t num_heads, Tensor in_proj_weight, Tensor in_proj_bias, Tensor bias_k,
    Tensor bias_v, bool add_zero_attn, double dropout_p, Tensor out_proj_weight, Tensor out_proj_bias)
    : embed_dim_to_check_(embed_dim_to_check),
      num_heads_(num_heads),
      in_proj_weight_(std::move(in_proj_weight)),
      in_proj_bias_(std::move(in_proj_bias)),
      bias_k_(std::move(bias_k)),
      bias_v_(std::move(bias_v)),
      add_zero_attn_(add_zero_attn),
      dropout_p_(dropout_p),
      out_proj_weight_(std::move(out_proj_weight)),
      out_proj_bias_(std::move(out_proj_bias)) {}

namespace {

using Options = MultiheadAttentionForwardFuncOptions;

Tensor part_of(const Tensor& bias, int64_t part, int64_t size) {
  return bias.defined() ? bias.narrow(0, part * size, size) : bias;
}

/// Query, key and value of the attention, [time, N, E] each.
std::array<Tensor, 3> project(const Tensor& query, const Tensor& key, const Tensor& value, const Options& o) {
  const int64_t size = query.size(-1);
  if (o.use_separate_proj_weight()) {
    FULMEN_CHECK(o.q_proj_weight().defined() && o.k_proj_weight().defined() && o.v_proj_weight().defined(),
                 "multi_head_attention_forward: use_separate_proj_weight needs q_, k_ and v_proj_weight");
    return {linear(query, o.q_proj_weight(), part_of(o.in_proj_bias(), 0, size)),
            linear(key, o.k_proj_weight(), part_of(o.in_proj_bias(), 1, size)),
            linear(value, o.v_proj_weight(), part_of(o.in_proj_bias(), 2, size))};
  }
  const Tensor& weight = o.in_proj_weight();
  FULMEN_CHECK(weight.defined(), "multi_head_attention_forward: in_proj_weight is undefined");
  if (key.is_same(value) && query.is_same(key)) {
    auto parts = linear(query, weight, o.in_proj_bias()).chunk(3, -1);
    return {parts[0], parts[1], parts[2]};
  }
  const Tensor q = linear(query, weight.narrow(0, 0, size), part_of(o.in_proj_bias(), 0, size));
  if (key.is_same(value)) {
    const Tensor bias = o.in_proj_bias().defined() ? o.in_proj_bias().narrow(0, size, 2 * size) : Tensor();
    auto parts = linear(key, weight.narrow(0, size, 2 * size), bias).chunk(2, -1);
    return {q, parts[0], parts[1]};
  }
  return {q, linear(key, weight.narrow(0, size, size), part_of(o.in_proj_bias(), 1, size)),
          linear(value, weight.narrow(0, 2 * size, size), part_of(o.in_proj_bias(), 2, size))};
}

/// [time, N, E] or [N * heads, time, features] as [N, heads, time, features].
Tensor by_head(const Tensor& x, int64_t batch, int64_t heads) {
  return x.reshape({x.size(0), batch, heads, x.size(-1) / heads}).permute({1, 2, 0, 3});
}

/// A mask [.., L, S] whose true entries hide keys, as one for `more` keys, which everybody sees.
Tensor with_more_keys(const Tensor& mask, int64_t more) {
  if (!mask.defined() || more == 0) return mask;
  std::vector<int64_t> sizes = mask.sizes().vec();
  sizes.back() = more;
  return cat({mask, zeros(sizes, mask.options())}, -1);
}

void check_mask(const char* name, const Tensor& mask, const std::vector<int64_t>& sizes) {
  FULMEN_CHECK(mask.scalar_type() == kBool || mask.scalar_type() == kByte || mask.is_floating_point(),
               "multi_head_attention_forward: ", name, " must be bool or floating point, but it is ", mask);
  FULMEN_CHECK(mask.sizes() == IntArrayRef(sizes), "multi_head_attention_forward: The shape of the ", name, " is ",
               mask.sizes(), ", but should be ", IntArrayRef(sizes));
}

/// Both masks as one that is broadcast to [N, heads, L, S]: bool, true where a key is hidden, or numbers to add.
Tensor joined_masks(const Options& o, int64_t batch, int64_t length, int64_t keys, ScalarType dtype) {
  Tensor padding = o.key_padding_mask(), mask = o.attn_mask();
  if (padding.defined()) {
    check_mask("key_padding_mask", padding, {batch, keys});
    if (padding.scalar_type() == kByte) padding = padding.to(kBool);
    padding = padding.view({batch, 1, 1, keys});
  }
  if (mask.defined()) {
    if (mask.scalar_type() == kByte) mask = mask.to(kBool);
    if (mask.dim() == 3) {
      check_mask("3D attn_mask", mask, {batch * o.num_heads(), length, keys});
      mask = mask.reshape({batch, o.num_heads(), length, keys});
    } else {
      check_mask("2D attn_mask", mask, {length, keys});
      mask = mask.view({1, 1, length, keys});
    }
  }
  if (!padding.defined() || !mask.defined()) return padding.defined() ? padding : mask;
  if (padding.scalar_type() == kBool && mask.scalar_type() == kBool) return padding.logical_or(mask);
  auto added = [&](const Tensor& m) {
    if (m.scalar_type() != kBool) return m.to(dtype);
    return zeros(m.sizes(), m.options().dtype(dtype)).masked_fill(m, -std::numeric_limits<double>::infinity());
  };
  return added(padding) + added(mask);
}

}  // namespace

std::tuple<Tensor, Tensor> multi_head_attention_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                        const Options& o) {
  if (query.dim() == 2) {
    FULMEN_CHECK(key.dim() == 2 && value.dim() == 2,
                 "multi_head_attention_forward: For unbatched (2-D) query, expected key and value to be 2-D but found ",
                 key, " and ", value);
    Options batched = o;
    if (o.key_padding_mask().defined()) batched.key_padding_mask(o.key_padding_mask().unsqueeze(0));
    const Tensor q = query.unsqueeze(1), k = key.is_same(query) ? q : key.unsqueeze(1);
    const Tensor v = value.is_same(key) ? k : value.unsqueeze(1);
    auto [y, weights] = multi_head_attention_forward(q, k, v, batched);
    return {y.squeeze(1), weights.defined() ? weights.squeeze(0) : weights};
  }
  FULMEN_CHECK(query.dim() == 3 && key.dim() == 3 && value.dim() == 3,
               "multi_head_attention_forward: query should be unbatched 2D or batched 3D tensor, as key and value: ",
               query, ", ", key, ", ", value);
  const int64_t length = query.size(0), batch = query.size(1), size = query.size(2), heads = o.num_heads();
  FULMEN_CHECK(size == o.embed_dim_to_check(), "multi_head_attention_forward: was expecting embedding dimension of ",
               o.embed_dim_to_check(), ", but got ", size);
  FULMEN_CHECK(heads > 0 && size % heads == 0, "multi_head_attention_forward: embed_dim ", size,
               " must be divisible by num_heads ", heads);
  auto [q, k, v] = project(query, key, value, o);
  int64_t more = 0;
  if (o.bias_k().defined() && o.bias_v().defined()) {
    k = cat({k, o.bias_k().expand({1, batch, size})});
    v = cat({v, o.bias_v().expand({1, batch, size})});
    ++more;
  }
  auto heads_of = [&](const Tensor& projected, const Tensor& fixed) {
    if (!fixed.defined()) return by_head(projected, batch, heads);
    return fixed.view({batch, heads, fixed.size(1), fixed.size(2)});
  };
  Tensor qh = by_head(q, batch, heads), kh = heads_of(k, o.static_k()), vh = heads_of(v, o.static_v());
  if (o.add_zero_attn()) {
    kh = cat({kh, zeros({batch, heads, 1, kh.size(3)}, kh.options())}, 2);
    vh = cat({vh, zeros({batch, heads, 1, vh.size(3)}, vh.options())}, 2);
    ++more;
  }
  const int64_t keys = kh.size(2);
  const Tensor mask = with_more_keys(joined_masks(o, batch, length, keys - more, q.scalar_type()), more);
  const double dropout_p = o.training() ? o.dropout_p() : 0;
  auto joined = [&](const Tensor& y) {
    return linear(y.permute({2, 0, 1, 3}).reshape({length, batch, size}), o.out_proj_weight(), o.out_proj_bias());
  };
  if (!o.need_weights()) {
    const bool hides = mask.defined() && mask.scalar_type() == kBool;
    return {joined(fulmen::scaled_dot_product_attention(qh, kh, vh, hides ? mask.logical_not() : mask, dropout_p)),
            Tensor()};
  }
  Tensor scores = matmul(qh.mul(1 / std::sqrt(static_cast<double>(size / heads))), kh.transpose(-2, -1));
  if (mask.defined()) {
    scores = mask.scalar_type() == kBool ? scores.masked_fill(mask, -std::numeric_limits<double>::infinity())
                                         : scores.add(mask.to(scores.scalar_type()));
  }
  const Tensor weights = dropout(softmax(scores, -1), dropout_p, true);
  const Tensor y = joined(matmul(weights, vh));
  return {y, o.average_attn_weights() ? weights.mean(IntArrayRef({1})) : weights};
}

}  // namespace fulmen::nn::functional
