#include <fulmen/tensor/error.h>
#include <fulmen/trainer/regression.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

std::vector<double> values_of(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(Device(kCPU), kDouble).contiguous();
  const auto* begin = static_cast<const double*>(flat.const_data_ptr());
  return {begin, begin + flat.numel()};
}

std::pair<std::vector<double>, std::vector<double>> pairs_of(const char* who, const Tensor& prediction,
                                                             const Tensor& truth) {
  FULMEN_CHECK(prediction.numel() == truth.numel() && prediction.numel() > 0, who,
               ": prediction and truth must have the same number of elements, at least one; got ", prediction.sizes(),
               " and ", truth.sizes());
  return {values_of(prediction), values_of(truth)};
}

/// The k-th smallest of n errors, where k of n + 1 is at least `share`: the correction that makes the coverage hold for
/// new data, not only for these.
double upper_quantile(const std::vector<double>& sorted, double share) {
  const auto n = static_cast<double>(sorted.size());
  const double rank = std::ceil(share * (n + 1));
  return sorted[static_cast<size_t>(std::clamp(rank, 1.0, n)) - 1];
}

}  // namespace

RegressionScore::RegressionScore(const Tensor& prediction, const Tensor& truth) {
  const auto [p, t] = pairs_of("RegressionScore", prediction, truth);
  const auto n = static_cast<double>(t.size());
  double mean = 0, squares = 0, spread = 0;
  for (double value : t) mean += value / n;
  for (size_t i = 0; i < t.size(); ++i) {
    squares += (t[i] - p[i]) * (t[i] - p[i]);
    spread += (t[i] - mean) * (t[i] - mean);
    mae += std::fabs(t[i] - p[i]) / n;
  }
  rmse = std::sqrt(squares / n);
  r2 = spread > 0 ? 1 - squares / spread : squares == 0 ? 1 : 0;
}

Metrics RegressionScore::metrics(const std::string& prefix) const {
  return {{prefix + "r2", r2}, {prefix + "rmse", rmse}, {prefix + "mae", mae}};
}

void print_result(Metrics metrics, double seconds) {
  metrics.set("seconds", seconds);
  std::printf("%s\n", metrics.to_json().c_str());
  std::fflush(stdout);
}

void print_extremes(const Tensor& order, const AnyFunction<std::string(int64_t row)>& line, int64_t few) {
  const Tensor rows = order.to(kCPU).to(kLong).contiguous();
  const int64_t count = rows.numel();
  for (int64_t i = 0; i < count; ++i) {
    if (i == few && i < count - few) std::printf("...\n");
    if (i < few || i >= count - few) std::printf("%s\n", line(rows.data_ptr<int64_t>()[i]).c_str());
  }
}

void print_rows(const Tensor& rows, int decimals) {
  const std::vector<double> values = values_of(rows);
  const size_t columns = rows.dim() > 1 ? static_cast<size_t>(rows.size(-1)) : 1;
  for (size_t i = 0; i < values.size(); ++i) {
    std::printf("%.*f%c", decimals, values[i], (i + 1) % columns == 0 ? '\n' : ' ');
  }
}

PredictionInterval::PredictionInterval(double coverage) : learnt_(std::make_shared<Learnt>()) {
  FULMEN_CHECK(coverage > 0 && coverage < 1, "PredictionInterval: the coverage must be between 0 and 1; got ",
               coverage);
  learnt_->coverage = coverage;
}

void PredictionInterval::fit(const Tensor& prediction, const Tensor& truth) {
  const auto [p, t] = pairs_of("PredictionInterval", prediction, truth);
  std::vector<double> errors(p.size()), negative(p.size());
  for (size_t i = 0; i < p.size(); ++i) errors[i] = t[i] - p[i], negative[i] = p[i] - t[i];
  std::sort(errors.begin(), errors.end());
  std::sort(negative.begin(), negative.end());
  const double share = 1 - (1 - learnt_->coverage) / 2;
  learnt_->high = upper_quantile(errors, share);
  learnt_->low = -upper_quantile(negative, share);
  learnt_->fitted = true;
}

Tensor PredictionInterval::low(const Tensor& prediction) const {
  FULMEN_CHECK(learnt_->fitted, "PredictionInterval: it has not been fitted");
  return prediction.add(learnt_->low);
}

Tensor PredictionInterval::high(const Tensor& prediction) const {
  FULMEN_CHECK(learnt_->fitted, "PredictionInterval: it has not been fitted");
  return prediction.add(learnt_->high);
}

data::PreprocessorState PredictionInterval::state() const {
  data::PreprocessorState state;
  state.json = nlohmann::json{{"coverage", learnt_->coverage}, {"low", learnt_->low}, {"high", learnt_->high}}.dump();
  return state;
}

void PredictionInterval::load_state(const data::PreprocessorState& state) {
  const nlohmann::json parsed = nlohmann::json::parse(state.json, nullptr, false);
  auto number = [&](const char* key) -> double {
    FULMEN_CHECK(parsed.is_object() && parsed.contains(key) && parsed[key].is_number(),
                 "prediction_interval: the state has no number \"", key, "\"");
    return parsed[key].get<double>();
  };
  *learnt_ = {number("coverage"), number("low"), number("high"), true};
}

}  // namespace fulmen::trainer
