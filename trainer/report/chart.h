#pragma once
#include <fulmen/trainer/metric/probability.h>

#include <string>
#include <string_view>
#include <vector>

// Pictures for the run report, as inline SVG whose colours are the page's. Values that are not finite are left out.
namespace fulmen::trainer::report {

/// Text for HTML.
std::string escaped(std::string_view text);
/// A number for readers: at most four digits that count ("0.01234", "12.3M").
std::string readable(double value);

struct Series {
  std::string name;
  std::vector<double> x, y;
  bool steps = false;  ///< noisy values of single steps: drawn faintly, with a smoothed line on top
};

/// Lines over a common x; the y axis is logarithmic where positive values span more than two decades. With a legend
/// that says the last value of each.
std::string line_chart(const std::vector<Series>& lines, std::string_view x_label);
/// Points, with the line y = x if `diagonal`, or the line y = 0.
std::string scatter_chart(const std::vector<double>& x, const std::vector<double>& y, std::string_view x_label,
                          std::string_view y_label, bool diagonal);
std::string histogram_chart(const std::vector<double>& values, std::string_view label);
/// Counts [side, side]: rows are the truth, columns the prediction; a cell's shade is its share of the row.
std::string matrix_chart(const std::vector<double>& counts, size_t side, const std::vector<std::string>& names);
/// How often predictions of a confidence are right, bin by bin.
std::string reliability_chart(const std::vector<metric::CalibrationError::Bin>& bins);

}  // namespace fulmen::trainer::report
