#include <fulmen/tensor/error.h>
#include <fulmen/trainer/metric/classification.h>
#include <fulmen/trainer/metric/inputs.h>

#include <algorithm>

namespace fulmen::trainer::metric {
namespace {

double ratio(double part, double whole) { return whole == 0 ? 0.0 : part / whole; }

/// The class with the highest score; the first of equals, and a NaN before all others.
int64_t top_class(const Numbers& scores, const Layout& layout, int64_t n, int64_t p) {
  int64_t best = 0;
  double highest = scores[layout.at(n, 0, p)];
  for (int64_t c = 1; c < layout.classes && highest == highest; ++c) {
    const double score = scores[layout.at(n, c, p)];
    if (score > highest || score != score) best = c, highest = score;
  }
  return best;
}

/// Whether fewer than k classes have a higher score (of equals, the first count as higher).
bool within_top(const Numbers& scores, const Layout& layout, int64_t n, int64_t p, int64_t target, int64_t k) {
  const double own = scores[layout.at(n, target, p)];
  int64_t higher = 0;
  for (int64_t c = 0; c < layout.classes; ++c) {
    const double score = scores[layout.at(n, c, p)];
    higher += score > own || (score == own && c < target);
  }
  return higher < k;
}

/// Calls f(predicted, target, row) for every sample and position of a problem of several classes.
template <class F>
void for_each_class(const char* who, const Tensor& prediction, const Tensor& target, int64_t classes, int64_t top_k,
                    const std::optional<int64_t>& ignored, F&& f) {
  const Labels labels(target);
  if (prediction.dim() == target.dim() && !prediction.is_floating_point()) {
    check_same_shape(who, prediction, target);
    const Labels predicted(prediction);
    for (int64_t i = 0; i < labels.size(); ++i) {
      if (ignored && labels[i] == *ignored) continue;
      check_label(who, labels[i], classes, i);
      check_label(who, predicted[i], classes, i);
      f(predicted[i], labels[i]);
    }
    return;
  }
  const Layout layout = class_layout(who, prediction, target, classes);
  const Numbers scores(prediction);
  for (int64_t n = 0; n < layout.samples; ++n) {
    for (int64_t p = 0; p < layout.positions; ++p) {
      const int64_t label = labels[n * layout.positions + p];
      if (ignored && label == *ignored) continue;
      check_label(who, label, classes, n);
      const bool found = top_k > 1 && within_top(scores, layout, n, p, label, top_k);
      f(found ? label : top_class(scores, layout, n, p), label);
    }
  }
}

/// Calls f(label index, predicted, target) for every yes or no; `labels` is 0 when there is only one question.
template <class F>
void for_each_label(const char* who, const Tensor& prediction, const Tensor& target, int64_t labels, double threshold,
                    const std::optional<int64_t>& ignored, F&& f) {
  Layout layout{1, 1, target.numel()};
  if (labels > 0) {
    layout = label_layout(who, prediction, target, labels);
  } else {
    check_same_shape(who, prediction, target);
  }
  const Numbers scores(prediction);
  const Labels truth(target);
  const bool logits = prediction.is_floating_point() && are_logits(scores);
  for (int64_t n = 0; n < layout.samples; ++n) {
    for (int64_t l = 0; l < layout.classes; ++l) {
      for (int64_t p = 0; p < layout.positions; ++p) {
        const int64_t i = layout.at(n, l, p);
        if (ignored && truth[i] == *ignored) continue;
        check_label(who, truth[i], 2, labels > 0 ? n : p);
        f(l, (logits ? sigmoid(scores[i]) : scores[i]) > threshold, truth[i] == 1);
      }
    }
  }
}

}  // namespace

StatScores::StatScores(const ClassificationOptions& options)
    : SumsMetric(4 * static_cast<size_t>(std::max<int64_t>({options.num_classes, options.num_labels, 1}))),
      options_(options),
      width_(sums_.size() / 4) {
  const ClassificationOptions& o = options_;
  if (o.num_classes < 0 || o.num_classes == 1 || o.num_labels < 0 || (o.num_classes > 0 && o.num_labels > 0)) {
    refuse_option(str("num_classes is ", o.num_classes, ", num_labels ", o.num_labels),
                  "give num_classes (2 or more) for one class per sample, num_labels for several yes-or-no labels, or "
                  "neither for yes or no");
  }
  if (o.top_k < 1 || (o.top_k > 1 && o.top_k > o.num_classes)) {
    refuse_option(str("top_k is ", o.top_k, " of ", o.num_classes, " classes"), "choose from 1 to num_classes");
  }
}

void StatScores::update(const Tensor& prediction, const Tensor& target) {
  is_multiclass() ? update_classes(prediction, target) : update_labels(prediction, target);
}

// Sums: tp, fp, fn per class, and at the end of the fourth row the number of all.
void StatScores::update_classes(const Tensor& prediction, const Tensor& target) {
  for_each_class(name().c_str(), prediction, target, options_.num_classes, options_.top_k, options_.ignore_index,
                 [&](int64_t predicted, int64_t label) {
                   const auto p = static_cast<size_t>(predicted), t = static_cast<size_t>(label);
                   ++sums_[3 * width_];
                   if (p == t) {
                     ++sums_[t];
                     return;
                   }
                   ++sums_[width_ + p];
                   ++sums_[2 * width_ + t];
                 });
}

// Sums: tp, fp, fn, tn per label.
void StatScores::update_labels(const Tensor& prediction, const Tensor& target) {
  for_each_label(name().c_str(), prediction, target, options_.num_labels, options_.threshold, options_.ignore_index,
                 [&](int64_t label, bool predicted, bool truth) {
                   const size_t row = predicted ? (truth ? 0 : 1) : (truth ? 2 : 3);
                   ++sums_[row * width_ + static_cast<size_t>(label)];
                 });
}

StatScores::Counts StatScores::counts(size_t k) const {
  Counts c{.tp = sums_[k], .fp = sums_[width_ + k], .tn = 0, .fn = sums_[2 * width_ + k]};
  c.tn = is_multiclass() ? sums_[3 * width_] - c.tp - c.fp - c.fn : sums_[3 * width_ + k];
  return c;
}

Tensor StatScores::compute() const {
  if (options_.average == Average::Micro || width_ == 1) {
    Counts all;
    for (size_t k = 0; k < width_; ++k) {
      const Counts c = counts(k);
      all.tp += c.tp, all.fp += c.fp, all.tn += c.tn, all.fn += c.fn;
    }
    return tensor_of(score(all));
  }
  std::vector<double> scores;
  double total = 0, weights = 0;
  for (size_t k = 0; k < width_; ++k) {
    const Counts c = counts(k);
    scores.push_back(score(c));
    double weight = 1;
    if (options_.average == Average::Weighted) {
      weight = c.tp + c.fn;
    } else if (is_multiclass()) {
      // A class that neither is there nor was predicted says nothing.
      weight = options_.top_k > 1 ? c.tp + c.fn > 0 : c.tp + c.fp + c.fn > 0;
    }
    total += weight * scores.back();
    weights += weight;
  }
  if (options_.average == Average::None) return tensor_of(scores, {static_cast<int64_t>(width_)});
  return tensor_of(ratio(total, weights));
}

double Accuracy::score(const Counts& c) const {
  return is_multiclass() ? ratio(c.tp, c.tp + c.fn) : ratio(c.tp + c.tn, c.tp + c.tn + c.fp + c.fn);
}
double Precision::score(const Counts& c) const { return ratio(c.tp, c.tp + c.fp); }
double Recall::score(const Counts& c) const { return ratio(c.tp, c.tp + c.fn); }
double F1Score::score(const Counts& c) const { return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn); }

