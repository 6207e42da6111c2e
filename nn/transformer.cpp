#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/patterns.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/print.h>
#include <fulmen/nn/transformer.h>
#include <fulmen/tensor/generator.h>

#include <limits>

namespace fulmen::nn {

namespace {

/// Copies of `layer`, which all begin with its values. A copy draws initial values first; as in PyTorch, the stream of
/// random numbers goes on as if it did not.
template <class Layer>
ModuleList copies_of(const Layer& layer, int64_t count) {
  const std::vector<uint64_t> random = default_generator()->state();
  ModuleList layers;
  for (int64_t i = 0; i < count; ++i) layers->push_back(layer->clone());
  default_generator()->set_state(random);
  return layers;
}

}  // namespace

TransformerEncoderImpl::TransformerEncoderImpl(TransformerEncoderOptions options_) : options(std::move(options_)) {
  TransformerEncoderImpl::reset();
}

void TransformerEncoderImpl::reset() {
  FULMEN_CHECK(options.num_layers() > 0, "TransformerEncoder: num_layers must be positive, but it is ",
               options.num_layers());
  layers = register_module("layers", copies_of(options.encoder_layer(), options.num_layers()));
  if (options.norm().is_empty()) return;
  norm = options.norm().clone();
  register_module("norm", norm.ptr());
}

void TransformerEncoderImpl::reset_parameters() {
  for (size_t i = 0; i < layers->size(); ++i) layers->at<TransformerEncoderLayerImpl>(i).reset_parameters();
}

void TransformerEncoderImpl::pretty_print(std::ostream& stream) const {
  stream << printed_namespace() << "TransformerEncoderImpl";
}

Tensor TransformerEncoderImpl::forward(const Tensor& src, const Tensor& src_mask, const Tensor& src_key_padding_mask) {
  Tensor x = src;
  for (size_t i = 0; i < layers->size(); ++i) {
    x = layers->at<TransformerEncoderLayerImpl>(i).forward(x, src_mask, src_key_padding_mask);
  }
  return norm.is_empty() ? x : norm.forward<Tensor>(x);
}

TransformerDecoderImpl::TransformerDecoderImpl(TransformerDecoderOptions options_) : options(std::move(options_)) {
  TransformerDecoderImpl::reset();
}

void TransformerDecoderImpl::reset() {
  FULMEN_CHECK(options.num_layers() > 0, "TransformerDecoder: num_layers must be positive, but it is ",
               options.num_layers());
  layers = register_module("layers", copies_of(options.decoder_layer(), options.num_layers()));
  if (options.norm().is_empty()) return;
  norm = options.norm().clone();
  register_module("norm", norm.ptr());
}

void TransformerDecoderImpl::reset_parameters() {
  for (size_t i = 0; i < layers->size(); ++i) layers->at<TransformerDecoderLayerImpl>(i).reset_parameters();
}

void TransformerDecoderImpl::pretty_print(std::ostream& stream) const {
  stream << printed_namespace() << "TransformerDecoderImpl";
}

Tensor TransformerDecoderImpl::forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask,
                                       const Tensor& memory_mask, const Tensor& tgt_key_padding_mask,
                                       const Tensor& memory_key_padding_mask) {
  Tensor x = tgt;
  for (size_t i = 0; i < layers->size(); ++i) {
    x = layers->at<TransformerDecoderLayerImpl>(i).forward(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask,
                                                           memory_key_padding_mask);
  }
  return norm.is_empty() ? x : norm.forward<Tensor>(x);
}

TransformerImpl::TransformerImpl(TransformerOptions options_) : options(std::move(options_)) {
  TransformerImpl::reset();
}

void TransformerImpl::reset() {
  TransformerEncoderLayerOptions layer(options.d_model(), options.nhead());
  layer.dim_feedforward(options.dim_feedforward()).dropout(options.dropout()).activation(options.activation());
  layer.layer_norm_eps(options.layer_norm_eps()).batch_first(options.batch_first()).norm_first(options.norm_first());
  layer.bias(options.bias());
  auto norm = [&] {
    return AnyModule(
        LayerNorm(LayerNormOptions({options.d_model()}).eps(options.layer_norm_eps()).bias(options.bias())));
  };
  encoder =
      options.custom_encoder().is_empty()
          ? AnyModule(TransformerEncoder(TransformerEncoderOptions(layer, options.num_encoder_layers()).norm(norm())))
          : options.custom_encoder().clone();
  register_module("encoder", encoder.ptr());
  decoder =
      options.custom_decoder().is_empty()
          ? AnyModule(TransformerDecoder(
                TransformerDecoderOptions(TransformerDecoderLayer(layer), options.num_decoder_layers()).norm(norm())))
          : options.custom_decoder().clone();
  register_module("decoder", decoder.ptr());
  reset_parameters();
}

void TransformerImpl::reset_parameters() {
  for (const Tensor& parameter : parameters()) {
    if (parameter.dim() > 1) init::xavier_uniform_(parameter);
  }
}

void TransformerImpl::pretty_print(std::ostream& stream) const { stream << printed_namespace() << "TransformerImpl"; }

Tensor TransformerImpl::forward(const Tensor& src, const Tensor& tgt, const Tensor& src_mask, const Tensor& tgt_mask,
                                const Tensor& memory_mask, const Tensor& src_key_padding_mask,
                                const Tensor& tgt_key_padding_mask, const Tensor& memory_key_padding_mask) {
  FULMEN_CHECK(src.dim() == tgt.dim() && (src.dim() == 2 || src.dim() == 3),
               "Transformer: src and tgt should have 2 dimensions, or 3 with a batch: ", src, ", ", tgt);
  const int64_t batch = options.batch_first() ? 0 : 1;
  FULMEN_CHECK(src.dim() == 2 || src.size(batch) == tgt.size(batch),
               "Transformer: src and tgt should have equal batch size (at dim ", batch, "): ", src, ", ", tgt);
  FULMEN_CHECK(src.size(-1) == options.d_model() && tgt.size(-1) == options.d_model(),
               "Transformer: src and tgt should have same feature size as d_model (at the last dim), ",
               options.d_model(), ": ", src, ", ", tgt);
  const Tensor memory = encoder.forward<Tensor>(src, src_mask, src_key_padding_mask);
  return decoder.forward<Tensor>(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask);
}

Tensor TransformerImpl::generate_square_subsequent_mask(int64_t size) {
  FULMEN_CHECK(size > 0, "input mask size should be greater than 0, but it is ", size);
  return triu(full({size, size}, -std::numeric_limits<double>::infinity()), 1);
}

}  // namespace fulmen::nn
