#pragma once
#include <fulmen/nn/embedding.h>
#include <fulmen/nn/linear.h>
#include <fulmen/nn/module_list.h>
#include <fulmen/nn/normalization.h>

// BERT (Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding") as an
// encoder of texts, and sentence embeddings from it (Reimers and Gurevych 2019, "Sentence-BERT"). Names and layouts of
// the weights are those of Hugging Face's files, so that all-MiniLM-L6-v2 and its like load unchanged.
namespace fulmen::nn {

struct BertOptions {
  BertOptions(int64_t vocab_size, int64_t hidden_size, int64_t num_hidden_layers, int64_t num_attention_heads,
              int64_t intermediate_size)
      : vocab_size_(vocab_size),
        hidden_size_(hidden_size),
        num_hidden_layers_(num_hidden_layers),
        num_attention_heads_(num_attention_heads),
        intermediate_size_(intermediate_size) {}
  /// From a config.json of Hugging Face. Throws an Error, with the file's name, for a file that is none, and for models
  /// of another kind (other activations, relative positions).
  static BertOptions load(const std::string& path);

  FULMEN_ARG(int64_t, vocab_size);
  /// Width; a multiple of num_attention_heads.
  FULMEN_ARG(int64_t, hidden_size);
  FULMEN_ARG(int64_t, num_hidden_layers);
  FULMEN_ARG(int64_t, num_attention_heads);
  /// Width inside the feed-forward layers.
  FULMEN_ARG(int64_t, intermediate_size);
  /// Longest text.
  FULMEN_ARG(int64_t, max_position_embeddings) = 512;
  FULMEN_ARG(int64_t, type_vocab_size) = 2;
  FULMEN_ARG(double, layer_norm_eps) = 1e-12;
  /// After embeddings and before each addition.
  FULMEN_ARG(double, hidden_dropout_prob) = 0.1;
  /// Of the attention weights.
  FULMEN_ARG(double, attention_probs_dropout_prob) = 0.1;
};

/// Where the tokens lie in a batch of padded texts: everything but the attention works on real tokens alone.
class TokenPlaces {
 public:
  /// mask bool[rows, n], true where there is a token; undefined: everywhere.
  TokenPlaces(int64_t rows, int64_t n, const Tensor& mask);
  /// [rows * n, ...] -> [tokens, ...]
  Tensor pack(const Tensor& padded) const;
  /// [tokens, ...] -> [rows, n, ...]; what padding gets is unspecified, and no gradient may come from there.
  Tensor unpack(const Tensor& packed) const;
  /// bool[rows, 1, 1, n], for attention; undefined without padding.
  const Tensor& keys() const { return keys_; }
  /// The column of each token, int64[tokens].
  Tensor positions(const Tensor& like) const;

 private:
  int64_t rows_, n_;
  Tensor slots_;     // int64[tokens]: row * n + column of each token; undefined without padding
  Tensor token_of_;  // int64[rows * n]: the token at a slot, any token where there is padding
  Tensor keys_;
};

/// Token, position and segment embeddings, added and normalised.
class BertEmbeddingsImpl : public Cloneable<BertEmbeddingsImpl> {
 public:
  explicit BertEmbeddingsImpl(const BertOptions& options_);
  void reset() override;
  /// int64[tokens] each; no types are all 0.
  Tensor forward(const Tensor& ids, const Tensor& positions, const Tensor& types);
  BertOptions options;
  Embedding word_embeddings = nullptr, position_embeddings = nullptr, token_type_embeddings = nullptr;
  LayerNorm norm = nullptr;  ///< "LayerNorm"
};
FULMEN_MODULE(BertEmbeddings);

/// Each token looks at all tokens of its text.
class BertSelfAttentionImpl : public Cloneable<BertSelfAttentionImpl> {
 public:
  explicit BertSelfAttentionImpl(const BertOptions& options_);
  void reset() override;
  Tensor forward(const Tensor& x, const TokenPlaces& places);  ///< [tokens, hidden]
  BertOptions options;
  Linear query = nullptr, key = nullptr, value = nullptr;
};
FULMEN_MODULE(BertSelfAttention);

/// LayerNorm(x + dropout(dense(y))): what closes both halves of a layer.
class BertOutputImpl : public Cloneable<BertOutputImpl> {
 public:
  BertOutputImpl(int64_t inputs, const BertOptions& options_);
  void reset() override;
  Tensor forward(const Tensor& y, const Tensor& x);
  BertOptions options;
  Linear dense = nullptr;
  LayerNorm norm = nullptr;  ///< "LayerNorm"

