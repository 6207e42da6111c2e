#include <fulmen/tensor/error.h>
#include <fulmen/trainer/metric/inputs.h>
#include <fulmen/trainer/metric/probability.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace fulmen::trainer::metric {

AUROC::AUROC(const AUROCOptions& options)
    : options_(options), width_(static_cast<size_t>(std::max<int64_t>({options.num_classes, options.num_labels, 1}))) {
  const AUROCOptions& o = options_;
  if (o.num_classes < 0 || o.num_classes == 1 || o.num_labels < 0 || (o.num_classes > 0 && o.num_labels > 0)) {
    refuse_option(str("AUROC: num_classes is ", o.num_classes, ", num_labels ", o.num_labels),
                  "give num_classes (2 or more), num_labels, or neither for yes or no");
  }
  if (o.num_classes > 0 && o.average == Average::Micro) {
    refuse_option("AUROC: several classes have no micro average", "choose Macro, Weighted or None");
  }
}

void AUROC::update(const Tensor& prediction, const Tensor& target) {
  const Numbers scores(prediction);
  const Labels labels(target);
  if (options_.num_classes > 0) {
    const Layout layout = class_layout("AUROC", prediction, target, options_.num_classes);
    const std::vector<double> probabilities = class_probabilities(scores, layout);
    for (int64_t i = 0; i < labels.size(); ++i) {
      if (options_.ignore_index && labels[i] == *options_.ignore_index) continue;
      check_label("AUROC", labels[i], layout.classes, i / layout.positions);
      for (int64_t c = 0; c < layout.classes; ++c) {
        rows_.push_back(probabilities[static_cast<size_t>(layout.at(i / layout.positions, c, i % layout.positions))]);
      }
      rows_.push_back(static_cast<double>(labels[i]));
    }
    return;
  }
  Layout layout{prediction.numel(), 1, 1};
  if (options_.num_labels > 0) {
    layout = label_layout("AUROC", prediction, target, options_.num_labels);
  } else {
    check_same_shape("AUROC", prediction, target);
  }
  const bool logits = are_logits(scores);
  for (int64_t n = 0; n < layout.samples; ++n) {
    for (int64_t p = 0; p < layout.positions; ++p) {
      for (int64_t l = 0; l < layout.classes; ++l) {
        const double score = scores[layout.at(n, l, p)];
        rows_.push_back(logits ? sigmoid(score) : score);
      }
      for (int64_t l = 0; l < layout.classes; ++l) {
        const int64_t label = labels[layout.at(n, l, p)];
        if (!options_.ignore_index || label != *options_.ignore_index) check_label("AUROC", label, 2, n);
        rows_.push_back(static_cast<double>(label));
      }
    }
  }
}

AUROC::Area AUROC::area_of(size_t column, size_t columns) const {
  struct Sample {
    double score;
    bool positive;
  };
  std::vector<Sample> samples;
  for (size_t row = 0; row < rows_.size(); row += row_length()) {
    for (size_t k = column; k < column + columns; ++k) {
      const double label = rows_[row + width_ + (options_.num_classes > 0 ? 0 : k)];
      if (options_.ignore_index && label == static_cast<double>(*options_.ignore_index)) continue;
      samples.push_back({rows_[row + k], options_.num_classes > 0 ? label == static_cast<double>(k) : label == 1});
      if (std::isnan(samples.back().score)) return {std::numeric_limits<double>::quiet_NaN(), 0};
    }
  }
  std::sort(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.score > b.score; });
  // Every negative sample is beaten by the positive ones before it, and half beaten by those of the same score.
  double area = 0, positives = 0, negatives = 0;
  for (size_t i = 0; i < samples.size();) {
    double p = 0, n = 0;
    for (const double score = samples[i].score; i < samples.size() && samples[i].score == score; ++i) {
      ++(samples[i].positive ? p : n);
    }
    area += n * (positives + p / 2);
    positives += p;
    negatives += n;
  }
  return {positives > 0 && negatives > 0 ? area / (positives * negatives) : 0.0, positives};
}

Tensor AUROC::compute() const {
  if (rows_.empty()) throw ValueError("AUROC: compute() before any sample was seen: call update() first");
  if (width_ == 1) return tensor_of(area_of(0, 1).area);
  if (options_.average == Average::Micro) return tensor_of(area_of(0, width_).area);
  std::vector<double> areas;
  double total = 0, weights = 0;
  for (size_t k = 0; k < width_; ++k) {
    const Area a = area_of(k, 1);
    areas.push_back(a.area);
    if (std::isnan(a.area) && options_.average != Average::None) return tensor_of(a.area);
    const double weight = options_.average == Average::Weighted ? a.positives : 1;
    total += weight * a.area;
    weights += weight;
  }
  if (options_.average == Average::None) return tensor_of(areas, {static_cast<int64_t>(width_)});
  return tensor_of(weights > 0 ? total / weights : 0.0);
}

void AUROC::merge(std::span<const double> earlier) {
  if (earlier.size() % row_length() != 0) {
    throw Error("E013", str("AUROC: a state of ", earlier.size(), " numbers; expected rows of ", row_length()),
                "make the metric with the options that it was saved with");
  }
  rows_.insert(rows_.begin(), earlier.begin(), earlier.end());
}

