#include <fulmen/data/csv.h>
#include <fulmen/data/rows.h>
#include <fulmen/tensor/nearest_name.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace fulmen::data {

void fail_data(const std::string& place, const std::string& what, const std::string& fix) {
  throw Error("E017", str(place, ": ", what), fix);
}

CsvTable::CsvTable(std::string source, std::vector<std::shared_ptr<const CsvColumn>> columns,
                   std::shared_ptr<const std::vector<int64_t>> lines)
    : source_(std::move(source)), columns_(std::move(columns)), lines_(std::move(lines)) {
  for (const auto& c : columns_) {
    const auto size = static_cast<int64_t>(c->is_text ? c->codes.size() : c->numbers.size());
    if (c == columns_.front()) rows_ = size;
    FULMEN_CHECK(size == rows_, "CsvTable: column '", c->name, "' has ", size, " rows, column '",
                 columns_.front()->name, "' has ", rows_);
  }
}

std::vector<std::string> CsvTable::names() const {
  std::vector<std::string> names;
  for (const auto& c : columns_) names.push_back(c->name);
  return names;
}

const CsvColumn* CsvTable::find(std::string_view name) const {
  for (const auto& c : columns_) {
    if (c->name == name) return c.get();
  }
  return nullptr;
}

const CsvColumn& CsvTable::column(std::string_view name) const {
  if (const CsvColumn* found = find(name)) return *found;
  std::string nearest = nearest_name(name, names()), all;
  constexpr size_t shown = 30;
  for (size_t i = 0; i < columns_.size() && i < shown; ++i) all += (i > 0 ? ", " : "") + columns_[i]->name;
  if (columns_.size() > shown) all += str(", and ", columns_.size() - shown, " more");
  fail_data(source_, str("there is no column '", name, "'; the columns are ", all),
            nearest.empty() ? "name one of these columns" : str("did you mean '", nearest, "'?"));
}

std::span<const double> CsvTable::numbers(std::string_view name) const {
  const CsvColumn& c = column(name);
  if (c.is_text) {
    int64_t row = 0;
    while (row < rows_ && c.codes[static_cast<size_t>(row)] < 0) ++row;
    fail_data(place(row, name),
              c.categories.empty() ? "this is a text column" : str("'", text(name, row), "' is not a number"),
              "correct the cell, leave it empty if the value is missing, or drop the column");
  }
  return c.numbers;
}

std::string CsvTable::text(std::string_view name, int64_t row) const {
  const CsvColumn& c = column(name);
  FULMEN_CHECK_INDEX(row >= 0 && row < rows_, "CsvTable: row ", row, " of ", rows_);
  if (c.is_text) {
    int32_t code = c.codes[static_cast<size_t>(row)];
    return code < 0 ? std::string() : c.categories[static_cast<size_t>(code)];
  }
  const double value = c.numbers[static_cast<size_t>(row)];
  if (std::isnan(value)) return {};
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

CsvTable CsvTable::select(const std::vector<std::string>& names) const {
  CsvTable result = *this;
  result.columns_.clear();
  for (const std::string& name : names) {
    const CsvColumn* wanted = &column(name);
    for (const auto& c : columns_) {
      if (c.get() == wanted) result.columns_.push_back(c);
    }
  }
  return result;
}

CsvTable CsvTable::drop(const std::vector<std::string>& names) const {
  CsvTable result = *this;
  for (const std::string& name : names) {
    const CsvColumn* unwanted = &column(name);
    std::erase_if(result.columns_, [unwanted](const auto& c) { return c.get() == unwanted; });
  }
  return result;
}

CsvTable CsvTable::take(std::span<const int64_t> rows) const {
  for (int64_t row : rows) FULMEN_CHECK_INDEX(row >= 0 && row < rows_, "CsvTable: row ", row, " of ", rows_);
  auto pick = [rows](const auto& from, auto& to) {
    if (from.empty()) return;
    to.reserve(rows.size());
    for (int64_t row : rows) to.push_back(from[static_cast<size_t>(row)]);
  };
  CsvTable result = *this;
  for (auto& c : result.columns_) {
    auto taken = std::make_shared<CsvColumn>();
    taken->name = c->name;
    taken->is_text = c->is_text;
    taken->categories = c->categories;
    pick(c->numbers, taken->numbers);
    pick(c->codes, taken->codes);
    c = std::move(taken);
  }
  if (lines_ && !lines_->empty()) {
    auto lines = std::make_shared<std::vector<int64_t>>();
    pick(*lines_, *lines);
    result.lines_ = std::move(lines);
  }
  result.rows_ = static_cast<int64_t>(rows.size());
  return result;
}

Tensor CsvTable::tensor(std::string_view name, ScalarType dtype) const {
  std::span<const double> values = numbers(name);
  for (size_t row = 0; row < values.size(); ++row) {
    if (std::isnan(values[row])) {
      fail_data(place(static_cast<int64_t>(row), name), "the value is missing", "fill the cell, or remove the row");
    }
  }
  return rows_of(values, dtype);
}

Tensor CsvTable::tensor(ScalarType dtype) const {
  Tensor result = empty_rows({rows_, columns()}, kDouble);
  auto* out = result.data_ptr<double>();
  for (size_t c = 0; c < columns_.size(); ++c) {
    std::span<const double> values = numbers(columns_[c]->name);
    for (size_t row = 0; row < values.size(); ++row) {
      if (std::isnan(values[row])) {
        fail_data(place(static_cast<int64_t>(row), columns_[c]->name), "the value is missing",
                  "fill the cell, remove the row, or use a TableEncoder, which fills it");
      }
      out[row * columns_.size() + c] = values[row];
    }
  }
  return dtype == kDouble ? result : result.to(dtype);
}

int64_t CsvTable::line(int64_t row) const {
  return lines_ && row >= 0 && row < static_cast<int64_t>(lines_->size()) ? (*lines_)[static_cast<size_t>(row)] : 0;
}

std::string CsvTable::place(int64_t row, std::string_view column) const {
  const int64_t at = line(row);
  return str(source_, at > 0 ? str(":", at) : str(", row ", row), ", column '", column, "'");
}

}  // namespace fulmen::data
