#include <fulmen/nn/embedding.h>
#include <fulmen/nn/rnn_cell.h>
#include <fulmen/nn/transformer.h>

#include "tests/conformance/modules.h"

namespace conformance {

namespace {

using namespace fulmen::nn;

template <class Holder, class F>
BuiltModule built(Holder module, F forward) {
  return {module.ptr(), [=](const Arguments& in) mutable { return forward(module, in); }};
}

Tensors both(const std::tuple<Tensor, Tensor>& pair) {
  Tensors all{std::get<0>(pair)};
  if (std::get<1>(pair).defined()) all.push_back(std::get<1>(pair));
  return all;
}

TransformerEncoderLayerOptions layer_options(const Arguments& a) {
  TransformerEncoderLayerOptions o(a.integer(0, "d_model"), a.integer(1, "nhead"));
  o.dim_feedforward(a.integer(2, "dim_feedforward", 2048)).dropout(a.number(3, "dropout", 0.1).toDouble());
  o.batch_first(a.flag(6, "batch_first", false)).norm_first(a.flag(7, "norm_first", false));
  return o.bias(a.flag(8, "bias", true));
}

template <class Options>
Options recurrent_options(const Arguments& a) {
  Options o(a.integer(0, "input_size"), a.integer(1, "hidden_size"));
  o.num_layers(a.integer(9, "num_layers", 1)).bias(a.flag(9, "bias", true));
  o.batch_first(a.flag(9, "batch_first", false)).bidirectional(a.flag(9, "bidirectional", false));
  if constexpr (requires { o.proj_size(0); }) o.proj_size(a.integer(9, "proj_size", 0));
  if constexpr (requires { o.nonlinearity(kTanh); }) {
    if (a.text(9, "nonlinearity", "tanh") == "relu") o.nonlinearity(kReLU);
  }
  return o;
}

void add_attention(Builders& b) {
  b["MultiheadAttention"] = [](const Arguments& a) {
    MultiheadAttentionOptions o(a.integer(0, "embed_dim"), a.integer(1, "num_heads"));
    o.bias(a.flag(9, "bias", true)).add_bias_kv(a.flag(9, "add_bias_kv", false));
    o.add_zero_attn(a.flag(9, "add_zero_attn", false)).batch_first(a.flag(9, "batch_first", false));
    return built(MultiheadAttention(o), [](auto& m, const Arguments& in) {
      return both(m->forward(in.tensor(0), in.tensor(1), in.tensor(2), in.optional_tensor(9, "key_padding_mask"), true,
                             in.optional_tensor(9, "attn_mask")));
    });
  };
  b["TransformerEncoderLayer"] = [](const Arguments& a) {
    return built(TransformerEncoderLayer(layer_options(a)), [](auto& m, const Arguments& in) {
      return Tensors{
          m->forward(in.tensor(0), in.optional_tensor(9, "src_mask"), in.optional_tensor(9, "src_key_padding_mask"))};
    });
  };
  b["TransformerEncoder"] = [](const Arguments& a) {
    return built(TransformerEncoder(TransformerEncoderOptions(layer_options(a), 2)), [](auto& m, const Arguments& in) {
      return Tensors{
          m->forward(in.tensor(0), in.optional_tensor(9, "mask"), in.optional_tensor(9, "src_key_padding_mask"))};
    });
  };
  b["TransformerDecoderLayer"] = [](const Arguments& a) {
    return built(TransformerDecoderLayer(layer_options(a)), [](auto& m, const Arguments& in) {
      return Tensors{m->forward(in.tensor(0), in.tensor(1), in.optional_tensor(9, "tgt_mask"),
                                in.optional_tensor(9, "memory_mask"), in.optional_tensor(9, "tgt_key_padding_mask"),
                                in.optional_tensor(9, "memory_key_padding_mask"))};
    });
  };
  b["Transformer"] = [](const Arguments& a) {
    TransformerOptions o(a.integer(0, "d_model"), a.integer(1, "nhead"), a.integer(2, "num_encoder_layers"),
                         a.integer(3, "num_decoder_layers"));
    o.dim_feedforward(a.integer(9, "dim_feedforward", 2048)).dropout(a.number(9, "dropout", 0.1).toDouble());
    o.batch_first(a.flag(9, "batch_first", false)).norm_first(a.flag(9, "norm_first", false));
    o.bias(a.flag(9, "bias", true));
    return built(Transformer(o), [](auto& m, const Arguments& in) {
      return Tensors{
          m->forward(in.tensor(0), in.tensor(1), in.optional_tensor(9, "src_mask"), in.optional_tensor(9, "tgt_mask"),
                     in.optional_tensor(9, "memory_mask"), in.optional_tensor(9, "src_key_padding_mask"),
                     in.optional_tensor(9, "tgt_key_padding_mask"), in.optional_tensor(9, "memory_key_padding_mask"))};
    });
  };
}

void add_recurrent(Builders& b) {
  b["RNN"] = [](const Arguments& a) {
    return built(RNN(recurrent_options<RNNOptions>(a)),
                 [](auto& m, const Arguments& in) { return both(m->forward(in.tensor(0))); });
  };
  b["GRU"] = [](const Arguments& a) {
    return built(GRU(recurrent_options<GRUOptions>(a)),
                 [](auto& m, const Arguments& in) { return both(m->forward(in.tensor(0))); });
  };
  b["LSTM"] = [](const Arguments& a) {
    return built(LSTM(recurrent_options<LSTMOptions>(a)), [](auto& m, const Arguments& in) {
      auto [y, last] = m->forward(in.tensor(0));
      return Tensors{y, std::get<0>(last), std::get<1>(last)};
    });
  };
  b["RNNCell"] = [](const Arguments& a) {
    RNNCellOptions o(a.integer(0, "input_size"), a.integer(1, "hidden_size"));
    o.bias(a.flag(9, "bias", true));
    if (a.text(9, "nonlinearity", "tanh") == "relu") o.nonlinearity(kReLU);
    return built(RNNCell(o),
                 [](auto& m, const Arguments& in) { return Tensors{m->forward(in.tensor(0), in.tensor(1))}; });
  };
  b["GRUCell"] = [](const Arguments& a) {
    return built(GRUCell(a.integer(0, "input_size"), a.integer(1, "hidden_size")),
                 [](auto& m, const Arguments& in) { return Tensors{m->forward(in.tensor(0), in.tensor(1))}; });
  };
  b["LSTMCell"] = [](const Arguments& a) {
    return built(LSTMCell(a.integer(0, "input_size"), a.integer(1, "hidden_size")), [](auto& m, const Arguments& in) {
      const Json& states = in.raw(1);
      return both(m->forward(in.tensor(0), std::tuple(in.tensor_of(states[0]), in.tensor_of(states[1]))));
    });
  };
}

}  // namespace

void add_sequence_modules(Builders& b) {
  add_attention(b);
  add_recurrent(b);
  b["LayerNorm"] = [](const Arguments& a) {
    LayerNormOptions o(a.integers(0, "normalized_shape"));
    o.eps(a.number(1, "eps", 1e-5).toDouble()).elementwise_affine(a.flag(2, "elementwise_affine", true));
    return built(LayerNorm(o.bias(a.flag(3, "bias", true))),
                 [](auto& m, const Arguments& in) { return Tensors{m->forward(in.tensor(0))}; });
  };
  b["RMSNorm"] = [](const Arguments& a) {
    RMSNormOptions o(a.integers(0, "normalized_shape"));
    if (a.has(1, "eps")) o.eps(a.number(1, "eps").toDouble());
    return built(RMSNorm(o.elementwise_affine(a.flag(2, "elementwise_affine", true))),
                 [](auto& m, const Arguments& in) { return Tensors{m->forward(in.tensor(0))}; });
  };
  b["Embedding"] = [](const Arguments& a) {
    return built(Embedding(a.integer(0, "num_embeddings"), a.integer(1, "embedding_dim")),
                 [](auto& m, const Arguments& in) { return Tensors{m->forward(in.tensor(0))}; });
  };
}

}  // namespace conformance
