#pragma once
#include <fulmen/data/text/tokenizer.h>

namespace fulmen::data {

/// GPT-2's tokenizer: byte-pair encoding of the bytes of words (Sennrich et al. 2016, "Neural machine translation of
/// rare words with subword units"; Radford et al. 2019). Every text, valid UTF-8 or not, comes back as it was.
/// Text never becomes a special token: those have only their numbers.
class ByteLevelBpe final : public Tokenizer {
 public:
  /// Of no tokens: load_state() gives them.
  ByteLevelBpe();
  /// Learns `tokens` tokens from a text: the 256 bytes, the most frequent pairs (of equal ones, the pair of smaller
  /// numbers), and last the special tokens. Fewer if the text has no more pairs that come twice. Throws E017 if there
  /// is no room for the bytes, or no text.
  static ByteLevelBpe train(std::string_view text, int64_t tokens,
                            const std::vector<std::string>& special = {"<|endoftext|>"});
  /// GPT-2's files: `vocab.bpe` (the merges, best first) and `encoder.json` (the tokens' numbers). Throws E017, with
  /// file and line, for everything that is wrong with them.
  static ByteLevelBpe load(const std::string& merges_path, const std::string& ids_path);
  /// Writes these files, which GPT-2's own program and Hugging Face's read.
  void save(const std::string& merges_path, const std::string& ids_path) const;

  std::string kind() const override { return "byte_level_bpe"; }
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  using Tokenizer::decode;
  int64_t size() const override;
  /// Number of "<|endoftext|>".
  std::optional<int64_t> end_token() const override;
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;

  /// Number of a special token, as it is written in encoder.json.
  std::optional<int64_t> special_token(std::string_view name) const;

 private:
  struct Learnt;
  std::string merges_file() const;
  std::string ids_file() const;
  static Learnt parse(std::string_view merges, const std::string& merges_name, std::string_view ids,
                      const std::string& ids_name);
  std::shared_ptr<Learnt> learnt_;
};

}  // namespace fulmen::data