ConfusionMatrix::ConfusionMatrix(const ConfusionMatrixOptions& options)
    : SumsMetric(0),
      options_(options),
      matrices_(std::max<int64_t>(options.num_labels, 1)),
      side_(std::max<int64_t>(options.num_classes, 2)) {
  if (options.num_classes < 0 || options.num_classes == 1 || options.num_labels < 0 ||
      (options.num_classes > 0 && options.num_labels > 0)) {
    refuse_option(str("ConfusionMatrix: num_classes is ", options.num_classes, ", num_labels ", options.num_labels),
                  "give num_classes (2 or more), num_labels, or neither for yes or no");
  }
  sums_.assign(static_cast<size_t>(matrices_ * side_ * side_), 0.0);
}

void ConfusionMatrix::update(const Tensor& prediction, const Tensor& target) {
  const auto count = [&](int64_t matrix, int64_t predicted, int64_t truth) {
    ++sums_[static_cast<size_t>((matrix * side_ + truth) * side_ + predicted)];
  };
  if (options_.num_classes > 0) {
    for_each_class("ConfusionMatrix", prediction, target, options_.num_classes, 1, options_.ignore_index,
                   [&](int64_t predicted, int64_t truth) { count(0, predicted, truth); });
  } else {
    for_each_label("ConfusionMatrix", prediction, target, options_.num_labels, options_.threshold,
                   options_.ignore_index,
                   [&](int64_t label, bool predicted, bool truth) { count(label, predicted, truth); });
  }
}

Tensor ConfusionMatrix::compute() const {
  using Normalize = ConfusionMatrixOptions::Normalize;
  std::vector<double> out = sums_;
  const auto at = [&](int64_t m, int64_t i, int64_t j) { return static_cast<size_t>((m * side_ + i) * side_ + j); };
  for (int64_t m = 0; m < matrices_ && options_.normalize != Normalize::None; ++m) {
    double all = 0;
    for (int64_t i = 0; i < side_ * side_; ++i) all += sums_[at(m, 0, i)];
    for (int64_t i = 0; i < side_; ++i) {
      for (int64_t j = 0; j < side_; ++j) {
        double whole = options_.normalize == Normalize::All ? all : 0;
        for (int64_t k = 0; k < side_; ++k) {
          if (options_.normalize == Normalize::True) whole += sums_[at(m, i, k)];
          if (options_.normalize == Normalize::Pred) whole += sums_[at(m, k, j)];
        }
        out[at(m, i, j)] = ratio(sums_[at(m, i, j)], whole);
      }
    }
  }
  if (options_.num_labels > 0) return tensor_of(out, {matrices_, 2, 2});
  return tensor_of(out, {side_, side_});
}

}  // namespace fulmen::trainer::metric
