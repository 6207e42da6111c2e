#pragma once
#include <fulmen/tensor/tensor.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulmen::data {

struct CsvOptions {
  char delimiter = ',';
  /// The first record names the columns; otherwise they are called column_1, column_2, ...
  bool header = true;
  /// Fields that stand for "no value", in number and text columns. An unquoted empty field always does.
  std::vector<std::string> missing = {"NA", "N/A", "NaN", "nan", "null", "NULL"};
  /// Columns that are read as text, or as numbers, whatever they hold. Names that the file lacks are ignored.
  std::vector<std::string> text_columns{}, number_columns{};
  /// Limits for files from strangers.
  int64_t max_bytes = int64_t{1} << 34, max_columns = 20000, max_field_bytes = int64_t{1} << 24;
};

/// One column: numbers, or texts kept as indices into the list of different texts.
struct CsvColumn {
  std::string name;
  bool is_text = false;
  /// Numbers; NaN where there is no value. Empty for a text column.
  std::vector<double> numbers;
  /// Index into `categories` per row; -1 where there is no value. Empty for a number column.
  std::vector<int32_t> codes;
  /// The different texts, in the order in which the file first has them.
  std::vector<std::string> categories;
};

/// A table of typed columns, as read from a CSV file. Copies and selections share the columns.
class CsvTable {
 public:
  CsvTable() = default;
  /// `lines`: line of the file on which each row begins; may be empty.
  CsvTable(std::string source, std::vector<std::shared_ptr<const CsvColumn>> columns,
           std::shared_ptr<const std::vector<int64_t>> lines);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return static_cast<int64_t>(columns_.size()); }
  std::vector<std::string> names() const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Throws if there is no such column, and says which name is nearest.
  const CsvColumn& column(std::string_view name) const;
  const CsvColumn& column(int64_t index) const { return *columns_.at(static_cast<size_t>(index)); }
  const CsvColumn* find(std::string_view name) const;
  /// The values of a number column; throws for a text column and shows its first text.
  std::span<const double> numbers(std::string_view name) const;
  /// The text of a cell, as categories are written; empty where there is no value.
  std::string text(std::string_view name, int64_t row) const;

  /// The named columns, in this order.
  CsvTable select(const std::vector<std::string>& names) const;
  /// All columns but these.
  CsvTable drop(const std::vector<std::string>& names) const;
  /// The given rows, in this order; a row may be named several times.
  CsvTable take(std::span<const int64_t> rows) const;

  /// A number column as a tensor [rows]. Throws, with the line, if a value is missing.
  Tensor tensor(std::string_view name, ScalarType dtype = kFloat) const;
  /// All columns as a tensor [rows, columns]. Throws if one is text or a value is missing.
  Tensor tensor(ScalarType dtype = kFloat) const;

  /// Name of the file, for messages.
  const std::string& source() const { return source_; }
  /// Line of the file on which a row begins; 0 if it is not known.
  int64_t line(int64_t row) const;
  /// "houses.csv:17, column 'price'": where a message points.
  std::string place(int64_t row, std::string_view column) const;

 private:
  std::string source_;
  std::vector<std::shared_ptr<const CsvColumn>> columns_;
  std::shared_ptr<const std::vector<int64_t>> lines_;
  int64_t rows_ = 0;
};

/// Reads a file in the form of RFC 4180: fields may be quoted, a quote within is doubled, a quoted field may contain
/// delimiters and line breaks; lines end with LF, CRLF or CR; a byte order mark and empty lines are skipped. The text
/// is UTF-8. A column holds numbers if most of its values are numbers; a text among them is an error. Throws E017 with
/// file, line and column for everything that is wrong.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {});
/// The same from memory; `source` is the name used in messages.
CsvTable parse_csv(std::string_view text, const CsvOptions& options = {}, const std::string& source = "CSV text");

/// The number that a whole field (blanks around it aside) is, as in "12", "-0.5", "+1e3"; NaN with `ok` false if it is
/// none or is infinite.
double parse_number(std::string_view field, bool& ok);

/// Throws Error E017: `place`: `what`, with `fix`.
[[noreturn]] void fail_data(const std::string& place, const std::string& what, const std::string& fix);

}  // namespace fulmen::data
