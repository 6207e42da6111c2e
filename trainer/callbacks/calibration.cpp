#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/calibration.h>
#include <fulmen/trainer/metric/probability.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

/// The negative log likelihood as a function of t = 1 / temperature is convex: its slope, and the slope's slope.
struct Slopes {
  double first = 0, second = 0;
};
/// Labels count as (n + 1) / (n + 2) and the other classes share the rest (Platt 1999): n right answers of n do not
/// prove that the next one will be right.
Slopes slopes_at(const double* logits, const int64_t* labels, int64_t rows, int64_t classes, double t) {
  Slopes out;
  const double rest = 1.0 / static_cast<double>(rows + 2);
  for (int64_t i = 0; i < rows; ++i) {
    const double* z = logits + i * classes;
    const double top = *std::max_element(z, z + classes);
    double sum = 0, mean = 0, square = 0, all = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const double weight = std::exp(t * (z[c] - top));
      sum += weight;
      all += z[c] - top;
      mean += weight * (z[c] - top);
      square += weight * (z[c] - top) * (z[c] - top);
    }
    mean /= sum;
    const double truth = z[labels[i]] - top, others = (all - truth) / static_cast<double>(classes - 1);
    out.first += mean - (truth + rest * (classes > 1 ? others - truth : 0));
    out.second += square / sum - mean * mean;
  }
  return out;
}

}  // namespace

void Temperature::fit(const Tensor& logits, const Tensor& labels) {
  if (logits.dim() != 2 || labels.dim() != 1 || labels.size(0) != logits.size(0) || logits.size(0) == 0) {
    throw Error("E007", str("Temperature: expected logits [n, classes] and labels [n]; got ", logits, " and ", labels),
                "fit it on validation data");
  }
  const Tensor z = logits.detach().to(Device(kCPU)).to(kDouble).contiguous();
  const Tensor y = labels.detach().to(Device(kCPU)).to(kLong).contiguous();
  const auto* values = static_cast<const double*>(z.const_data_ptr());
  const auto* truth = static_cast<const int64_t*>(y.const_data_ptr());
  const int64_t rows = z.size(0), classes = z.size(1);
  for (int64_t i = 0; i < rows; ++i) {
    if (truth[i] < 0 || truth[i] >= classes) {
      throw Error("E008", str("Temperature: expected labels 0..", classes - 1, "; got ", truth[i], " at row ", i),
                  "labels must be 0..classes-1");
    }
  }
  // Newton's steps between borders that close in on the root of the slope, every third one a bisection. The temperature
  // stays in 0.01 .. 100.
  double low = 0.01, high = 100, t = 1;
  for (int step = 0; step < 300 && high - low > 1e-12 * high; ++step) {
    const Slopes s = slopes_at(values, truth, rows, classes, t);
    FULMEN_CHECK(std::isfinite(s.first), "Temperature: the logits are not finite");
    (s.first > 0 ? high : low) = t;
    const double next = t - s.first / s.second;
    const bool inside = s.second > 0 && next > low && next < high && step % 3 != 2;
    const double moved = inside ? next : std::sqrt(low * high);
    if (std::fabs(moved - t) <= 1e-14 * t) break;
    t = moved;
  }
  *learnt_ = {1 / t, true};
}

data::PreprocessorState Temperature::state() const {
  data::PreprocessorState state;
  state.json = nlohmann::json{{"value", learnt_->value}}.dump();
  return state;
}

void Temperature::load_state(const data::PreprocessorState& state) {
  const nlohmann::json parsed = nlohmann::json::parse(state.json, nullptr, false);
  FULMEN_CHECK(parsed.is_object() && parsed.contains("value") && parsed["value"].is_number() && parsed["value"] > 0,
               "temperature: the state has no positive number \"value\"");
  *learnt_ = {parsed["value"].get<double>(), true};
}

ClassPrediction classify(const Tensor& logits, double temperature) {
  FULMEN_CHECK(logits.dim() == 2 && logits.is_floating_point(), "classify: expected logits [n, classes]; got ", logits);
  if (!(temperature > 0)) {
    throw Error("E016", str("classify: temperature is ", temperature, "; allowed: more than 0"), "change temperature");
  }
  NoGradGuard no_grad;
  const Tensor logs = log_softmax(temperature == 1.0 ? logits : logits / Scalar(temperature), 1);
  ClassPrediction out;
  out.probabilities = logs.exp();
  out.label = argmax(logs, 1);
  out.confidence = amax(out.probabilities, {1});
  // p log p is 0 where p is 0, also where log p is -infinity.
  out.entropy = where(out.probabilities > 0, out.probabilities * logs, zeros_like(logs)).sum({1}).neg();
  return out;
}

Metrics classification_score(const ClassPrediction& prediction, const Tensor& labels, const std::string& prefix) {
  const Tensor p = prediction.probabilities.to(Device(kCPU)).to(kDouble), truth = labels.to(Device(kCPU));
  FULMEN_CHECK(truth.dim() == 1 && p.dim() == 2 && p.size(0) == truth.size(0) && p.size(0) > 0,
               "classification_score: expected probabilities [n, classes] and labels [n]; got ", p, " and ", truth);
  metric::CalibrationError calibration({.num_classes = p.size(1)});
  calibration.update(p, truth);
  const Tensor of_truth = p.gather(1, truth.unsqueeze(1)).clamp_min(1e-38);
  return {{prefix + "accuracy", argmax(p, 1).eq(truth).to(kDouble).mean().item<double>()},
          {prefix + "loss", -of_truth.log().mean().item<double>()},
          {prefix + "calibration_error", calibration.value()}};
}

void CalibrateTemperature::on_validation_start(Trainer&, Module&) {
  logits_.clear();
  targets_.clear();
}

void CalibrateTemperature::on_validation_batch_end(Trainer& trainer, Module&, const StepOutput& output, const AnyRef&,
                                                   int64_t, int64_t) {
  if (trainer.stage() != Stage::Fit || trainer.sanity_checking()) return;
  const Tensor *logits = output.outputs().find("logits"), *target = output.outputs().find("target");
  FULMEN_CHECK(logits && target, "CalibrateTemperature: validation_step gave no \"", logits ? "target" : "logits",
               "\": return Dict{{\"logits\", logits}, {\"target\", batch.target}}");
  logits_.push_back(logits->detach().to(Device(kCPU)));
  targets_.push_back(target->detach().to(Device(kCPU)));
}

void CalibrateTemperature::on_validation_epoch_end(Trainer&, Module&) {
  if (logits_.empty()) return;
  temperature_.fit(cat(logits_, 0), cat(targets_, 0));
  logits_.clear();
  targets_.clear();
}

}  // namespace fulmen::trainer
