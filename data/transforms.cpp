#include <fulmen/data/rows.h>
#include <fulmen/data/transforms.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace fulmen::data {

namespace {

using Json = nlohmann::json;

/// The training values of a transform, as rows of float64.
struct Columns {
  Columns(const char* name, const Tensor& x)
      : transform(name), per_column(x.dim() >= 2), values(x.detach().to(kCPU).to(kDouble).contiguous()) {
    FULMEN_CHECK(x.numel() > 0, name, ": cannot be fitted on an empty tensor: ", x);
    columns = per_column ? x.size(-1) : 1;
    rows = x.numel() / columns;
    data = values.data_ptr<double>();
    for (int64_t i = 0; i < x.numel(); ++i) {
      FULMEN_CHECK(std::isfinite(data[i]), name, ": cannot be fitted on values that are not finite: ", data[i],
                   " in row ", i / columns, per_column ? str(", column ", i % columns) : std::string(), " of ", x);
    }
  }
  double at(int64_t row, int64_t column) const { return data[row * columns + column]; }
  /// fold(so far, value) over the rows of a column.
  template <class F>
  double fold(int64_t column, double start, F fold) const {
    for (int64_t row = 0; row < rows; ++row) start = fold(start, at(row, column));
    return start;
  }

  const char* transform;
  bool per_column;
  Tensor values;
  int64_t columns, rows;
  const double* data;
};

Json parse_state(const char* kind, const PreprocessorState& state) {
  check_json_depth(kind, state.json);
  Json json = Json::parse(state.json, nullptr, false);
  FULMEN_CHECK(json.is_object(), kind, ": the stored state is no JSON object");
  return json;
}

double number_of(const char* kind, const Json& json, const char* key) {
  auto found = json.find(key);
  FULMEN_CHECK(found != json.end() && found->is_number(), kind, ": the stored state lacks the number '", key, "'");
  return found->get<double>();
}

/// A stored float64 tensor of at most one dimension.
Tensor statistic(const char* kind, const PreprocessorState& state, const char* name) {
  const Tensor* found = state.tensors.find(name);
  FULMEN_CHECK(found && found->defined() && found->dim() <= 1, kind, ": the stored state lacks '", name, "'");
  return found->detach().to(kCPU).to(kDouble);
}

void load_affine_check(const char* kind, const Tensor& shift, const Tensor& scale) {
  FULMEN_CHECK(shift.sizes() == scale.sizes(), kind, ": the stored state has ", shift, " and ", scale);
}

}  // namespace

void AffineTransform::learn(std::vector<double> shift, std::vector<double> scale, bool per_column) {
  Tensor a = rows_of(shift, kDouble), b = rows_of(scale, kDouble);
  if (per_column) return learn(a, b);
  learn(a.select(0, 0), b.select(0, 0));
}

void AffineTransform::learn(const Tensor& shift, const Tensor& scale) {
  load_affine_check(kind().c_str(), shift, scale);
  *learnt_ = {shift, scale, shift.to(kFloat), scale.to(kFloat)};
}

std::pair<Tensor, Tensor> AffineTransform::matching(const Tensor& x) const {
  FULMEN_CHECK(fitted(), kind(), ": call fit() on training data first, or load a checkpoint that holds it");
  const Learnt& l = *learnt_;
  FULMEN_CHECK(l.shift.dim() == 0 || (x.dim() >= 1 && x.size(-1) == l.shift.sizes()[0]), kind(), ": was fitted on ",
               l.shift.numel(), " columns; got ", x, "; give the same columns in the same order");
  if (x.scalar_type() == kDouble && x.is_cpu()) return {l.shift, l.scale};
  if (x.scalar_type() == kFloat && x.is_cpu()) return {l.shift_float, l.scale_float};
  ScalarType dtype = x.is_floating_point() ? x.scalar_type() : get_default_dtype();
  return {l.shift.to(x.device(), dtype), l.scale.to(x.device(), dtype)};
}

Tensor AffineTransform::operator()(const Tensor& x) const {
  auto [shift, scale] = matching(x);
  return x.sub(shift).div(scale);
}

Tensor AffineTransform::inverse(const Tensor& y) const {
  auto [shift, scale] = matching(y);
  return y.mul(scale).add(shift);
}

void Standardize::fit(const Tensor& x) {
  Columns c("Standardize", x);
  std::vector<double> mean, deviation;
  const auto n = static_cast<double>(c.rows);
  for (int64_t j = 0; j < c.columns; ++j) {
    const double m = c.fold(j, 0, [](double sum, double v) { return sum + v; }) / n;
    const double var = c.fold(j, 0, [m](double sum, double v) { return sum + (v - m) * (v - m); }) / n;
    const double s = std::sqrt(var);
    mean.push_back(m);
    // Rounding leaves a constant column a little spread.
    deviation.push_back(s > 1e-12 * std::max(1.0, std::fabs(m)) ? s : 1);
  }
  learn(std::move(mean), std::move(deviation), c.per_column);
}

