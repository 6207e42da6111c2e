#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/nn/attention.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

MultiheadAttentionImpl::MultiheadAttentionImpl(const MultiheadAttentionOptions& options_) : options(options_) {
  MultiheadAttentionImpl::reset();
}

void MultiheadAttentionImpl::reset() {
  const int64_t size = options.embed_dim();
  _qkv_same_embed_dim = options.kdim() == size && options.vdim() == size;
  FULMEN_CHECK(options.num_heads() > 0 && size > 0 && size % options.num_heads() == 0,
               "MultiheadAttention: embed_dim must be divisible by num_heads, got ", size, " and ",
               options.num_heads());
  head_dim = size / options.num_heads();
  auto parameter = [&](const char* name, bool wanted, IntArrayRef sizes) {
    return register_parameter(name, wanted ? empty(sizes) : Tensor(), wanted);
  };
  in_proj_weight = parameter("in_proj_weight", _qkv_same_embed_dim, {3 * size, size});
  q_proj_weight = parameter("q_proj_weight", !_qkv_same_embed_dim, {size, size});
  k_proj_weight = parameter("k_proj_weight", !_qkv_same_embed_dim, {size, options.kdim()});
  v_proj_weight = parameter("v_proj_weight", !_qkv_same_embed_dim, {size, options.vdim()});
  in_proj_bias = parameter("in_proj_bias", options.bias(), {3 * size});
  out_proj = register_module("out_proj", Linear(LinearOptions(size, size).bias(options.bias())));
  bias_k = parameter("bias_k", options.add_bias_kv(), {1, 1, size});
  bias_v = parameter("bias_v", options.add_bias_kv(), {1, 1, size});
  _reset_parameters();
}

void MultiheadAttentionImpl::_reset_parameters() {
  for (const Tensor& weight : {in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight}) {
    if (weight.defined()) init::xavier_uniform_(weight);
  }
  if (in_proj_bias.defined()) {
    init::zeros_(in_proj_bias);
    init::zeros_(out_proj->bias);
  }
  if (bias_k.defined()) init::xavier_normal_(bias_k);
  if (bias_v.defined()) init::xavier_normal_(bias_v);
}

void MultiheadAttentionImpl::pretty_print(std::ostream& stream) const {
  stream << printed_namespace() << "MultiheadAttention";
}

std::tuple<Tensor, Tensor> MultiheadAttentionImpl::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                           const Tensor& key_padding_mask, bool need_weights,
                                                           const Tensor& attn_mask, bool average_attn_weights) {
  functional::MultiheadAttentionForwardFuncOptions o(options.embed_dim(), options.num_heads(), in_proj_weight,
                                                     in_proj_bias, bias_k, bias_v, options.add_zero_attn(),
                                                     options.dropout(), out_proj->weight, out_proj->bias);
  o.training(is_training()).key_padding_mask(key_padding_mask).need_weights(need_weights).attn_mask(attn_mask);
  o.average_attn_weights(average_attn_weights);
  if (!_qkv_same_embed_dim) {
    o.use_separate_proj_weight(true);
    o.q_proj_weight(q_proj_weight).k_proj_weight(k_proj_weight).v_proj_weight(v_proj_weight);
  }
  if (!options.batch_first() || query.dim() != 3) {
    return functional::multi_head_attention_forward(query, key, value, o);
  }
  const Tensor q = query.transpose(0, 1), k = key.is_same(query) ? q : key.transpose(0, 1);
  const Tensor v = value.is_same(key) ? k : value.is_same(query) ? q : value.transpose(0, 1);
  auto [y, weights] = functional::multi_head_attention_forward(q, k, v, o);
  return {y.transpose(0, 1), weights};
}

}  // namespace fulmen::nn
