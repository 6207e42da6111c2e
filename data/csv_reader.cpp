#include <fulmen/data/csv_parser.h>
#include <fulmen/data/file_bytes.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace fulmen::data {

namespace {

constexpr double no_value = std::numeric_limits<double>::quiet_NaN();

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// A column while it is read. Numbers are kept until the first text shows; what the column is, is decided at the end.
struct ColumnReader {
  enum class Wanted { Either, Text, Numbers } wanted = Wanted::Either;
  CsvColumn column;
  int64_t numbers = 0, texts = 0, first_text_row = -1;
  bool collects_text = false, read_again = false;
  std::string first_text;
  std::unordered_map<std::string, int32_t, TextHash, std::equal_to<>> codes;

  void add_missing() {
    if (collects_text) {
      column.codes.push_back(-1);
    } else {
      column.numbers.push_back(no_value);
    }
  }
  void add_text(std::string_view text) {
    auto found = codes.find(text);
    if (found == codes.end()) {
      found = codes.emplace(text, static_cast<int32_t>(column.categories.size())).first;
      column.categories.emplace_back(text);
    }
    column.codes.push_back(found->second);
  }
  /// The column turned out to hold text after `rows` empty cells.
  void collect_text(size_t rows) {
    collects_text = true;
    column.numbers = {};
    column.codes.assign(rows, -1);
  }
  /// Mostly numbers: a text among them is a slip, not a category.
  bool is_slip() const { return texts > 0 && numbers > texts && (texts <= 3 || numbers >= 9 * texts); }
};

class CsvReader {
 public:
  CsvReader(std::string_view text, const CsvOptions& options, const std::string& source)
      : text_(text), options_(options), source_(source), parser_(text, options, source) {
    for (const std::string& word : options_.missing) {
      bool number = false;
      parse_number(word, number);
      missing_numbers_ = missing_numbers_ || number;
    }
  }
  CsvTable read();

 private:
  void read_header();
  void add_columns(size_t count);
  void read_rows();
  void read_field(ColumnReader& reader, const CsvField& field, size_t row);
  void decide_types();
  void collect_texts();
  bool is_missing(const CsvField& field) const;
  void check_field_count(const std::vector<CsvField>& fields) const;
  [[noreturn]] void fail_text_among_numbers(const ColumnReader& reader, int64_t line) const;

  std::string_view text_;
  const CsvOptions& options_;
  const std::string& source_;
  CsvParser parser_;
  bool missing_numbers_ = false;
  std::vector<ColumnReader> readers_;
  std::vector<int64_t> lines_;
  int64_t header_line_ = 0;
};

bool CsvReader::is_missing(const CsvField& field) const {
  if (field.text.empty()) return true;
  return std::find(options_.missing.begin(), options_.missing.end(), field.text) != options_.missing.end();
}

void CsvReader::add_columns(size_t count) {
  const auto newlines = static_cast<size_t>(std::count(text_.begin(), text_.end(), '\n'));
  readers_.resize(count);
  for (ColumnReader& reader : readers_) reader.column.numbers.reserve(std::min(newlines, text_.size() / count) + 1);
}

void CsvReader::read_header() {
  std::vector<CsvField> fields;
  if (!parser_.next(fields))
    fail_data(source_, "the file is empty", "give a file with a line of column names and rows");
  add_columns(fields.size());
  header_line_ = parser_.line();
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string name(options_.header ? fields[i].text : std::string_view());
    readers_[i].column.name = name.empty() ? str("column_", i + 1) : name;
  }
  std::unordered_map<std::string_view, size_t> seen;
  for (size_t i = 0; i < readers_.size(); ++i) {
    ColumnReader& reader = readers_[i];
    auto [other, is_new] = seen.emplace(reader.column.name, i + 1);
    if (!is_new) {
      fail_data(str(source_, ":", header_line_),
                str("the name '", reader.column.name, "' is given to columns ", other->second, " and ", i + 1),
                "give every column a name of its own");
    }
    auto listed = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), reader.column.name) != names.end();
    };
    if (listed(options_.text_columns)) {
      reader.wanted = ColumnReader::Wanted::Text;
      reader.collect_text(0);
    } else if (listed(options_.number_columns)) {
      reader.wanted = ColumnReader::Wanted::Numbers;
    }
  }
  if (!options_.header) parser_.rewind();
}

void CsvReader::check_field_count(const std::vector<CsvField>& fields) const {
  if (fields.size() == readers_.size()) return;
  std::string fix = "quote fields that contain the delimiter, and leave missing cells empty";
  if (readers_.size() == 1) {
    for (char other : {';', '\t', '|', ','}) {
      if (other != options_.delimiter && readers_[0].column.name.find(other) != std::string::npos) {
        fix = str("the header looks as if fields were separated by '", other == '\t' ? "\\t" : std::string(1, other),
                  "': set CsvOptions::delimiter");
      }
    }
  }
  fail_data(str(source_, ":", parser_.line()),
            str(fields.size(), fields.size() == 1 ? " field" : " fields", " where ",
                options_.header ? "the header" : "the first line", " (line ", header_line_, ") has ", readers_.size()),
            fix);
}

