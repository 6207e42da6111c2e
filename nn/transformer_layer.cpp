#include <fulmen/autograd/ops/activation.h>
#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/unary.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>
#include <fulmen/nn/transformer_layer.h>

namespace fulmen::nn {

TransformerActivation::TransformerActivation(enumtype::kReLU)
    : function_([](const Tensor& x) { return fulmen::relu(x); }) {}
TransformerActivation::TransformerActivation(enumtype::kGELU)
    : function_([](const Tensor& x) { return fulmen::gelu(x); }) {}

namespace {

MultiheadAttention attention_of(const TransformerEncoderLayerOptions& o) {
  return MultiheadAttention(MultiheadAttentionOptions(o.d_model(), o.nhead())
                                .dropout(o.dropout())
                                .bias(o.bias())
                                .batch_first(o.batch_first()));
}
LayerNorm norm_of(const TransformerEncoderLayerOptions& o) {
  return LayerNorm(LayerNormOptions({o.d_model()}).eps(o.layer_norm_eps()).bias(o.bias()));
}
Linear widening(const TransformerEncoderLayerOptions& o) {
  return Linear(LinearOptions(o.d_model(), o.dim_feedforward()).bias(o.bias()));
}
Linear narrowing(const TransformerEncoderLayerOptions& o) {
  return Linear(LinearOptions(o.dim_feedforward(), o.d_model()).bias(o.bias()));
}

}  // namespace

TransformerEncoderLayerImpl::TransformerEncoderLayerImpl(TransformerEncoderLayerOptions options_)
    : options(std::move(options_)) {
  TransformerEncoderLayerImpl::reset();
}

void TransformerEncoderLayerImpl::reset() {
  self_attn = register_module("self_attn", attention_of(options));
  linear1 = register_module("linear1", widening(options));
  dropout = register_module("dropout", Dropout(options.dropout()));
  linear2 = register_module("linear2", narrowing(options));
  norm1 = register_module("norm1", norm_of(options));
  norm2 = register_module("norm2", norm_of(options));
  dropout1 = register_module("dropout1", Dropout(options.dropout()));
  dropout2 = register_module("dropout2", Dropout(options.dropout()));
}

void TransformerEncoderLayerImpl::reset_parameters() {
  self_attn->_reset_parameters();
  linear1->reset_parameters();
  linear2->reset_parameters();
  norm1->reset_parameters();
  norm2->reset_parameters();
}

void TransformerEncoderLayerImpl::pretty_print(std::ostream& stream) const {
  stream << printed_namespace() << "TransformerEncoderLayerImpl";
}

Tensor TransformerEncoderLayerImpl::attend(const Tensor& x, const Tensor& mask, const Tensor& padding) {
  return dropout1->forward(std::get<0>(self_attn->forward(x, x, x, padding, /*need_weights=*/false, mask)));
}
Tensor TransformerEncoderLayerImpl::feed_forward(const Tensor& x) {
  return dropout2->forward(linear2->forward(dropout->forward(options.activation()(linear1->forward(x)))));
}

Tensor TransformerEncoderLayerImpl::forward(const Tensor& src, const Tensor& src_mask,
                                            const Tensor& src_key_padding_mask) {
  if (options.norm_first()) {
    const Tensor x = src + attend(norm1->forward(src), src_mask, src_key_padding_mask);
    return x + feed_forward(norm2->forward(x));
  }
  const Tensor x = norm1->forward(src + attend(src, src_mask, src_key_padding_mask));
  return norm2->forward(x + feed_forward(x));
}

TransformerDecoderLayerImpl::TransformerDecoderLayerImpl(TransformerDecoderLayerOptions options_)
    : options(std::move(options_)) {
  TransformerDecoderLayerImpl::reset();
}

void TransformerDecoderLayerImpl::reset() {
  self_attn = register_module("self_attn", attention_of(options));
  multihead_attn = register_module("multihead_attn", attention_of(options));
  linear1 = register_module("linear1", widening(options));
  dropout = register_module("dropout", Dropout(options.dropout()));
  linear2 = register_module("linear2", narrowing(options));
  norm1 = register_module("norm1", norm_of(options));
  norm2 = register_module("norm2", norm_of(options));
  norm3 = register_module("norm3", norm_of(options));
  dropout1 = register_module("dropout1", Dropout(options.dropout()));
  dropout2 = register_module("dropout2", Dropout(options.dropout()));
  dropout3 = register_module("dropout3", Dropout(options.dropout()));
}

void TransformerDecoderLayerImpl::reset_parameters() {
  self_attn->_reset_parameters();
  multihead_attn->_reset_parameters();
  linear1->reset_parameters();
  linear2->reset_parameters();
  norm1->reset_parameters();
  norm2->reset_parameters();
  norm3->reset_parameters();
}

void TransformerDecoderLayerImpl::pretty_print(std::ostream& stream) const {
  stream << printed_namespace() << "TransformerDecoderLayerImpl";
}

Tensor TransformerDecoderLayerImpl::attend(const Tensor& x, const Tensor& mask, const Tensor& padding) {
  return dropout1->forward(std::get<0>(self_attn->forward(x, x, x, padding, /*need_weights=*/false, mask)));
}
Tensor TransformerDecoderLayerImpl::attend_memory(const Tensor& x, const Tensor& memory, const Tensor& mask,
                                                  const Tensor& padding) {
  return dropout2->forward(
      std::get<0>(multihead_attn->forward(x, memory, memory, padding, /*need_weights=*/false, mask)));
}
Tensor TransformerDecoderLayerImpl::feed_forward(const Tensor& x) {
  return dropout3->forward(linear2->forward(dropout->forward(options.activation()(linear1->forward(x)))));
}

Tensor TransformerDecoderLayerImpl::forward(Tensor tgt, const Tensor& memory, const Tensor& tgt_mask,
                                            const Tensor& memory_mask, const Tensor& tgt_key_padding_mask,
                                            const Tensor& memory_key_padding_mask) {
  Tensor x = std::move(tgt);
  if (options.norm_first()) {
    x = x + attend(norm1->forward(x), tgt_mask, tgt_key_padding_mask);
    x = x + attend_memory(norm2->forward(x), memory, memory_mask, memory_key_padding_mask);
    return x + feed_forward(norm3->forward(x));
  }
  x = norm1->forward(x + attend(x, tgt_mask, tgt_key_padding_mask));
  x = norm2->forward(x + attend_memory(x, memory, memory_mask, memory_key_padding_mask));
  return norm3->forward(x + feed_forward(x));
}

}  // namespace fulmen::nn