 private:
  int64_t inputs_;
};
FULMEN_MODULE(BertOutput);

class BertLayerImpl : public Cloneable<BertLayerImpl> {
 public:
  explicit BertLayerImpl(const BertOptions& options_);
  void reset() override;
  Tensor forward(const Tensor& x, const TokenPlaces& places);  ///< [tokens, hidden]
  BertOptions options;
  BertSelfAttention attention = nullptr;  ///< "attention.self"
  BertOutput attention_output = nullptr;  ///< "attention.output"
  Linear intermediate = nullptr;          ///< "intermediate.dense"
  BertOutput output = nullptr;
};
FULMEN_MODULE(BertLayer);

/// The encoder. All weights begin as N(0, 0.02), biases as 0.
class BertImpl : public Cloneable<BertImpl> {
 public:
  explicit BertImpl(const BertOptions& options_);
  void reset() override;
  void reset_parameters();
  /// ids int64[rows, n], n <= max_position_embeddings; mask bool[rows, n], true where there is a token (as
  /// data::pad_tokens gives it; undefined: everywhere); token_types int64[rows, n], undefined: all 0. Gives the last
  /// layer's vectors [rows, n, hidden_size], zero at padding. Padding costs time in the attention alone.
  Tensor forward(const Tensor& ids, const Tensor& mask = {}, const Tensor& token_types = {});
  /// What goes into the first layer and what comes out of each, num_hidden_layers + 1 in all; the last is forward()'s.
  std::vector<Tensor> hidden_states(const Tensor& ids, const Tensor& mask = {}, const Tensor& token_types = {});
  /// The means over a text's tokens of all hidden_states(), side by side: [rows, (num_hidden_layers + 1) *
  /// hidden_size]. What a linear layer needs to learn from a model that is not trained itself: the last layer alone has
  /// dropped what its own training did not ask for.
  Tensor layer_means(const Tensor& ids, const Tensor& mask = {});
  /// tanh(dense(first token)): BERT's own summary of a text; [rows, hidden_size] of what forward() gave.
  Tensor pool(const Tensor& hidden);
  /// The mean of a text's vectors, of length 1: [rows, hidden_size]. Cosines of embeddings are their products.
  Tensor sentence_embeddings(const Tensor& ids, const Tensor& mask = {});

  /// Takes over the weights of a safetensors file, whether its names begin with "bert." or not; position_ids and the
  /// heads of pre-training are left aside, and a file without pooler leaves that as it is. Error E013 if the model has
  /// another shape.
  void load(const std::string& path);

  BertOptions options;
  BertEmbeddings embeddings = nullptr;
  ModuleList layers = nullptr;  ///< "encoder.layer"
  Linear pooler = nullptr;      ///< "pooler.dense"

 private:
  /// hidden_states(), or the last of them alone.
  std::vector<Tensor> encode(const Tensor& ids, const Tensor& mask, const Tensor& token_types, bool all);
};
FULMEN_MODULE(Bert);

/// The mean over a text's tokens: hidden [rows, n, width], mask bool[rows, n] (undefined: all) -> [rows, width]; zeros
/// for a text without tokens.
Tensor mean_of_tokens(const Tensor& hidden, const Tensor& mask);

/// A model from a folder with Hugging Face's config.json and model.safetensors, in evaluation mode. Throws an Error,
/// with the file's name, for everything that is wrong with them.
Bert load_bert(const std::string& folder);

}  // namespace fulmen::nn