PreprocessorState Standardize::state() const {
  PreprocessorState state;
  if (fitted()) state.tensors = {{"mean", mean()}, {"std", std()}};
  return state;
}

void Standardize::load_state(const PreprocessorState& state) {
  learn(statistic("Standardize", state, "mean"), statistic("Standardize", state, "std"));
}

void RobustStandardize::fit(const Tensor& x) {
  constexpr double normal = 1.482602218505602;  // standard deviation of a normal distribution / its median distance
  Columns c("RobustStandardize", x);
  std::vector<double> median, spread, values(static_cast<size_t>(c.rows));
  const auto middle = [&] {
    const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), half, values.end());
    return values.size() % 2 == 1 ? *half : (*half + *std::max_element(values.begin(), half)) / 2;
  };
  for (int64_t j = 0; j < c.columns; ++j) {
    for (int64_t i = 0; i < c.rows; ++i) values[static_cast<size_t>(i)] = c.at(i, j);
    median.push_back(middle());
    for (int64_t i = 0; i < c.rows; ++i) values[static_cast<size_t>(i)] = std::fabs(c.at(i, j) - median.back());
    const double distance = middle() * normal;
    spread.push_back(distance > 1e-12 * std::max(1.0, std::fabs(median.back())) ? distance : 1);
  }
  learn(std::move(median), std::move(spread), c.per_column);
}

PreprocessorState RobustStandardize::state() const {
  PreprocessorState state;
  if (fitted()) state.tensors = {{"median", median()}, {"spread", spread()}};
  return state;
}

void RobustStandardize::load_state(const PreprocessorState& state) {
  learn(statistic("RobustStandardize", state, "median"), statistic("RobustStandardize", state, "spread"));
}

MinMax::MinMax(double low, double high) : range_(std::make_shared<Range>(Range{low, high})) {
  FULMEN_CHECK(low < high, "MinMax: low must be below high; got ", low, " and ", high);
}

void MinMax::fit(const Tensor& x) {
  Columns c("MinMax", x);
  std::vector<double> shift, scale;
  for (int64_t j = 0; j < c.columns; ++j) {
    const double low = c.fold(j, c.at(0, j), [](double a, double b) { return std::min(a, b); });
    const double high = c.fold(j, c.at(0, j), [](double a, double b) { return std::max(a, b); });
    // (x - low) / (high - low) * (h - l) + l as one shift and one scale
    scale.push_back(high > low ? (high - low) / (range_->high - range_->low) : 1);
    shift.push_back(low - range_->low * scale.back());
  }
  learn(std::move(shift), std::move(scale), c.per_column);
}

PreprocessorState MinMax::state() const {
  PreprocessorState state;
  state.json = Json({{"low", range_->low}, {"high", range_->high}}).dump();
  if (fitted()) state.tensors = {{"shift", shift()}, {"scale", scale()}};
  return state;
}

void MinMax::load_state(const PreprocessorState& state) {
  Json json = parse_state("MinMax", state);
  Range range{number_of("MinMax", json, "low"), number_of("MinMax", json, "high")};
  learn(statistic("MinMax", state, "shift"), statistic("MinMax", state, "scale"));
  *range_ = range;
}

void Log1p::fit(const Tensor& x) {
  Columns c("Log1p", x);
  for (int64_t i = 0; i < x.numel(); ++i) {
    FULMEN_CHECK(c.data[i] > -1, "Log1p: values must be above -1; got ", c.data[i], " in row ", i / c.columns, " of ",
                 x);
  }
}

void Log1pIfSkewed::fit(const Tensor& x) {
  Columns c("Log1pIfSkewed", x);
  const auto n = static_cast<double>(x.numel());
  double mean = 0, square = 0, cube = 0;
  bool positive = true;
  for (int64_t i = 0; i < x.numel(); ++i) mean += c.data[i] / n;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double d = c.data[i] - mean;
    square += d * d / n;
    cube += d * d * d / n;
    positive = positive && c.data[i] > 0;
  }
  *used_ = {positive && square > 0 && cube / std::pow(square, 1.5) > 1, true};
}

PreprocessorState Log1pIfSkewed::state() const { return {Json{{"log", used_->log}}.dump(), {}}; }

void Log1pIfSkewed::load_state(const PreprocessorState& state) {
  const Json json = parse_state("log1p_if_skewed", state);
  const auto found = json.find("log");
  FULMEN_CHECK(found != json.end() && found->is_boolean(), "log1p_if_skewed: the stored state lacks 'log'");
  *used_ = {found->get<bool>(), true};
}

Clip::Clip() : Clip(-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()) {}
Clip::Clip(double low, double high) : limits_(std::make_shared<Limits>(Limits{low, high})) {
  FULMEN_CHECK(low <= high, "Clip: low must not be above high; got ", low, " and ", high);
}

