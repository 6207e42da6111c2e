#pragma once
#include <fulmen/data/text/tokenizer.h>

namespace fulmen::data {

struct HashedNgramsOptions {
  /// Longest run of words that is a token of its own: 2 for words and pairs of neighbours.
  int64_t words = 2;
  /// Numbers of tokens are below this; number 0 is nobody's, for padding.
  int64_t buckets = int64_t{1} << 17;
  /// Each token once, whatever the number of its occurrences; the order says nothing then.
  bool distinct = true;
};

/// Words and runs of neighbouring words, numbered by a hash (Weinberger et al. 2009, "Feature Hashing for Large Scale
/// Multitask Learning"): no vocabulary has to be learned or stored, and no text is unknown. A word is a run of letters,
/// numbers and apostrophes in lower case; every other character but blanks is a word as well. Tokens of one word come
/// first, then those of two, and so on. Two tokens may share a number; there is no way back to text.
class HashedNgrams final : public Tokenizer {
 public:
  explicit HashedNgrams(const HashedNgramsOptions& options = {});
  std::string kind() const override { return "hashed_ngrams"; }
  /// Throws E017 for text that is not UTF-8.
  std::vector<int64_t> encode(std::string_view text) const override;
  /// Throws always.
  std::string decode(std::span<const int64_t> ids) const override;
  using Tokenizer::decode;
  int64_t size() const override { return options_->buckets; }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;
  const HashedNgramsOptions& options() const { return *options_; }

 private:
  std::shared_ptr<HashedNgramsOptions> options_;
};

}  // namespace fulmen::data
