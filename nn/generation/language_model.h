#pragma once
#include <fulmen/tensor/tensor.h>

#include <memory>
#include <utility>
#include <vector>

namespace fulmen::nn {

/// What a language model keeps of the tokens it has read, a row per text.
class Memory {
 public:
  virtual ~Memory() = default;
  /// How many columns were read, padding included.
  virtual int64_t length() const = 0;
  /// The rows become those that `rows` (int64[n]) names, in its order: beam search goes on with some of its rows.
  virtual void select_rows(const Tensor& rows) = 0;
};

/// A model that reads tokens and says which may come next: what generate() needs.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  virtual int64_t vocabulary_size() const = 0;
  /// Most tokens that it can look back on; 0 if there is no limit.
  virtual int64_t context_size() const = 0;
  /// Room for `capacity` tokens of each row. The first padding[r] tokens of row r are no text: whatever is read there
  /// must not change the logits. An empty `padding` stands for no padding.
  virtual std::unique_ptr<Memory> make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                              int64_t capacity) const = 0;
  /// Reads more tokens, int64[rows, n]. Returns the logits of what comes next, [rows, vocabulary_size()].
  virtual Tensor read(const Tensor& tokens, Memory& memory) = 0;
};

/// The keys and values of every layer of a Transformer, so that a token is read once.
class KeyValueCache final : public Memory {
 public:
  struct Sizes {
    int64_t layers, rows, heads, capacity, head_dim;
  };
  /// In the dtype and on the device of `like`.
  KeyValueCache(const Sizes& sizes, std::vector<int64_t> padding, const Tensor& like);
  int64_t length() const override { return length_; }
  void select_rows(const Tensor& rows) override;

  /// Appends keys and values [rows, heads, n, head_dim] of a layer; gives all, [rows, heads, length() + n, head_dim].
  std::pair<Tensor, Tensor> append(int64_t layer, const Tensor& keys, const Tensor& values);
  /// After append() of every layer: the n tokens count as read.
  void advance(int64_t n) { length_ += n; }
  /// Places of the next n tokens in their texts: int64[n], or [rows, n] if there is padding.
  Tensor positions(int64_t n) const;
  /// Which of the tokens each of the next n may see: bool[rows or 1, 1, n, length() + n]; undefined: all of them.
  Tensor mask(int64_t n) const;

 private:
  std::vector<Tensor> keys_, values_;  // per layer [rows, heads, capacity, head_dim]
  std::vector<int64_t> padding_;       // empty, or per row
  int64_t length_ = 0, capacity_;
};

}  // namespace fulmen::nn
