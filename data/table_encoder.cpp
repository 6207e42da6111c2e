#include <fulmen/data/rows.h>
#include <fulmen/data/table_column.h>
#include <fulmen/tensor/nearest_name.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

namespace fulmen::data {

using Json = nlohmann::json;

struct TableEncoder::Learnt {
  TableEncoderOptions options;
  std::vector<TableColumn> columns;
};

std::string EncodingReport::summary() const {
  if (unknown.empty()) return {};
  int64_t rows = 0;
  std::string list;
  constexpr size_t shown = 5;
  for (size_t i = 0; i < unknown.size(); ++i) {
    rows += unknown[i].rows;
    if (i < shown) {
      append(list, str(i > 0 ? "; '" : "'", unknown[i].category, "' (", unknown[i].rows,
                       unknown[i].rows == 1 ? " cell, " : " cells, first ", unknown[i].first_place, ")"));
    }
  }
  if (unknown.size() > shown) append(list, str("; and ", unknown.size() - shown, " more"));
  return str(rows, rows == 1 ? " cell holds a category" : " cells hold categories",
             " that training did not have, treated as none of the known ones: ", list);
}

TableEncoder::TableEncoder(TableEncoderOptions options) : learnt_(std::make_shared<Learnt>()) {
  FULMEN_CHECK(options.clip > 0, "TableEncoder: clip must be positive; got ", options.clip);
  FULMEN_CHECK(options.bins >= 0 && options.bins <= 4096, "TableEncoder: bins must be 0 to 4096; got ", options.bins);
  FULMEN_CHECK(options.min_bin_rows >= 1, "TableEncoder: min_bin_rows must be at least 1; got ", options.min_bin_rows);
  FULMEN_CHECK(options.min_category_rows >= 1 && options.max_categories >= 1,
               "TableEncoder: min_category_rows and max_categories must be at least 1; got ", options.min_category_rows,
               " and ", options.max_categories);
  learnt_->options = options;
}

const TableEncoder::Learnt& TableEncoder::learnt() const {
  FULMEN_CHECK(fitted(), "TableEncoder: call fit() on the training rows first, or load a checkpoint that holds it");
  return *learnt_;
}
bool TableEncoder::fitted() const { return !learnt_->columns.empty(); }

TableEncoder& TableEncoder::fit(const CsvTable& table) {
  FULMEN_CHECK(table.rows() > 0 && table.columns() > 0, "TableEncoder: cannot be fitted on ", table.rows(),
               " rows and ", table.columns(), " columns");
  std::vector<TableColumn> columns;
  for (const std::string& name : table.names()) {
    columns.emplace_back().name = name;
    columns.back().fit(table, learnt_->options);
  }
  learnt_->columns = std::move(columns);
  return *this;
}

namespace {

void check_columns(const CsvTable& table, const std::vector<std::string>& wanted) {
  std::string lacking, nearest;
  for (const std::string& name : wanted) {
    if (table.has(name)) continue;
    append(lacking, str(lacking.empty() ? "'" : ", '", name, "'"));
    std::string near = nearest_name(name, table.names());
    if (!near.empty()) append(nearest, str(nearest.empty() ? "" : ", ", "'", near, "' for '", name, "'"));
  }
  if (lacking.empty()) return;
  fail_data(table.source(), str("the model was trained with columns that are missing here: ", lacking),
            nearest.empty() ? "add them (cells may be empty), or check the delimiter and the header line"
                            : str("rename ", nearest, "?"));
}

}  // namespace

Tensor TableEncoder::operator()(const CsvTable& table, EncodingReport* report) const {
  const Learnt& l = learnt();
  check_columns(table, column_names());
  EncodingReport ignored;
  const int64_t width = features();
  Tensor result = empty_rows({table.rows(), width}, kFloat);
  int64_t first = 0;
  for (const TableColumn& column : l.columns) {
    column.encode(table, l.options.clip, result.data_ptr<float>(), width, first, report ? *report : ignored);
    first += column.features();
  }
  return result;
}

int64_t TableEncoder::features() const {
  int64_t count = 0;
  for (const TableColumn& column : learnt().columns) count += column.features();
  return count;
}

std::vector<std::string> TableEncoder::feature_names() const {
  std::vector<std::string> names;
  for (const TableColumn& column : learnt().columns) {
    if (!column.is_text) names.push_back(column.name);
    for (int64_t k = 1; k <= column.bins(); ++k) names.push_back(str(column.name, " bin ", k));
    if (column.missing_feature) names.push_back(column.name + " is missing");
    for (const std::string& category : column.categories) names.push_back(column.name + "=" + category);
    if (column.has_missing) names.push_back(column.name + "=(missing)");
    if (column.has_other) names.push_back(column.name + "=(other)");
  }
  return names;
}

std::vector<std::string> TableEncoder::column_names() const {
  std::vector<std::string> names;
  for (const TableColumn& column : learnt().columns) names.push_back(column.name);
  return names;
}

CsvOptions TableEncoder::csv_options(CsvOptions base) const {
  for (const TableColumn& column : learnt().columns) {
    (column.is_text ? base.text_columns : base.number_columns).push_back(column.name);
  }
  return base;
}

namespace {

/// JSON has no infinity; an option that is infinite is left out.
void put_finite(Json& json, const char* key, double value) {
  if (std::isfinite(value)) json[key] = value;
}

[[noreturn]] void fail_state(const std::string& what) {
  fail(str("TableEncoder: the stored state is damaged: ", what));
}

template <class T>
T get(const Json& json, const char* key) {
  auto found = json.find(key);
  if (found == json.end()) fail_state(str("'", key, "' is missing"));
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    fail_state(str("'", key, "' has the wrong type"));
  }
}

/// A stored list of numbers, in the order in which columns use them.
class NumberList {
 public:
  NumberList(const PreprocessorState& state, const char* name) : name_(name) {
    const Tensor* found = state.tensors.find(name);
    if (!found || !found->defined() || found->dim() != 1) fail_state(str("the tensor '", name, "' is missing"));
    values_ = found->detach().to(kCPU).to(kDouble).contiguous();
  }
  double next() {
    if (at_ == values_.numel()) fail_state(str("the tensor '", name_, "' is too short"));
    const double v = values_.data_ptr<double>()[at_++];
    if (!std::isfinite(v)) fail_state(str("the tensor '", name_, "' holds ", v));
    return v;
  }
  void check_end() const {
    if (at_ != values_.numel()) fail_state(str("the tensor '", name_, "' is too long"));
  }

