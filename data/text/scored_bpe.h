#pragma once
#include <fulmen/data/text/tokenizer.h>

namespace fulmen::data {

/// The tokenizer of Llama models in llama2.c's file form (SentencePiece's byte-pair encoding, Kudo and Richardson
/// 2018): of all neighbours whose joined text is a token, the pair whose token has the highest score is joined first.
/// Characters that are no token become the tokens of their bytes. Text gets a blank in front, as Llama models expect.
///
/// The file: int32 length of the longest token; then for each token float32 score, int32 length, and that many bytes
/// (little endian). Tokens 0, 1 and 2 are <unk>, <s> and </s>, tokens 3 to 258 the bytes.
class ScoredBpe final : public Tokenizer {
 public:
  /// Of no tokens: load_state() gives them.
  ScoredBpe();
  static ScoredBpe load(const std::string& path);
  /// The same from memory; `name` stands for the file in messages.
  static ScoredBpe parse(std::string_view file, const std::string& name = "tokenizer");

  std::string kind() const override { return "scored_bpe"; }
  /// <s> and the text.
  std::vector<int64_t> encode(std::string_view text) const override;
  /// The text without <s> and the blank that encode() put in front; </s> ends it.
  std::string decode(std::span<const int64_t> ids) const override;
  using Tokenizer::decode;
  int64_t size() const override;
  std::optional<int64_t> end_token() const override { return 2; }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;
  static constexpr int64_t begin_token = 1;

 private:
  struct Learnt;
  std::shared_ptr<Learnt> learnt_;
};

}  // namespace fulmen::data
