#pragma once
#include <fulmen/data/csv.h>

#include <deque>

namespace fulmen::data {

/// One field of a record.
struct CsvField {
  std::string_view text;  ///< without quotes; valid until the next record
  bool quoted = false;
};

/// Splits CSV text into records. Does not know types.
class CsvParser {
 public:
  /// Checks the encoding of the whole text.
  CsvParser(std::string_view text, const CsvOptions& options, std::string source);

  /// The next record that is not an empty line; false at the end.
  bool next(std::vector<CsvField>& fields);
  /// Line on which the last record begins, from 1.
  int64_t line() const { return record_line_; }
  void rewind();

 private:
  std::string_view unquoted_field();
  std::string_view quoted_field();
  bool at_line_end() const { return at_ == end_ || *at_ == '\n' || *at_ == '\r'; }
  void skip_line_end();
  void check_encoding(std::string_view text) const;

  const char *begin_, *end_, *at_;
  char delimiter_;
  int64_t max_field_bytes_, max_columns_;
  std::string source_;
  int64_t line_ = 1, record_line_ = 1;
  std::deque<std::string> unescaped_;  ///< fields of this record that held doubled quotes
  size_t unescaped_count_ = 0;
};

}  // namespace fulmen::data