// Sums: count, confidence and accuracy of every bin; the last bin is that of confidence 1.
CalibrationError::CalibrationError(const CalibrationErrorOptions& options)
    : SumsMetric(3 * static_cast<size_t>(std::max<int64_t>(options.n_bins, 1) + 1)), options_(options) {
  if (options.n_bins < 1) refuse_option(str("CalibrationError: n_bins is ", options.n_bins), "choose 1 or more");
  if (options.num_classes < 0 || options.num_classes == 1) {
    refuse_option(str("CalibrationError: num_classes is ", options.num_classes),
                  "choose 2 or more, or 0 for yes or no");
  }
}

void CalibrationError::count(std::vector<double>& batch, double confidence, bool right) const {
  const double bins = static_cast<double>(options_.n_bins);
  auto bin = std::isnan(confidence) ? options_.n_bins : static_cast<int64_t>(confidence * bins);
  bin = std::min(bin, options_.n_bins);
  // confidence * bins may have been rounded across a border.
  while (bin > 0 && confidence < static_cast<double>(bin) / bins) --bin;
  while (bin < options_.n_bins && confidence >= static_cast<double>(bin + 1) / bins) ++bin;
  double* sums = &batch[3 * static_cast<size_t>(bin)];
  sums[0] += 1;
  sums[1] += confidence;
  sums[2] += right;
}

void CalibrationError::update(const Tensor& prediction, const Tensor& target) {
  std::vector<double> batch(sums_.size(), 0.0);
  count_all(batch, prediction, target);
  for (size_t i = 0; i < batch.size(); ++i) sums_[i] += batch[i];
}

void CalibrationError::count_all(std::vector<double>& batch, const Tensor& prediction, const Tensor& target) const {
  const Numbers scores(prediction);
  const Labels labels(target);
  const auto ignored = [&](int64_t label) { return options_.ignore_index && label == *options_.ignore_index; };
  if (options_.num_classes == 0) {
    check_same_shape("CalibrationError", prediction, target);
    const bool logits = are_logits(scores);
    for (int64_t i = 0; i < labels.size(); ++i) {
      if (ignored(labels[i])) continue;
      check_label("CalibrationError", labels[i], 2, i);
      count(batch, logits ? sigmoid(scores[i]) : scores[i], labels[i] == 1);
    }
    return;
  }
  const Layout layout = class_layout("CalibrationError", prediction, target, options_.num_classes);
  const std::vector<double> probabilities = class_probabilities(scores, layout);
  for (int64_t i = 0; i < labels.size(); ++i) {
    if (ignored(labels[i])) continue;
    check_label("CalibrationError", labels[i], layout.classes, i / layout.positions);
    int64_t best = 0;
    const auto at = [&](int64_t c) {
      return probabilities[static_cast<size_t>(layout.at(i / layout.positions, c, i % layout.positions))];
    };
    for (int64_t c = 1; c < layout.classes; ++c) best = at(c) > at(best) ? c : best;
    count(batch, at(best), best == labels[i]);
  }
}

std::vector<CalibrationError::Bin> CalibrationError::bins() const {
  std::vector<Bin> out;
  const double n = static_cast<double>(options_.n_bins);
  for (int64_t k = 0; k <= options_.n_bins; ++k) {
    const double* sums = &sums_[3 * static_cast<size_t>(k)];
    const double low = static_cast<double>(k) / n;
    if (sums[0] == 0) {
      out.push_back({low, std::min(low + 1 / n, 1.0), 0, 0, 0});
    } else {
      out.push_back({low, std::min(low + 1 / n, 1.0), sums[0], sums[1] / sums[0], sums[2] / sums[0]});
    }
  }
  return out;
}

Tensor CalibrationError::compute() const {
  double total = 0, error = 0;
  const std::vector<Bin> all = bins();
  for (const Bin& bin : all) total += bin.count;
  using Norm = CalibrationErrorOptions::Norm;
  for (const Bin& bin : all) {
    const double gap = std::fabs(bin.accuracy - bin.confidence), share = bin.count / total;
    if (options_.norm == Norm::L1) error += gap * share;
    if (options_.norm == Norm::L2) error += gap * gap * share;
    if (options_.norm == Norm::Max) error = gap > error || gap != gap ? gap : error;
  }
  return tensor_of(options_.norm == Norm::L2 ? std::sqrt(error) : error);
}

// Sums: negative log likelihoods, and how many.
void Perplexity::update(const Tensor& prediction, const Tensor& target) {
  bool fits = prediction.dim() == target.dim() + 1 && target.dim() >= 1;
  for (int64_t d = 0; fits && d < target.dim(); ++d) fits = prediction.size(d) == target.size(d);
  if (!fits) {
    throw Error(
        "E007",
        str("Perplexity: expected scores [..., vocabulary] and a target [...]; got ", prediction, " and ", target),
        "the last dimension holds the scores of one token");
  }
  const Numbers scores(prediction);
  const Labels labels(target);
  const int64_t words = prediction.size(-1);
  double total = 0, count = 0;
  for (int64_t i = 0; i < labels.size(); ++i) {
    if (ignore_index_ && labels[i] == *ignore_index_) continue;
    check_label("Perplexity", labels[i], words, i);
    double top = scores[i * words], sum = 0;
    for (int64_t c = 1; c < words; ++c) top = std::max(top, scores[i * words + c]);
    for (int64_t c = 0; c < words; ++c) sum += std::exp(scores[i * words + c] - top);
    total += std::log(sum) + top - scores[i * words + labels[i]];
    count += 1;
  }
  sums_[0] += total;
  sums_[1] += count;
}

Tensor Perplexity::compute() const { return tensor_of(std::exp(sums_[0] / sums_[1])); }

}  // namespace fulmen::trainer::metric
