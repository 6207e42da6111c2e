#pragma once
#include <fulmen/data/example.h>
#include <fulmen/data/text/tokenizer.h>
#include <fulmen/tensor/tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

// Text as batches of tokens.
namespace fulmen::data {

/// What a language model learns from: stretches of `context` tokens (data) and, for each of them, the token that
/// follows (target). A dataset for DataLoader: Example<> with int64[context] each, one stretch every `stride` tokens.
class TokenWindows {
 public:
  /// tokens: int64[n]. Throws E017 if there are not even context + 1 of them.
  TokenWindows(Tensor tokens, int64_t context, int64_t stride = 1);
  int64_t size() const { return windows_; }
  Example<> get(int64_t index) const;

 private:
  Tensor tokens_;
  int64_t context_, stride_, windows_;
};

/// Texts of different lengths as one tensor.
struct TokenBatch {
  Tensor ids;      ///< int64[rows, longest]
  Tensor mask;     ///< bool[rows, longest]: true where there is a token, false where there is padding
  Tensor lengths;  ///< int64[rows]
};
enum class PadSide { Left, Right };
/// Throws on an empty list; a text without tokens is all padding.
TokenBatch pad_tokens(std::span<const std::vector<int64_t>> rows, int64_t pad, PadSide side = PadSide::Right);

/// A batch of texts that each have a target.
struct TextExample {
  Tensor ids;     ///< int64[rows, longest]
  Tensor mask;    ///< bool[rows, longest]
  Tensor target;  ///< [rows]; undefined if there are no targets
};
/// Texts and targets as a dataset for DataLoader, each batch as long as its longest text.
class TokenRows {
 public:
  /// targets: [rows], or undefined.
  TokenRows(std::vector<std::vector<int64_t>> rows, Tensor targets, int64_t pad);
  TextExample get_batch(ArrayRef<size_t> indices) const;
  std::optional<size_t> size() const { return rows_->size(); }

 private:
  std::shared_ptr<const std::vector<std::vector<int64_t>>> rows_;
  Tensor targets_;
  int64_t pad_;
};

/// encode() of each text: at most `longest` tokens of it (0: all), and token 0 for a text without any.
std::vector<std::vector<int64_t>> encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                               int64_t longest = 0);

/// What each token says about a target between 0 and 1, by itself: log((p + 1) / (q + 1)) plus a constant, where p adds
/// up the targets of the texts that contain the token and q what they lack to 1; the constant makes it 0 for a token
/// that comes as often with one as with the other. float32[tokens], 0 for tokens that no text has. A sum of these is
/// naive Bayes, a good start for a bag of words (Wang and Manning 2012, "Baselines and Bigrams").
Tensor log_count_ratios(std::span<const std::vector<int64_t>> rows, const Tensor& targets, int64_t tokens);

/// The lines of a file that are not blank. Throws E017 if there is none and, with the line, for bytes that are not
/// UTF-8.
std::vector<std::string> read_lines(const std::string& path);

/// Texts with a label each.
struct LabelledTexts {
  std::vector<std::string> texts;
  Tensor labels;                         ///< float32[n]: the numbers of the file, or positions in `label_names`
  std::vector<std::string> label_names;  ///< the different labels if they are words, sorted; else empty
  /// How many different labels there are. Throws E017 if that is one, from which nothing can be learned, or if they are
  /// words of more than two kinds, which have no order.
  int64_t check_kinds() const;
};
/// Reads two columns of a CSV file, or of a TSV file if its name ends in ".tsv" or ".tab". Throws E017 with file, line
/// and column for what is wrong, missing values included.
LabelledTexts read_labelled_texts(const std::string& path, const std::string& text_column = "text",
                                  const std::string& label_column = "label");
/// Reads two files of one text a line: label 0 for those of the first, 1 for the second. Empty lines are skipped.
/// Throws E017 for a file without texts and, with the line, for bytes that are not UTF-8.
LabelledTexts read_two_files(const std::string& negative_path, const std::string& positive_path);

/// Random parts, one per fraction and the rest as the last, as split() of a table cuts it (data/split.h).
std::vector<LabelledTexts> split(const LabelledTexts& texts, const std::vector<double>& fractions, uint64_t seed);

}  // namespace fulmen::data
