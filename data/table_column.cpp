#include <fulmen/data/table_column.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace fulmen::data {

namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

struct Moments {
  double mean = 0, deviation = 1, skewness = 0;
};
Moments moments(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Moments m;
  for (double v : values) m.mean += v / n;
  double second = 0, third = 0;
  for (double v : values) {
    const double d = v - m.mean;
    second += d * d / n;
    third += d * d * d / n;
  }
  const double deviation = std::sqrt(second);
  if (deviation > 1e-12 * std::max(1.0, std::fabs(m.mean))) {
    m.deviation = deviation;
    m.skewness = third / (deviation * deviation * deviation);
  }
  return m;
}

/// The different ones among the values that split `values` into `bins` equal parts, with both ends; none if there are
/// too few for a bend.
std::vector<double> quantile_edges(std::vector<double> values, int64_t bins) {
  std::sort(values.begin(), values.end());
  std::vector<double> edges;
  for (int64_t k = 0; k <= bins; ++k) {
    const double place = static_cast<double>(k) / static_cast<double>(bins) * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const double above = values[std::min(below + 1, values.size() - 1)];
    const double edge = values[below] + (place - static_cast<double>(below)) * (above - values[below]);
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  if (edges.size() < 4) edges.clear();
  return edges;
}

/// Values below zero appear only after training; they have no logarithm worth having.
double log_of(double value) { return std::log1p(std::max(value, 0.0)); }

/// A column's numbers, also where the file's other rows made it a text column.
std::vector<double> numbers_of(const CsvTable& table, const std::string& name) {
  const CsvColumn& c = table.column(name);
  if (!c.is_text) return c.numbers;
  std::vector<double> by_category;
  std::vector<bool> is_number;
  for (const std::string& text : c.categories) {
    bool ok = false;
    by_category.push_back(parse_number(text, ok));
    is_number.push_back(ok);
  }
  std::vector<double> values;
  values.reserve(c.codes.size());
  for (size_t row = 0; row < c.codes.size(); ++row) {
    const int32_t code = c.codes[row];
    if (code >= 0 && !is_number[static_cast<size_t>(code)]) {
      fail_data(
          table.place(static_cast<int64_t>(row), name),
          str("'", c.categories[static_cast<size_t>(code)], "' is not a number; the column held numbers in training"),
          "correct the cell, or leave it empty if the value is missing");
    }
    values.push_back(code < 0 ? std::numeric_limits<double>::quiet_NaN() : by_category[static_cast<size_t>(code)]);
  }
  return values;
}

/// A column's texts as codes, also where the file's rows made it a number column.
CsvColumn texts_of(const CsvTable& table, const std::string& name) {
  const CsvColumn& c = table.column(name);
  if (c.is_text) return c;
  CsvColumn result;
  result.name = name;
  result.is_text = true;
  std::unordered_map<std::string, int32_t> codes;
  for (int64_t row = 0; row < table.rows(); ++row) {
    std::string text = table.text(name, row);
    if (text.empty()) {
      result.codes.push_back(-1);
      continue;
    }
    auto [found, is_new] = codes.emplace(text, static_cast<int32_t>(codes.size()));
    if (is_new) result.categories.push_back(text);
    result.codes.push_back(found->second);
  }
  return result;
}

/// Writes one column's features into rows of `features` numbers.
struct FeatureWriter {
  float* out;
  int64_t features, first;
  float& at(int64_t row, int64_t k) const { return out[row * features + first + k]; }
};

void encode_numbers(const TableColumn& column, const CsvTable& table, double clip, const FeatureWriter& writer,
                    EncodingReport& report) {
  std::vector<double> values = numbers_of(table, column.name);
  for (int64_t row = 0; row < table.rows(); ++row) {
    double v = values[static_cast<size_t>(row)];
    const bool missing = std::isnan(v);
    if (missing) v = column.fill;
    if (column.log) v = log_of(v);
    const double scaled = (v - column.mean) / column.deviation;
    writer.at(row, 0) = static_cast<float>(std::clamp(scaled, -clip, clip));
    for (int64_t k = 0; k < column.bins(); ++k) {
      const double low = column.edges[static_cast<size_t>(k)], high = column.edges[static_cast<size_t>(k) + 1];
      writer.at(row, 1 + k) = static_cast<float>(std::clamp((scaled - low) / (high - low), 0.0, 1.0));
    }
    if (column.missing_feature) writer.at(row, 1 + column.bins()) = missing ? 1.0f : 0.0f;
    report.filled_numbers += missing;
  }
}

void encode_texts(const TableColumn& column, const CsvTable& table, const FeatureWriter& writer,
                  EncodingReport& report) {
  const CsvColumn source = texts_of(table, column.name);
  const int64_t count = column.features(), known = static_cast<int64_t>(column.categories.size());
  const int64_t other = column.has_other ? count - 1 : -1, missing = column.has_missing ? known : other;
  std::vector<int64_t> feature_of(source.categories.size(), other);
  std::vector<bool> is_known(source.categories.size());
  for (size_t k = 0; k < source.categories.size(); ++k) {
    auto found = std::lower_bound(column.categories.begin(), column.categories.end(), source.categories[k]);
    is_known[k] = found != column.categories.end() && *found == source.categories[k];
    if (is_known[k]) feature_of[k] = found - column.categories.begin();
  }
  std::unordered_map<int32_t, size_t> reported;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const int32_t code = source.codes[static_cast<size_t>(row)];
    const int64_t hot = code < 0 ? missing : feature_of[static_cast<size_t>(code)];
    for (int64_t k = 0; k < count; ++k) {
      double v = k == hot ? 1 : 0;
      if (!column.category_mean.empty()) {
        v = (v - column.category_mean[static_cast<size_t>(k)]) / column.category_deviation[static_cast<size_t>(k)];
      }
      writer.at(row, k) = static_cast<float>(v);
    }
    if (hot >= 0 && (code < 0 || is_known[static_cast<size_t>(code)] || column.has_other)) continue;
    auto [entry, is_new] = reported.emplace(code, report.unknown.size());
    if (is_new) {
      report.unknown.push_back({column.name, code < 0 ? "(missing)" : source.categories[static_cast<size_t>(code)], 0,
                                table.place(row, column.name)});
    }
    ++report.unknown[entry->second].rows;
  }
}

}  // namespace