void Clip::fit(const Tensor& x) { Columns checked("Clip", x); }

Tensor Clip::operator()(const Tensor& x) const { return x.clamp(Scalar(limits_->low), Scalar(limits_->high)); }

// JSON has no infinity: a limit that is none is left out.
PreprocessorState Clip::state() const {
  Json json = Json::object();
  if (std::isfinite(limits_->low)) json["low"] = limits_->low;
  if (std::isfinite(limits_->high)) json["high"] = limits_->high;
  return {json.dump(), {}};
}

void Clip::load_state(const PreprocessorState& state) {
  Json json = parse_state("Clip", state);
  *limits_ = *Clip(json.contains("low") ? number_of("Clip", json, "low") : -std::numeric_limits<double>::infinity(),
                   json.contains("high") ? number_of("Clip", json, "high") : std::numeric_limits<double>::infinity())
                  .limits_;
}

void Chain::fit(const Tensor& x) {
  Tensor y = x;
  for (auto& part : *parts_) {
    part->fit(y);
    if (part != parts_->back()) y = (*part)(y);
  }
}

Tensor Chain::operator()(const Tensor& x) const {
  Tensor y = x;
  for (auto& part : *parts_) y = (*part)(y);
  return y;
}

Tensor Chain::inverse(const Tensor& y) const {
  Tensor x = y;
  for (auto part = parts_->rbegin(); part != parts_->rend(); ++part) x = (*part)->inverse(x);
  return x;
}

bool Chain::fitted() const {
  return std::all_of(parts_->begin(), parts_->end(), [](const auto& part) { return part->fitted(); });
}

PreprocessorState Chain::state() const {
  PreprocessorState all;
  Json parts = Json::array();
  for (size_t i = 0; i < parts_->size(); ++i) {
    PreprocessorState state = (*parts_)[i]->state();
    parts.push_back(
        {{"kind", (*parts_)[i]->kind()}, {"fitted", (*parts_)[i]->fitted()}, {"state", Json::parse(state.json)}});
    for (auto& [name, tensor] : state.tensors) all.tensors[str(i, ".", name)] = tensor;
  }
  all.json = Json({{"parts", std::move(parts)}}).dump();
  return all;
}

void Chain::load_state(const PreprocessorState& state) {
  Json json = parse_state("Chain", state);
  FULMEN_CHECK(json.contains("parts") && json["parts"].is_array(), "Chain: the stored state lacks 'parts'");
  Json& stored = json["parts"];
  FULMEN_CHECK(parts_->empty() || parts_->size() == stored.size(), "Chain: the stored chain has ", stored.size(),
               " transforms, this one has ", parts_->size());
  Parts loaded;
  for (size_t i = 0; i < stored.size(); ++i) {
    Json& part = stored[i];
    FULMEN_CHECK(part.is_object() && part.contains("kind") && part["kind"].is_string() && part.contains("state"),
                 "Chain: the stored state of transform ", i, " is damaged");
    const std::string kind = part["kind"];
    FULMEN_CHECK(parts_->empty() || (*parts_)[i]->kind() == kind, "Chain: transform ", i, " is stored as '", kind,
                 "', here it is '", parts_->empty() ? kind : (*parts_)[i]->kind(), "'");
    auto fresh = std::dynamic_pointer_cast<Transform>(make_preprocessor(kind));
    FULMEN_CHECK(fresh, "Chain: '", kind, "' is no transform");
    PreprocessorState one{part["state"].dump(), {}};
    const std::string prefix = str(i, ".");
    for (const auto& [name, tensor] : state.tensors) {
      if (name.starts_with(prefix)) one.tensors[name.substr(prefix.size())] = tensor;
    }
    if (part.value("fitted", true)) fresh->load_state(one);
    loaded.push_back(std::move(fresh));
  }
  // Everything fits: only now change the parts, which other copies of this chain may share.
  if (parts_->empty()) {
    *parts_ = std::move(loaded);
  } else {
    for (size_t i = 0; i < loaded.size(); ++i) {
      if (loaded[i]->fitted()) (*parts_)[i]->load_state(loaded[i]->state());
    }
  }
}

double skewness(const Tensor& x) {
  Columns c("skewness", x.detach().flatten());
  const auto n = static_cast<double>(c.rows);
  const double mean = c.fold(0, 0, [](double sum, double v) { return sum + v; }) / n;
  const double second = c.fold(0, 0, [mean](double sum, double v) { return sum + (v - mean) * (v - mean); }) / n;
  const double third =
      c.fold(0, 0, [mean](double sum, double v) { return sum + (v - mean) * (v - mean) * (v - mean); }) / n;
  return second > 0 ? third / (second * std::sqrt(second)) : 0;
}

}  // namespace fulmen::data
