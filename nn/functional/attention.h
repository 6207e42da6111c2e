#pragma once
#include <fulmen/nn/options.h>
#include <fulmen/tensor/tensor.h>

#include <optional>
#include <tuple>

namespace fulmen::nn::functional {

/// softmax(scale q k^T + attn_mask) v; see autograd/ops/attention.h.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask = {}, double dropout_p = 0, bool is_causal = false,
                                    std::optional<double> scale = std::nullopt, bool enable_gqa = false);

/// The weights and switches of multi_head_attention_forward; nn::MultiheadAttention says what they mean.
struct MultiheadAttentionForwardFuncOptions {
  MultiheadAttentionForwardFuncOptions(int64_t embed_dim_to_check, int64_t num_heads, Tensor in_proj_weight,
                                       Tensor in_proj_bias, Tensor bias_k, Tensor bias_v, bool add_zero_attn,
                                       double dropout_p, Tensor out_proj_weight, Tensor out_proj_bias);
  FULMEN_ARG(int64_t, embed_dim_to_check);
  FULMEN_ARG(int64_t, num_heads);
  FULMEN_ARG(Tensor, in_proj_weight);
  FULMEN_ARG(Tensor, in_proj_bias);
  FULMEN_ARG(Tensor, bias_k);
  FULMEN_ARG(Tensor, bias_v);
  FULMEN_ARG(bool, add_zero_attn);
  FULMEN_ARG(double, dropout_p);
  FULMEN_ARG(Tensor, out_proj_weight);
  FULMEN_ARG(Tensor, out_proj_bias);
  FULMEN_ARG(bool, training) = true;
  FULMEN_ARG(Tensor, key_padding_mask) = {};
  FULMEN_ARG(bool, need_weights) = true;
  FULMEN_ARG(Tensor, attn_mask) = {};
  FULMEN_ARG(bool, use_separate_proj_weight) = false;
  FULMEN_ARG(Tensor, q_proj_weight) = {};
  FULMEN_ARG(Tensor, k_proj_weight) = {};
  FULMEN_ARG(Tensor, v_proj_weight) = {};
  /// Keys and values [batch * heads, source, features] that take the place of the projected ones.
  FULMEN_ARG(Tensor, static_k) = {};
  FULMEN_ARG(Tensor, static_v) = {};
  FULMEN_ARG(bool, average_attn_weights) = true;
};

/// query [L, N, E], key [S, N, kdim], value [S, N, vdim], or all without N. Returns the output [L, N, E], and the
/// weights [N, L, S] (averaged over heads) or [N, heads, L, S]; an undefined tensor without need_weights. In the masks,
/// true (or minus infinity) hides a key: key_padding_mask [N, S], attn_mask [L, S] or [N * heads, L, S].
std::tuple<Tensor, Tensor> multi_head_attention_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                        const MultiheadAttentionForwardFuncOptions& options);

}  // namespace fulmen::nn::functional
