#pragma once
#include <fulmen/nn/dropout.h>
#include <fulmen/nn/embedding.h>
#include <fulmen/nn/generation/language_model.h>
#include <fulmen/nn/module_list.h>
#include <fulmen/nn/normalization.h>

// GPT-2 (Radford et al. 2019, "Language models are unsupervised multitask learners"). Names and layouts of the weights
// are those of its published files.
namespace fulmen::nn {

struct GPTOptions {
  GPTOptions(int64_t vocab_size, int64_t n_positions, int64_t n_layer, int64_t n_head, int64_t n_embd)
      : vocab_size_(vocab_size), n_positions_(n_positions), n_layer_(n_layer), n_head_(n_head), n_embd_(n_embd) {}
  FULMEN_ARG(int64_t, vocab_size);
  /// Longest text that the model can look back on.
  FULMEN_ARG(int64_t, n_positions);
  FULMEN_ARG(int64_t, n_layer);
  FULMEN_ARG(int64_t, n_head);
  /// Width; a multiple of n_head.
  FULMEN_ARG(int64_t, n_embd);
  /// After embeddings, inside attention and before each addition.
  FULMEN_ARG(double, dropout) = 0.1;
};

/// y = x W + b with W [in, out]: a linear layer whose weight lies transposed, as in GPT-2's files.
class TransposedLinearImpl : public Cloneable<TransposedLinearImpl> {
 public:
  TransposedLinearImpl(int64_t in_features, int64_t out_features);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& x);
  Tensor weight, bias;  ///< [in, out], N(0, 0.02); [out], zero

 private:
  int64_t in_, out_;
};
FULMEN_MODULE(TransposedLinear);

/// Each token looks at itself and those before it.
class GPTAttentionImpl : public Cloneable<GPTAttentionImpl> {
 public:
  explicit GPTAttentionImpl(const GPTOptions& options_);
  void reset() override;
  /// x [rows, n, width]; with a cache, n more tokens of what it holds, whose mask is cache->mask(n).
  Tensor forward(const Tensor& x, KeyValueCache* cache = nullptr, int64_t layer = 0, const Tensor& mask = {});
  GPTOptions options;
  TransposedLinear c_attn = nullptr, c_proj = nullptr;
};
FULMEN_MODULE(GPTAttention);

class GPTFeedForwardImpl : public Cloneable<GPTFeedForwardImpl> {
 public:
  explicit GPTFeedForwardImpl(const GPTOptions& options_);
  void reset() override;
  Tensor forward(const Tensor& x);
  GPTOptions options;
  TransposedLinear c_fc = nullptr, c_proj = nullptr;
};
FULMEN_MODULE(GPTFeedForward);

class GPTBlockImpl : public Cloneable<GPTBlockImpl> {
 public:
  explicit GPTBlockImpl(const GPTOptions& options_);
  void reset() override;
  Tensor forward(Tensor x, KeyValueCache* cache = nullptr, int64_t layer = 0, const Tensor& mask = {});
  GPTOptions options;
  LayerNorm ln_1 = nullptr, ln_2 = nullptr;
  GPTAttention attn = nullptr;
  GPTFeedForward mlp = nullptr;
};
FULMEN_MODULE(GPTBlock);

/// The whole model; the output layer shares its weight with the token embedding. All weights begin as N(0, 0.02), those
/// before an addition divided by sqrt(2 n_layer).
class GPTImpl : public Cloneable<GPTImpl>, public LanguageModel {
 public:
  explicit GPTImpl(const GPTOptions& options_);
  void reset() override;
  void reset_parameters();
  /// int64[rows, n], n <= n_positions -> logits of the token after each, [rows, n, vocab_size].
  Tensor forward(const Tensor& tokens);

  int64_t vocabulary_size() const override { return options.vocab_size(); }
  int64_t context_size() const override { return options.n_positions(); }
  std::unique_ptr<Memory> make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                      int64_t capacity) const override;
  Tensor read(const Tensor& tokens, Memory& memory) override;

  /// Takes over the weights of a GPT-2 safetensors file, whether its names begin with "transformer." or not; what such
  /// files hold besides (masks, the shared output layer) is left aside. Error E013 if the model has another shape.
  void load(const std::string& path);

  GPTOptions options;
  Embedding wte = nullptr, wpe = nullptr;
  ModuleList h = nullptr;
  LayerNorm ln_f = nullptr;

 private:
  Tensor hidden(const Tensor& tokens, const Tensor& positions, KeyValueCache* cache);
};
FULMEN_MODULE(GPT);

}  // namespace fulmen::nn