 private:
  const char* name_;
  Tensor values_;
  int64_t at_ = 0;
};

TableColumn column_from(const Json& json, bool standardized, NumberList& numbers, NumberList& shares) {
  if (!json.is_object()) fail_state("a column is no object");
  TableColumn column;
  column.name = get<std::string>(json, "name");
  column.is_text = json.contains("categories");
  if (!column.is_text) {
    column.log = get<bool>(json, "log");
    column.missing_feature = get<bool>(json, "missing_feature");
    column.fill = numbers.next();
    column.mean = numbers.next();
    column.deviation = numbers.next();
    if (!(column.deviation > 0)) fail_state("a standard deviation is not positive");
    for (int64_t left = json.contains("edges") ? get<int64_t>(json, "edges") : 0; left > 0; --left) {
      column.edges.push_back(numbers.next());
    }
    if (column.edges.size() == 1 || !std::is_sorted(column.edges.begin(), column.edges.end(), std::less_equal<>())) {
      fail_state("the edges of bins do not ascend");
    }
    return column;
  }
  column.categories = get<std::vector<std::string>>(json, "categories");
  if (!std::is_sorted(column.categories.begin(), column.categories.end())) fail_state("categories are not sorted");
  column.has_missing = get<bool>(json, "has_missing");
  column.has_other = get<bool>(json, "has_other");
  for (int64_t k = 0; standardized && k < column.features(); ++k) {
    column.category_mean.push_back(shares.next());
    column.category_deviation.push_back(shares.next());
    if (!(column.category_deviation.back() > 0)) fail_state("a standard deviation is not positive");
  }
  return column;
}

}  // namespace

PreprocessorState TableEncoder::state() const {
  const TableEncoderOptions& o = learnt_->options;
  Json json = {{"fill", o.fill == TableEncoderOptions::Fill::Median ? "median" : "mean"},
               {"missing_feature", o.missing_feature},
               {"bins", o.bins},
               {"min_bin_rows", o.min_bin_rows},
               {"min_category_rows", o.min_category_rows},
               {"max_categories", o.max_categories},
               {"standardize_categories", o.standardize_categories},
               {"columns", Json::array()}};
  put_finite(json, "log_above_skewness", o.log_above_skewness);
  put_finite(json, "clip", o.clip);
  std::vector<double> numbers, shares;
  for (const TableColumn& column : learnt_->columns) {
    if (!column.is_text) {
      json["columns"].push_back(
          {{"name", column.name}, {"log", column.log}, {"missing_feature", column.missing_feature}});
      numbers.insert(numbers.end(), {column.fill, column.mean, column.deviation});
      if (!column.edges.empty()) json["columns"].back()["edges"] = column.edges.size();
      numbers.insert(numbers.end(), column.edges.begin(), column.edges.end());
      continue;
    }
    json["columns"].push_back({{"name", column.name},
                               {"categories", column.categories},
                               {"has_missing", column.has_missing},
                               {"has_other", column.has_other}});
    for (size_t k = 0; k < column.category_mean.size(); ++k) {
      shares.insert(shares.end(), {column.category_mean[k], column.category_deviation[k]});
    }
  }
  return {json.dump(), {{"numbers", rows_of(numbers, kDouble)}, {"shares", rows_of(shares, kDouble)}}};
}

void TableEncoder::load_state(const PreprocessorState& state) {
  check_json_depth("TableEncoder", state.json);
  Json json = Json::parse(state.json, nullptr, false);
  if (!json.is_object() || !json.contains("columns") || !json["columns"].is_array()) fail_state("it has no columns");
  TableEncoderOptions o;
  o.fill =
      get<std::string>(json, "fill") == "mean" ? TableEncoderOptions::Fill::Mean : TableEncoderOptions::Fill::Median;
  o.missing_feature = get<bool>(json, "missing_feature");
  o.bins = get<int64_t>(json, "bins");
  o.min_bin_rows = get<int64_t>(json, "min_bin_rows");
  o.min_category_rows = get<int64_t>(json, "min_category_rows");
  o.max_categories = get<int64_t>(json, "max_categories");
  o.standardize_categories = get<bool>(json, "standardize_categories");
  if (json.contains("log_above_skewness")) o.log_above_skewness = get<double>(json, "log_above_skewness");
  if (json.contains("clip")) o.clip = get<double>(json, "clip");
  TableEncoder checked(o);  // throws if an option is out of range
  NumberList numbers(state, "numbers"), shares(state, "shares");
  for (const Json& column : json["columns"]) {
    checked.learnt_->columns.push_back(column_from(column, o.standardize_categories, numbers, shares));
  }
  numbers.check_end();
  shares.check_end();
  *learnt_ = std::move(*checked.learnt_);
}

}  // namespace fulmen::data
