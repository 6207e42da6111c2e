#pragma once
#include <fulmen/trainer/report/chart.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

// The page of a run report, from what a run gave. Private to trainer/report.
namespace fulmen::trainer::report {

struct Text {
  int64_t step;
  std::string text;
};

using Rows = std::vector<std::pair<std::string, std::string>>;

struct Content {
  std::string title, outcome;
  bool failed = false;
  Rows figures;                            ///< large, on top
  std::vector<Series> metrics;             ///< over optimizer steps
  std::vector<Series> rates;               ///< learning rates
  std::vector<Series> seconds, megabytes;  ///< per epoch
  std::vector<double> prediction, truth;   ///< of a regression
  std::vector<double> confusion;           ///< counts [classes, classes]
  size_t classes = 0;
  std::vector<std::string> class_names;
  std::vector<metric::CalibrationError::Bin> bins;
  double calibration_error = 0;
  std::vector<Text> texts;
  Rows parameters, hyperparameters, checkpoint;
};

std::string page(const Content& content);

}  // namespace fulmen::trainer::report
