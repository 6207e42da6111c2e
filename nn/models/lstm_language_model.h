#pragma once
#include <fulmen/nn/dropout.h>
#include <fulmen/nn/embedding.h>
#include <fulmen/nn/generation/language_model.h>
#include <fulmen/nn/rnn.h>

namespace fulmen::nn {

struct LSTMLanguageModelOptions {
  LSTMLanguageModelOptions(int64_t vocab_size, int64_t num_layers, int64_t width)
      : vocab_size_(vocab_size), num_layers_(num_layers), width_(width) {}
  FULMEN_ARG(int64_t, vocab_size);
  FULMEN_ARG(int64_t, num_layers);
  /// Of the embedding and of every layer, so that the output layer can share the embedding's weight.
  FULMEN_ARG(int64_t, width);
  /// After the embedding, between layers and behind the last one.
  FULMEN_ARG(double, dropout) = 0;
};

/// What an LSTM has read: h and c of every layer, however long the text.
class LSTMMemory final : public Memory {
 public:
  /// h and c zero, [num_layers, rows, width], in the dtype and on the device of `like`.
  LSTMMemory(const LSTMLanguageModelOptions& options, std::vector<int64_t> padding, int64_t rows, const Tensor& like);
  int64_t length() const override { return length_; }
  void select_rows(const Tensor& rows) override;

 private:
  friend class LSTMLanguageModelImpl;
  /// Up to where the next columns can be read in one go: to `end`, or to where some row's text begins.
  int64_t stop_before(int64_t end) const;
  /// n more columns are read; rows that have been padding until now forget them.
  void advance(int64_t n, Tensor h, Tensor c);
  Tensor h_, c_;
  std::vector<int64_t> padding_;  // empty, or per row
  int64_t length_ = 0;
};

/// Embedding, LSTM layers and an output layer that shares its weight with the embedding (Press and Wolf 2017, "Using
/// the output embedding to improve language models") and has a bias. It looks back on a text of any length.
class LSTMLanguageModelImpl : public Cloneable<LSTMLanguageModelImpl>, public LanguageModel {
 public:
  explicit LSTMLanguageModelImpl(const LSTMLanguageModelOptions& options_);
  void reset() override;
  /// The embedding as N(0, 1 / width), the output's bias zero, the layers as in LSTM.
  void reset_parameters();
  /// int64[rows, n] -> logits of the token after each, [rows, n, vocab_size].
  Tensor forward(const Tensor& tokens);

  int64_t vocabulary_size() const override { return options.vocab_size(); }
  int64_t context_size() const override { return 0; }
  std::unique_ptr<Memory> make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                      int64_t capacity) const override;
  Tensor read(const Tensor& tokens, Memory& memory) override;

  LSTMLanguageModelOptions options;
  Embedding embedding = nullptr;
  Dropout dropout = nullptr;
  LSTM lstm = nullptr;
  Tensor bias;  ///< [vocab_size]
};
FULMEN_MODULE(LSTMLanguageModel);

}  // namespace fulmen::nn
