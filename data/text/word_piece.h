#pragma once
#include <fulmen/data/text/tokenizer.h>

namespace fulmen::data {

struct WordPieceOptions {
  /// Lower case without accents, as BERT's "uncased" models want it.
  bool lowercase = true;
  /// Whether encode() puts [CLS] before and [SEP] behind the text.
  bool special_tokens = true;
  /// Most tokens of a text, special ones included; the rest is cut off. 0: no limit.
  int64_t max_length = 0;
  /// A longer word (in characters) becomes [UNK] as a whole.
  int64_t max_word_characters = 100;
  /// How many tokens the vocabulary must have, as the model that reads them says; 0: any number.
  int64_t vocab_size = 0;
};

/// BERT's tokenizer (Devlin et al. 2019): text is cleaned, words are cut at blanks, punctuation and Chinese characters,
/// and each is taken apart into the longest pieces that the vocabulary has; pieces that continue a word begin with
/// "##". Equal to Hugging Face's fast BertTokenizer, except that text never becomes a special token. (BERT's own
/// program also drops characters that Unicode has not assigned yet.)
class WordPiece final : public Tokenizer {
 public:
  /// Of no tokens: load_state() gives them.
  WordPiece();
  /// Reads BERT's vocab.txt: one token a line, numbered from 0. Throws E017, with file and line.
  static WordPiece load(const std::string& path, const WordPieceOptions& options = {});
  /// The same from memory; `name` stands for the file in messages.
  static WordPiece parse(std::string_view vocabulary, const WordPieceOptions& options = {},
                         const std::string& name = "vocabulary");
  void save(const std::string& path) const;

  std::string kind() const override { return "word_piece"; }
  /// Throws E017 for text that is not UTF-8.
  std::vector<int64_t> encode(std::string_view text) const override;
  /// Words separated by blanks, pieces joined, special tokens left out. What encode() dropped does not come back.
  std::string decode(std::span<const int64_t> ids) const override;
  using Tokenizer::decode;
  int64_t size() const override;
  std::optional<int64_t> end_token() const override { return token("[SEP]"); }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;

  /// Number of a token as the vocabulary writes it ("[PAD]", "##ing").
  std::optional<int64_t> token(std::string_view name) const;
  const WordPieceOptions& options() const;

 private:
  struct Learnt;
  std::string vocabulary_file() const;
  std::shared_ptr<Learnt> learnt_;
};

}  // namespace fulmen::data
