#pragma once
#include <fulmen/nn/generation/generate.h>

#include <span>

namespace fulmen::nn {

/// Texts side by side, padded on the left to one length, and what the model remembers of them.
class Columns {
 public:
  Columns(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts, int64_t new_tokens, bool use_cache);
  /// Reads what was not read yet. Logits of the next token of each row: float32 [rows, vocabulary] on the CPU.
  Tensor next_logits();
  /// One more token for each row.
  void append(std::span<const int64_t> tokens);
  /// The rows become those named here.
  void select(const std::vector<int64_t>& rows);
  /// The text of a row so far, prompt included.
  std::span<const int64_t> text(size_t row) const;
  size_t rows() const { return rows_.size(); }

 private:
  int64_t length() const { return static_cast<int64_t>(rows_.front().size()); }
  LanguageModel& model_;
  std::vector<std::vector<int64_t>> rows_;  // of equal length
  std::vector<int64_t> padding_;
  int64_t begin_ = 0;  // where what the model can look back on begins
  int64_t read_ = 0;   // where what `memory_` lacks begins
  int64_t most_ = 0;   // columns at the end
  bool use_cache_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace fulmen::nn
