#pragma once
#include <fulmen/nn/module_list.h>
#include <fulmen/nn/transformer_layer.h>

namespace fulmen::nn {

/// `encoder_layer` is copied for each of the layers; `norm`, if there is one, comes last.
struct TransformerEncoderOptions {
  TransformerEncoderOptions(TransformerEncoderLayer encoder_layer, int64_t num_layers)
      : encoder_layer_(std::move(encoder_layer)), num_layers_(num_layers) {}
  TransformerEncoderOptions(const TransformerEncoderLayerOptions& layer_options, int64_t num_layers)
      : TransformerEncoderOptions(TransformerEncoderLayer(layer_options), num_layers) {}
  FULMEN_ARG(TransformerEncoderLayer, encoder_layer) = nullptr;
  FULMEN_ARG(int64_t, num_layers);
  FULMEN_ARG(AnyModule, norm) = {};
};
struct TransformerDecoderOptions {
  TransformerDecoderOptions(TransformerDecoderLayer decoder_layer, int64_t num_layers)
      : decoder_layer_(std::move(decoder_layer)), num_layers_(num_layers) {}
  TransformerDecoderOptions(const TransformerDecoderLayerOptions& layer_options, int64_t num_layers)
      : TransformerDecoderOptions(TransformerDecoderLayer(layer_options), num_layers) {}
  FULMEN_ARG(TransformerDecoderLayer, decoder_layer) = nullptr;
  FULMEN_ARG(int64_t, num_layers);
  FULMEN_ARG(AnyModule, norm) = {};
};

/// A stack of encoder layers.
class TransformerEncoderImpl : public Cloneable<TransformerEncoderImpl> {
 public:
  TransformerEncoderImpl(TransformerEncoderLayer encoder_layer, int64_t num_layers)
      : TransformerEncoderImpl(TransformerEncoderOptions(std::move(encoder_layer), num_layers)) {}
  explicit TransformerEncoderImpl(TransformerEncoderOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {});

  FULMEN_FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())}, {2, AnyValue(Tensor())})

  TransformerEncoderOptions options;
  ModuleList layers = nullptr;
  AnyModule norm;
};
FULMEN_MODULE(TransformerEncoder);

/// A stack of decoder layers.
class TransformerDecoderImpl : public Cloneable<TransformerDecoderImpl> {
 public:
  TransformerDecoderImpl(TransformerDecoderLayer decoder_layer, int64_t num_layers)
      : TransformerDecoderImpl(TransformerDecoderOptions(std::move(decoder_layer), num_layers)) {}
  explicit TransformerDecoderImpl(TransformerDecoderOptions options_);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask = {}, const Tensor& memory_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {});

  FULMEN_FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(Tensor())}, {3, AnyValue(Tensor())}, {4, AnyValue(Tensor())},
                                  {5, AnyValue(Tensor())})

  TransformerDecoderOptions options;
  ModuleList layers = nullptr;
  AnyModule norm;
};
FULMEN_MODULE(TransformerDecoder);

struct TransformerOptions {
  TransformerOptions() = default;
  TransformerOptions(int64_t d_model, int64_t nhead) : d_model_(d_model), nhead_(nhead) {}
  TransformerOptions(int64_t d_model, int64_t nhead, int64_t num_encoder_layers, int64_t num_decoder_layers)
      : d_model_(d_model),
        nhead_(nhead),
        num_encoder_layers_(num_encoder_layers),
        num_decoder_layers_(num_decoder_layers) {}
  FULMEN_ARG(int64_t, d_model) = 512;
  FULMEN_ARG(int64_t, nhead) = 8;
  FULMEN_ARG(int64_t, num_encoder_layers) = 6;
  FULMEN_ARG(int64_t, num_decoder_layers) = 6;
  FULMEN_ARG(int64_t, dim_feedforward) = 2048;
  FULMEN_ARG(double, dropout) = 0.1;
  FULMEN_ARG(TransformerActivation, activation) = kReLU;
  FULMEN_ARG(double, layer_norm_eps) = 1e-5;
  FULMEN_ARG(bool, batch_first) = false;
  FULMEN_ARG(bool, norm_first) = false;
  FULMEN_ARG(bool, bias) = true;
  /// Take the place of TransformerEncoder and TransformerDecoder, with the same arguments of forward.
  FULMEN_ARG(AnyModule, custom_encoder) = {};
  FULMEN_ARG(AnyModule, custom_decoder) = {};
};

/// Encoder and decoder: source [S, N, E] and target [T, N, E] (batch_first: N first) give [T, N, E].
class TransformerImpl : public Cloneable<TransformerImpl> {
 public:
  explicit TransformerImpl(TransformerOptions options_ = {});
  void reset() override;
  /// Xavier's uniform distribution for every matrix.
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& src, const Tensor& tgt, const Tensor& src_mask = {}, const Tensor& tgt_mask = {},
                 const Tensor& memory_mask = {}, const Tensor& src_key_padding_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {});
  /// [size, size]: minus infinity above the diagonal, else 0, so that a position does not see what follows.
  static Tensor generate_square_subsequent_mask(int64_t size);

  FULMEN_FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(Tensor())}, {3, AnyValue(Tensor())}, {4, AnyValue(Tensor())},
                                  {5, AnyValue(Tensor())}, {6, AnyValue(Tensor())}, {7, AnyValue(Tensor())})

  TransformerOptions options;
  AnyModule encoder, decoder;
};
FULMEN_MODULE(Transformer);

}  // namespace fulmen::nn