void TableColumn::fit(const CsvTable& table, const TableEncoderOptions& options) {
  is_text = table.column(name).is_text;
  if (is_text) {
    fit_texts(table, options);
  } else {
    fit_numbers(table, options);
  }
}

void TableColumn::fit_numbers(const CsvTable& table, const TableEncoderOptions& options) {
  std::vector<double> values = table.column(name).numbers, present;
  for (double v : values) {
    if (!std::isnan(v)) present.push_back(v);
  }
  if (present.empty()) return;  // says nothing: becomes zeros
  missing_feature = options.missing_feature && present.size() < values.size();
  fill = options.fill == TableEncoderOptions::Fill::Median ? median(present) : moments(present).mean;
  for (double& v : values) v = std::isnan(v) ? fill : v;
  Moments m = moments(values);
  if (m.skewness > options.log_above_skewness && *std::min_element(values.begin(), values.end()) >= 0) {
    log = true;
    for (double& v : values) v = log_of(v);
    m = moments(values);
  }
  mean = m.mean;
  deviation = m.deviation;
  const int64_t bins = std::min(options.bins, static_cast<int64_t>(values.size()) / options.min_bin_rows);
  if (bins == 0) return;
  for (double& v : values) v = (v - mean) / deviation;
  edges = quantile_edges(std::move(values), bins);
}

void TableColumn::fit_texts(const CsvTable& table, const TableEncoderOptions& options) {
  const CsvColumn& source = table.column(name);
  std::vector<int64_t> rows_with(source.categories.size());
  int64_t missing = 0;
  for (int32_t code : source.codes) ++(code < 0 ? missing : rows_with[static_cast<size_t>(code)]);
  std::vector<size_t> kept, seen;
  for (size_t k = 0; k < rows_with.size(); ++k) {
    if (rows_with[k] > 0) seen.push_back(k);  // others are in rows that were not taken for training
    if (rows_with[k] >= options.min_category_rows) kept.push_back(k);
  }
  std::sort(kept.begin(), kept.end(), [&](size_t a, size_t b) {
    return rows_with[a] != rows_with[b] ? rows_with[a] > rows_with[b] : source.categories[a] < source.categories[b];
  });
  if (static_cast<int64_t>(kept.size()) > options.max_categories)
    kept.resize(static_cast<size_t>(options.max_categories));
  std::sort(kept.begin(), kept.end(), [&](size_t a, size_t b) { return source.categories[a] < source.categories[b]; });

  int64_t other = table.rows() - missing;
  std::vector<int64_t> counts;
  for (size_t k : kept) {
    categories.push_back(source.categories[k]);
    counts.push_back(rows_with[k]);
    other -= rows_with[k];
  }
  has_missing = missing > 0;
  has_other = other > 0;
  if (has_missing) counts.push_back(missing);
  if (has_other) counts.push_back(other);
  if (!options.standardize_categories) return;
  for (int64_t count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(table.rows());
    category_mean.push_back(share);
    category_deviation.push_back(share < 1 ? std::sqrt(share * (1 - share)) : 1);
  }
}

void TableColumn::encode(const CsvTable& table, double clip, float* out, int64_t width, int64_t first,
                         EncodingReport& report) const {
  FeatureWriter writer{out, width, first};
  if (is_text) {
    encode_texts(*this, table, writer, report);
  } else {
    encode_numbers(*this, table, clip, writer, report);
  }
}

}  // namespace fulmen::data
