#pragma once
#include <fulmen/nn/embedding.h>
#include <fulmen/nn/generation/language_model.h>
#include <fulmen/nn/linear.h>
#include <fulmen/nn/module_list.h>
#include <fulmen/nn/normalization.h>

// Llama (Touvron et al. 2023, "LLaMA: open and efficient foundation language models"; grouped queries as in Llama 2).
// Names and layouts of the weights are those of Meta's files.
namespace fulmen::nn {

struct LlamaOptions {
  LlamaOptions(int64_t vocab_size, int64_t max_seq_len, int64_t n_layers, int64_t n_heads, int64_t dim,
               int64_t hidden_dim)
      : vocab_size_(vocab_size),
        max_seq_len_(max_seq_len),
        n_layers_(n_layers),
        n_heads_(n_heads),
        n_kv_heads_(n_heads),
        dim_(dim),
        hidden_dim_(hidden_dim) {}
  FULMEN_ARG(int64_t, vocab_size);
  /// Longest text that the model can look back on.
  FULMEN_ARG(int64_t, max_seq_len);
  FULMEN_ARG(int64_t, n_layers);
  FULMEN_ARG(int64_t, n_heads);
  /// Heads of keys and values, each shared by n_heads / n_kv_heads heads of queries.
  FULMEN_ARG(int64_t, n_kv_heads);
  /// Width; a multiple of 2 n_heads.
  FULMEN_ARG(int64_t, dim);
  /// Width inside the feed-forward layers.
  FULMEN_ARG(int64_t, hidden_dim);
  FULMEN_ARG(double, norm_eps) = 1e-5;
  FULMEN_ARG(double, rope_theta) = 10000;
  /// Whether the output layer shares its weight with the token embedding.
  FULMEN_ARG(bool, tied_output) = true;
};

/// cos and sin of the rotation of each position, and what the positions may see.
struct LlamaPositions {
  Tensor cos, sin, mask;
};

class LlamaAttentionImpl : public Cloneable<LlamaAttentionImpl> {
 public:
  explicit LlamaAttentionImpl(const LlamaOptions& options_);
  void reset() override;
  /// x [rows, n, dim]; with a cache, n more tokens of what it holds.
  Tensor forward(const Tensor& x, const LlamaPositions& at, KeyValueCache* cache = nullptr, int64_t layer = 0);
  LlamaOptions options;
  Linear wq = nullptr, wk = nullptr, wv = nullptr, wo = nullptr;
};
FULMEN_MODULE(LlamaAttention);

/// w2(silu(w1 x) * w3 x): SwiGLU (Shazeer 2020).
class LlamaFeedForwardImpl : public Cloneable<LlamaFeedForwardImpl> {
 public:
  explicit LlamaFeedForwardImpl(const LlamaOptions& options_);
  void reset() override;
  Tensor forward(const Tensor& x);
  LlamaOptions options;
  Linear w1 = nullptr, w2 = nullptr, w3 = nullptr;
};
FULMEN_MODULE(LlamaFeedForward);

class LlamaBlockImpl : public Cloneable<LlamaBlockImpl> {
 public:
  explicit LlamaBlockImpl(const LlamaOptions& options_);
  void reset() override;
  Tensor forward(Tensor x, const LlamaPositions& at, KeyValueCache* cache = nullptr, int64_t layer = 0);
  LlamaOptions options;
  LlamaAttention attention = nullptr;
  LlamaFeedForward feed_forward = nullptr;
  RMSNorm attention_norm = nullptr, ffn_norm = nullptr;
};
FULMEN_MODULE(LlamaBlock);

class LlamaImpl : public Cloneable<LlamaImpl>, public LanguageModel {
 public:
  explicit LlamaImpl(const LlamaOptions& options_);
  void reset() override;
  void reset_parameters();
  /// int64[rows, n], n <= max_seq_len -> logits of the token after each, [rows, n, vocab_size].
  Tensor forward(const Tensor& tokens);

  int64_t vocabulary_size() const override { return options.vocab_size(); }
  int64_t context_size() const override { return options.max_seq_len(); }
  std::unique_ptr<Memory> make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                      int64_t capacity) const override;
  Tensor read(const Tensor& tokens, Memory& memory) override;

  LlamaOptions options;
  Embedding tok_embeddings = nullptr;
  ModuleList layers = nullptr;
  RMSNorm norm = nullptr;
  Linear output = nullptr;  ///< empty if the weight is shared

 private:
  Tensor hidden(const Tensor& tokens, const LlamaPositions& at, KeyValueCache* cache);
  LlamaPositions rotation(const Tensor& positions) const;
  Tensor logits(const Tensor& x);
};
FULMEN_MODULE(Llama);

/// A model in llama2.c's file form: int32 dim, hidden_dim, layers, heads, kv heads, vocabulary (negative if the output
/// layer has a weight of its own) and longest text, then all weights as float32 (little endian). Throws an Error, with
/// the file's name, for everything that is wrong with it.
Llama load_llama2c(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
Llama llama2c_from_bytes(const void* data, size_t size, const std::string& name = "llama2.c model");

}  // namespace fulmen::nn
