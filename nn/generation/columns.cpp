#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/nn/generation/columns.h>

#include <algorithm>

namespace fulmen::nn {

Columns::Columns(LanguageModel& model, const std::vector<std::vector<int64_t>>& prompts, int64_t new_tokens,
                 bool use_cache)
    : model_(model), use_cache_(use_cache) {
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  for (const auto& prompt : prompts) {
    padding_.push_back(static_cast<int64_t>(longest - prompt.size()));
    rows_.emplace_back(longest - prompt.size(), 0);
    rows_.back().insert(rows_.back().end(), prompt.begin(), prompt.end());
  }
  most_ = static_cast<int64_t>(longest) + new_tokens;
}

Tensor Columns::next_logits() {
  const int64_t limit = model_.context_size(), count = static_cast<int64_t>(rows_.size());
  if (limit > 0 && length() - begin_ > limit) {
    begin_ = length() - std::max<int64_t>(limit / 2, 1);
    memory_.reset();
  }
  if (!memory_ || !use_cache_) {
    std::vector<int64_t> padding = padding_;
    for (int64_t& p : padding) p = std::max<int64_t>(p - begin_, 0);
    const int64_t capacity = most_ - begin_;
    memory_ = model_.make_memory(padding, count, limit > 0 ? std::min(limit, capacity) : capacity);
    read_ = begin_;
  }
  Tensor tokens = empty({count, length() - read_}, TensorOptions(kLong));
  auto* to = tokens.data_ptr<int64_t>();
  for (const auto& row : rows_) to = std::copy(row.begin() + read_, row.end(), to);
  read_ = length();
  const Tensor logits = model_.read(tokens, *memory_).to(kCPU).to(kFloat).contiguous();
  FULMEN_CHECK(logits.dim() == 2 && logits.size(0) == count && logits.size(1) == model_.vocabulary_size(),
               "generate: the model's logits must be [", count, ", ", model_.vocabulary_size(), "]; got ", logits);
  return logits;
}

void Columns::append(std::span<const int64_t> tokens) {
  for (size_t row = 0; row < rows_.size(); ++row) rows_[row].push_back(tokens[row]);
}

void Columns::select(const std::vector<int64_t>& rows) {
  std::vector<std::vector<int64_t>> chosen;
  std::vector<int64_t> padding;
  for (int64_t row : rows) {
    chosen.push_back(rows_.at(static_cast<size_t>(row)));
    padding.push_back(padding_.at(static_cast<size_t>(row)));
  }
  rows_ = std::move(chosen);
  padding_ = std::move(padding);
  if (memory_ && use_cache_) memory_->select_rows(tensor(rows));
}

std::span<const int64_t> Columns::text(size_t row) const {
  return std::span<const int64_t>(rows_[row]).subspan(static_cast<size_t>(padding_[row]));
}

}  // namespace fulmen::nn
