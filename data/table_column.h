#pragma once
#include <fulmen/data/table_encoder.h>

namespace fulmen::data {

/// One column of a table and the features it becomes: the part of TableEncoder that knows numbers and texts.
struct TableColumn {
  std::string name;
  bool is_text = false;
  // Numbers: (value - mean) / deviation, of the value, its logarithm, or `fill`.
  double fill = 0, mean = 0, deviation = 1;
  bool log = false, missing_feature = false;
  std::vector<double> edges;  ///< of the bins, ascending, in standardised units; empty without bins
  // Texts: one feature per category (sorted), then "(missing)" and "(other)" where training had them.
  std::vector<std::string> categories;
  bool has_missing = false, has_other = false;
  std::vector<double> category_mean, category_deviation;  ///< empty unless categories are standardised

  int64_t bins() const { return edges.empty() ? 0 : static_cast<int64_t>(edges.size()) - 1; }
  int64_t features() const {
    return is_text ? static_cast<int64_t>(categories.size()) + has_missing + has_other : 1 + bins() + missing_feature;
  }
  void fit(const CsvTable& table, const TableEncoderOptions& options);
  /// Writes features first, first + 1, ... of all rows of `out`, which are `width` numbers long.
  void encode(const CsvTable& table, double clip, float* out, int64_t width, int64_t first,
              EncodingReport& report) const;

 private:
  void fit_numbers(const CsvTable& table, const TableEncoderOptions& options);
  void fit_texts(const CsvTable& table, const TableEncoderOptions& options);
};

}  // namespace fulmen::data
