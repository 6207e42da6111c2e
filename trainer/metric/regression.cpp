#include <fulmen/tensor/error.h>
#include <fulmen/trainer/metric/inputs.h>
#include <fulmen/trainer/metric/regression.h>

#include <cmath>

namespace fulmen::trainer::metric {

void MeanAbsoluteError::update(const Tensor& prediction, const Tensor& target) {
  check_same_shape("MeanAbsoluteError", prediction, target);
  const Numbers p(prediction), t(target);
  double sum = 0;
  for (int64_t i = 0; i < p.size(); ++i) sum += std::fabs(p[i] - t[i]);
  sums_[0] += sum;
  sums_[1] += static_cast<double>(p.size());
}

Tensor MeanAbsoluteError::compute() const { return tensor_of(sums_[0] / sums_[1]); }

void MeanSquaredError::update(const Tensor& prediction, const Tensor& target) {
  check_same_shape("MeanSquaredError", prediction, target);
  const Numbers p(prediction), t(target);
  double sum = 0;
  for (int64_t i = 0; i < p.size(); ++i) sum += (p[i] - t[i]) * (p[i] - t[i]);
  sums_[0] += sum;
  sums_[1] += static_cast<double>(p.size());
}

Tensor MeanSquaredError::compute() const {
  const double mean = sums_[0] / sums_[1];
  return tensor_of(squared_ ? mean : std::sqrt(mean));
}

R2Score::R2Score(int64_t num_outputs, MultiOutput multioutput)
    : multioutput_(multioutput), moments_(static_cast<size_t>(num_outputs > 0 ? num_outputs : 1)) {
  if (num_outputs < 1) refuse_option(str("R2Score: num_outputs is ", num_outputs), "choose 1 or more");
}

void R2Score::update(const Tensor& prediction, const Tensor& target) {
  check_same_shape("R2Score", prediction, target);
  const auto outputs = static_cast<int64_t>(moments_.size());
  const int64_t columns = target.dim() == 2 ? target.size(1) : 1;
  if (target.dim() < 1 || target.dim() > 2 || columns != outputs) {
    throw Error("E007", str("R2Score: expected [n], or [n, ", outputs, "]; got ", target),
                "num_outputs must be the size of dimension 1");
  }
  const int64_t rows = target.size(0);
  if (rows == 0) return;
  const Numbers p(prediction), t(target);
  std::vector<Moments> batch(moments_.size());
  for (int64_t k = 0; k < outputs; ++k) {
    Moments& m = batch[static_cast<size_t>(k)];
    for (int64_t i = 0; i < rows; ++i) m.mean += t[i * outputs + k];
    m.mean /= static_cast<double>(rows);
    for (int64_t i = 0; i < rows; ++i) {
      const double truth = t[i * outputs + k], error = truth - p[i * outputs + k];
      m.spread += (truth - m.mean) * (truth - m.mean);
      m.errors += error * error;
    }
  }
  moments_ = joined(count_, moments_, static_cast<double>(rows), batch);
  count_ += static_cast<double>(rows);
}

// Chan, Golub and LeVeque 1983: exact for any sizes, and without the cancellation of sum t^2 - n mean^2.
std::vector<R2Score::Moments> R2Score::joined(double count_a, const std::vector<Moments>& a, double count_b,
                                              const std::vector<Moments>& b) {
  if (count_a == 0) return b;
  if (count_b == 0) return a;
  std::vector<Moments> out = a;
  const double count = count_a + count_b;
  for (size_t k = 0; k < out.size(); ++k) {
    const double apart = b[k].mean - a[k].mean;
    out[k].mean += apart * (count_b / count);
    out[k].spread += b[k].spread + apart * apart * (count_a * count_b / count);
    out[k].errors += b[k].errors;
  }
  return out;
}

Tensor R2Score::compute() const {
  if (count_ < 2) throw ValueError(str("R2Score: needs at least two samples; got ", count_));
  std::vector<double> scores;
  double total = 0, weights = 0;
  for (const Moments& m : moments_) {
    const double score = m.errors == 0 ? 1.0 : m.spread == 0 ? 0.0 : 1.0 - m.errors / m.spread;
    scores.push_back(score);
    const double weight = multioutput_ == MultiOutput::VarianceWeighted ? m.spread : 1.0;
    total += weight * score;
    weights += weight;
  }
  if (multioutput_ == MultiOutput::RawValues) return tensor_of(scores, {static_cast<int64_t>(scores.size())});
  return tensor_of(total / weights);
}

void R2Score::reset() {
  count_ = 0;
  moments_.assign(moments_.size(), Moments());
}

std::vector<double> R2Score::state() const {
  std::vector<double> out{count_};
  for (const Moments& m : moments_) out.insert(out.end(), {m.mean, m.spread, m.errors});
  return out;
}

void R2Score::merge(std::span<const double> earlier) {
  if (earlier.size() != 1 + 3 * moments_.size()) {
    throw Error("E013", str("R2Score: a state of ", earlier.size(), " numbers; expected ", 1 + 3 * moments_.size()),
                "make the metric with the options that it was saved with");
  }
  std::vector<Moments> before(moments_.size());
  for (size_t k = 0; k < before.size(); ++k) {
    before[k] = {earlier[1 + 3 * k], earlier[2 + 3 * k], earlier[3 + 3 * k]};
  }
  moments_ = joined(earlier[0], before, count_, moments_);
  count_ += earlier[0];
}

}  // namespace fulmen::trainer::metric
