#pragma once
#include <fulmen/data/example.h>
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

/// The lines of a file that are not blank. Throws E017 if there is none and, with the line, for bytes that are not
/// UTF-8.
std::vector<std::string> read_lines(const std::string& path);

/// Texts with a label each.
struct LabelledTexts {
  std::vector<std::string> texts;
  Tensor labels;                         ///< float64[n]: the numbers of the file, or positions in `label_names`
  std::vector<std::string> label_names;  ///< the different labels if they are words, sorted; else empty
};
/// Reads two columns of a CSV file, or of a TSV file if its name ends in ".tsv" or ".tab". Throws E017 with file, line
/// and column for what is wrong, missing values included.
LabelledTexts read_labelled_texts(const std::string& path, const std::string& text_column = "text",
                                  const std::string& label_column = "label");
/// Reads two files of one text a line: label 0 for those of the first, 1 for the second. Empty lines are skipped.
/// Throws E017 for a file without texts and, with the line, for bytes that are not UTF-8.
LabelledTexts read_two_files(const std::string& negative_path, const std::string& positive_path);

}  // namespace fulmen::data
