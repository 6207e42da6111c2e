#pragma once
#include <fulmen/nn/functional/attention.h>
#include <fulmen/nn/linear.h>

namespace fulmen::nn {

struct MultiheadAttentionOptions {
  MultiheadAttentionOptions(int64_t embed_dim, int64_t num_heads)
      : embed_dim_(embed_dim), num_heads_(num_heads), kdim_(embed_dim), vdim_(embed_dim) {}
  FULMEN_ARG(int64_t, embed_dim);
  /// Divides embed_dim; each head has embed_dim / num_heads features.
  FULMEN_ARG(int64_t, num_heads);
  /// Of the attention weights.
  FULMEN_ARG(double, dropout) = 0;
  FULMEN_ARG(bool, bias) = true;
  /// Appends a learned key and value.
  FULMEN_ARG(bool, add_bias_kv) = false;
  /// Appends a key and a value of zeros.
  FULMEN_ARG(bool, add_zero_attn) = false;
  /// Features of key and value.
  FULMEN_ARG(int64_t, kdim);
  FULMEN_ARG(int64_t, vdim);
  /// [N, L, E] instead of [L, N, E].
  FULMEN_ARG(bool, batch_first) = false;
};

/// Attention by several heads, each on its own projection (Vaswani et al. 2017, "Attention Is All You Need").
class MultiheadAttentionImpl : public Cloneable<MultiheadAttentionImpl> {
 public:
  MultiheadAttentionImpl(int64_t embed_dim, int64_t num_heads)
      : MultiheadAttentionImpl(MultiheadAttentionOptions(embed_dim, num_heads)) {}
  explicit MultiheadAttentionImpl(const MultiheadAttentionOptions& options_);
  void reset() override;
  void _reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  /// As functional::multi_head_attention_forward. Without need_weights nothing of size L x S is in memory.
  std::tuple<Tensor, Tensor> forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const Tensor& key_padding_mask = {}, bool need_weights = true,
                                     const Tensor& attn_mask = {}, bool average_attn_weights = true);

 protected:
  FULMEN_FORWARD_HAS_DEFAULT_ARGS({3, AnyValue(Tensor())}, {4, AnyValue(true)}, {5, AnyValue(Tensor())},
                                  {6, AnyValue(true)})

 public:
  MultiheadAttentionOptions options;
  bool _qkv_same_embed_dim = true;
  Tensor in_proj_weight;  ///< [3 E, E]; undefined if kdim or vdim differ from E
  Tensor in_proj_bias;    ///< [3 E]
  Linear out_proj = nullptr;
  Tensor bias_k, bias_v;  ///< [1, 1, E] with add_bias_kv
  int64_t head_dim = 0;
  Tensor q_proj_weight, k_proj_weight, v_proj_weight;  ///< [E, E], [E, kdim], [E, vdim] if these differ
};
FULMEN_MODULE(MultiheadAttention);

}  // namespace fulmen::nn