void CsvReader::fail_text_among_numbers(const ColumnReader& reader, int64_t line) const {
  constexpr size_t shown = 40;
  std::string text = reader.first_text.size() > shown ? reader.first_text.substr(0, shown) + "..." : reader.first_text;
  std::string others = reader.wanted == ColumnReader::Wanted::Numbers
                           ? "; this column holds numbers"
                           : str("; ", reader.numbers, " other values of the column are numbers");
  fail_data(
      str(source_, ":", line, ", column '", reader.column.name, "'"), str("'", text, "' is not a number", others),
      reader.wanted == ColumnReader::Wanted::Numbers
          ? "correct the cell, or leave it empty if the value is missing"
          : "correct the cell, leave it empty if the value is missing, drop the column, or list it in text_columns");
}

void CsvReader::read_field(ColumnReader& reader, const CsvField& field, size_t row) {
  if (reader.wanted == ColumnReader::Wanted::Text) {
    if (is_missing(field)) {
      reader.add_missing();
    } else {
      reader.add_text(field.text);
    }
    return;
  }
  bool is_number = false;
  const double value = parse_number(field.text, is_number);
  if ((!is_number || missing_numbers_) && is_missing(field)) return reader.add_missing();
  if (is_number) {
    ++reader.numbers;
    if (reader.collects_text) {
      reader.add_text(field.text);
    } else {
      reader.column.numbers.push_back(value);
    }
    return;
  }
  if (reader.texts++ == 0) {
    reader.first_text_row = static_cast<int64_t>(row);
    reader.first_text = std::string(field.text.substr(0, 200));
    if (reader.wanted == ColumnReader::Wanted::Numbers) fail_text_among_numbers(reader, lines_[row]);
    if (reader.numbers == 0) reader.collect_text(row);
  }
  if (reader.collects_text) {
    reader.add_text(field.text);
  } else {
    reader.column.numbers.push_back(no_value);
  }
}

void CsvReader::read_rows() {
  std::vector<CsvField> fields;
  while (parser_.next(fields)) {
    check_field_count(fields);
    const size_t row = lines_.size();
    lines_.push_back(parser_.line());
    for (size_t c = 0; c < fields.size(); ++c) read_field(readers_[c], fields[c], row);
  }
  if (lines_.empty()) {
    fail_data(source_, str("there are no rows below the header (line ", header_line_, ")"),
              "give at least one row of values");
  }
  if (lines_.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    fail_data(source_, str(lines_.size(), " rows; the limit is 2^31 - 1"), "split the file");
  }
}

void CsvReader::decide_types() {
  const ColumnReader* first_slip = nullptr;
  for (ColumnReader& reader : readers_) {
    if (reader.wanted == ColumnReader::Wanted::Text) continue;
    if (reader.is_slip()) {
      if (!first_slip || reader.first_text_row < first_slip->first_text_row) first_slip = &reader;
    } else if (reader.texts > 0 && !reader.collects_text) {
      reader.read_again = true;
    }
  }
  if (first_slip) fail_text_among_numbers(*first_slip, lines_[static_cast<size_t>(first_slip->first_text_row)]);
}

/// A second pass for columns of text that began with numbers: their first texts were not kept.
void CsvReader::collect_texts() {
  std::vector<size_t> again;
  for (size_t c = 0; c < readers_.size(); ++c) {
    if (!readers_[c].read_again) continue;
    readers_[c].collect_text(0);
    again.push_back(c);
  }
  if (again.empty()) return;
  std::vector<CsvField> fields;
  parser_.rewind();
  if (options_.header) parser_.next(fields);
  while (parser_.next(fields)) {
    for (size_t c : again) {
      if (is_missing(fields[c])) {
        readers_[c].add_missing();
      } else {
        readers_[c].add_text(fields[c].text);
      }
    }
  }
}

CsvTable CsvReader::read() {
  read_header();
  read_rows();
  decide_types();
  collect_texts();
  std::vector<std::shared_ptr<const CsvColumn>> columns;
  for (ColumnReader& reader : readers_) {
    reader.column.is_text = reader.collects_text;
    columns.push_back(std::make_shared<const CsvColumn>(std::move(reader.column)));
  }
  return CsvTable(source_, std::move(columns), std::make_shared<const std::vector<int64_t>>(std::move(lines_)));
}

void check_options(const CsvOptions& options) {
  const char d = options.delimiter;
  FULMEN_CHECK(d != '"' && d != '\n' && d != '\r' && d != '\0' && static_cast<unsigned char>(d) < 0x80,
               "CsvOptions: the delimiter must be an ASCII character other than a quote or a line break");
  FULMEN_CHECK(options.max_bytes > 0 && options.max_columns > 0 && options.max_field_bytes > 0,
               "CsvOptions: limits must be positive");
}

}  // namespace

CsvTable parse_csv(std::string_view text, const CsvOptions& options, const std::string& source) {
  check_options(options);
  FULMEN_CHECK(static_cast<int64_t>(text.size()) <= options.max_bytes, source, ": more than ", options.max_bytes,
               " bytes");
  return CsvReader(text, options, source).read();
}

CsvTable read_csv(const std::string& path, const CsvOptions& options) {
  check_options(options);
  return parse_csv(read_file(path, options.max_bytes, "CsvOptions::max_bytes"), options, path);
}

}  // namespace fulmen::data
