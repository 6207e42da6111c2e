#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/metric/classification.h>
#include <fulmen/trainer/metric/probability.h>
#include <fulmen/trainer/metric/regression.h>
#include <tests/message_of.h>
#include <tests/paths.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

// metrics.json holds figures of torchmetrics; record_metrics.py made it.

namespace fulmen::trainer::metric {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;
using Json = nlohmann::json;
using Made = std::unique_ptr<Metric>;

const Json& recorded() {
  static const Json table = Json::parse(std::ifstream(fulmen::testing::source_dir() + "/tests/trainer/metrics.json"));
  return table;
}

void flatten(const Json& list, std::vector<double>& out) {
  if (list.is_number()) return out.push_back(list.get<double>());
  for (const Json& item : list) flatten(item, out);
}
std::vector<double> flat(const Json& list) {
  std::vector<double> out;
  flatten(list, out);
  return out;
}

/// A tensor of a nested list; `like` gives the trailing sizes when the list is empty.
Tensor tensor_from(const Json& list, const Json& like) {
  std::vector<int64_t> sizes{static_cast<int64_t>(list.size())};
  for (const Json* inner = &like[0]; inner->is_array(); inner = &(*inner)[0]) {
    sizes.push_back(static_cast<int64_t>(inner->size()));
  }
  const Json* leaf = &like[0];
  while (leaf->is_array()) leaf = &(*leaf)[0];
  Tensor values = empty(sizes, kDouble);
  const std::vector<double> numbers = flat(list);
  std::copy(numbers.begin(), numbers.end(), values.data_ptr<double>());
  return leaf->is_number_integer() ? values.to(kLong) : values;
}

struct Batch {
  Tensor prediction, target;
};
std::vector<Batch> batches_of(const std::string& inputs) {
  std::vector<Batch> out;
  const Json& lists = recorded()["inputs"][inputs];
  for (const Json& batch : lists) {
    out.push_back(
        {tensor_from(batch["prediction"], lists[0]["prediction"]), tensor_from(batch["target"], lists[0]["target"])});
  }
  return out;
}

Average average_of(const Json& args, Average otherwise) {
  if (!args.contains("average")) return otherwise;
  const std::string name = args["average"];
  return name == "micro"   ? Average::Micro
         : name == "macro" ? Average::Macro
                           : (name == "weighted" ? Average::Weighted : Average::None);
}

Made make(const std::string& name, const Json& a) {
  const int64_t classes = a.value("num_classes", 0), labels = a.value("num_labels", 0);
  std::optional<int64_t> ignored;
  if (a.contains("ignore_index")) ignored = a["ignore_index"].get<int64_t>();
  const ClassificationOptions o{.num_classes = classes,
                                .num_labels = labels,
                                .average = average_of(a, Average::Micro),
                                .threshold = a.value("threshold", 0.5),
                                .top_k = a.value("top_k", 1),
                                .ignore_index = ignored};
  if (name == "Accuracy") return std::make_unique<Accuracy>(o);
  if (name == "Precision") return std::make_unique<Precision>(o);
  if (name == "Recall") return std::make_unique<Recall>(o);
  if (name == "F1Score") return std::make_unique<F1Score>(o);
  if (name == "ConfusionMatrix") {
    ConfusionMatrixOptions m{.num_classes = classes, .num_labels = labels};
    using Normalize = ConfusionMatrixOptions::Normalize;
    const std::string how = a["normalize"];
    m.normalize = how == "true"   ? Normalize::True
                  : how == "pred" ? Normalize::Pred
                                  : (how == "all" ? Normalize::All : Normalize::None);
    return std::make_unique<ConfusionMatrix>(m);
  }
  if (name == "AUROC") {
    return std::make_unique<AUROC>(AUROCOptions{.num_classes = classes,
                                                .num_labels = labels,
                                                .average = average_of(a, Average::Macro),
                                                .ignore_index = ignored});
  }
  if (name == "CalibrationError") {
    CalibrationErrorOptions c{.num_classes = classes, .n_bins = a.value("n_bins", 15)};
    using Norm = CalibrationErrorOptions::Norm;
    c.norm = a["norm"] == "l1" ? Norm::L1 : a["norm"] == "l2" ? Norm::L2 : Norm::Max;
    return std::make_unique<CalibrationError>(c);
  }
  if (name == "MeanAbsoluteError") return std::make_unique<MeanAbsoluteError>();
  if (name == "MeanSquaredError") return std::make_unique<MeanSquaredError>(a.value("squared", true));
  if (name == "Perplexity") return std::make_unique<Perplexity>(ignored);
  REQUIRE(name == "R2Score");
  const std::string outputs = a.value("multioutput", "");
  return std::make_unique<R2Score>(outputs.empty() ? 1 : 2, outputs == "raw_values" ? MultiOutput::RawValues
                                                            : outputs == "variance_weighted"
                                                                ? MultiOutput::VarianceWeighted
                                                                : MultiOutput::UniformAverage);
}

std::vector<double> result(const Metric& metric) {
  const Tensor t = metric.compute();
  const double* values = t.data_ptr<double>();
  return {values, values + t.numel()};
}

void check_close(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(tolerance));
}

/// A metric over all rows, visited one by one, split and joined: whatever the batches, the figure is the same.
void check_any_batches(const Json& row, const std::vector<Batch>& batches, const std::vector<double>& whole) {
  const Made single = make(row["metric"], row["args"]), backwards = make(row["metric"], row["args"]);
  std::vector<Tensor> predictions, targets;
  for (const Batch& batch : batches) {
    predictions.push_back(batch.prediction);
    targets.push_back(batch.target);
  }
  const Tensor all = cat(predictions, 0), truth = cat(targets, 0);
  single->update(all, truth);
  check_close(result(*single), whole, 1e-12);
  for (int64_t i = all.size(0); i-- > 0;) backwards->update(all.narrow(0, i, 1), truth.narrow(0, i, 1));
  check_close(result(*backwards), whole, 1e-12);
}

/// Interrupted after each batch, saved, and gone on with by another object that has seen the next batch already.
void check_resume(const Json& row, const std::vector<Batch>& batches, const std::vector<double>& whole) {
  for (size_t cut = 1; cut < batches.size(); ++cut) {
    const Made first = make(row["metric"], row["args"]), second = make(row["metric"], row["args"]);
    for (size_t i = 0; i < cut; ++i) first->update(batches[i].prediction, batches[i].target);
    second->update(batches[cut].prediction, batches[cut].target);
    second->merge(first->state());
    for (size_t i = cut + 1; i < batches.size(); ++i) second->update(batches[i].prediction, batches[i].target);
    CHECK(result(*second) == whole);
  }
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("metrics: torchmetrics' figures, for any batches, and across a checkpoint") {
    CHECK(recorded()["rows"].size() >= 150);
    for (const Json& row : recorded()["rows"]) {
      CAPTURE(row["metric"].get<std::string>());
      CAPTURE(row["args"].dump());
      CAPTURE(row["inputs"].get<std::string>());
      const Made metric = make(row["metric"], row["args"]);
      // Probabilities and logits are told apart batch by batch, so those inputs are not joined.
      const bool joinable = row["inputs"] != "binary_logits";
      const std::vector<Batch> batches = batches_of(row["inputs"]);
      for (const Batch& batch : batches) metric->update(batch.prediction, batch.target);
      const std::vector<double> whole = result(*metric);
      check_close(whole, flat(row["result"]), 2e-6);
      if (joinable) check_any_batches(row, batches, whole);
      check_resume(row, batches, whole);
      metric->reset();
      for (const Batch& batch : batches) metric->update(batch.prediction, batch.target);
      CHECK(result(*metric) == whole);
    }
  }

  TEST_CASE("metrics: AUROC is the share of pairs in the right order") {
    manual_seed(3);
    for (int64_t n : {2, 3, 17, 200}) {
      const Tensor scores = (rand({n}) * Scalar(7.0)).floor() / Scalar(10.0), target = randint(0, 2, {n});
      AUROC auroc;
      auroc.update(scores, target);
      const float* s = scores.data_ptr<float>();
      double right = 0, pairs = 0;
      const Tensor kept = target.to(kLong);
      const int64_t* t = kept.data_ptr<int64_t>();
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          if (t[i] != 1 || t[j] != 0) continue;
          right += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
          pairs += 1;
        }
      }
      CHECK(auroc.value() == doctest::Approx(pairs > 0 ? right / pairs : 0).epsilon(1e-12));
    }
  }

  TEST_CASE("metrics: nothing seen, values that are no numbers, constant targets") {
    CHECK(Accuracy().value() == 0);
    CHECK(F1Score({.num_classes = 3, .average = Average::Macro}).value() == 0);
    CHECK(std::isnan(MeanAbsoluteError().value()));
    CHECK(std::isnan(MeanMetric().value()));
    CHECK(std::isnan(Perplexity().value()));
    CHECK(mentions(message_of([] { AUROC().value(); }), "before any sample was seen"));
    CHECK(mentions(message_of([] { R2Score().value(); }), "needs at least two samples; got 0"));
    const Tensor nan = tensor({0.5, std::nan(""), 0.2}, kDouble), yes = tensor({1, 0, 1}, kLong);
    AUROC auroc;
    auroc.update(nan, yes);
    CHECK(std::isnan(auroc.value()));
    CalibrationError calibration;
    calibration.update(nan, yes);
    CHECK(std::isnan(calibration.value()));
    const Tensor constant = tensor({2.0, 2.0, 2.0}, kDouble);
    R2Score perfect, wrong;
    perfect.update(constant, constant);
    wrong.update(constant + 1, constant);
    CHECK(perfect.value() == 1);
    CHECK(wrong.value() == 0);
    // Large offsets: sum t^2 - n mean^2 would lose every digit here.
    const Tensor t = tensor({1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4}, kDouble);
    R2Score far;
    far.update((t + 0.5).narrow(0, 0, 1), t.narrow(0, 0, 1));
    far.update((t + 0.5).narrow(0, 1, 3), t.narrow(0, 1, 3));
    CHECK(far.value() == doctest::Approx(1 - 4 * 0.25 / 5).epsilon(1e-9));
  }

  TEST_CASE("metrics: MeanMetric weighs, and does with NaN what it is told") {
    MeanMetric mean;
    mean.update(tensor({1.0, 2.0}, kDouble), tensor({3.0, 1.0}, kDouble));
    mean.update(5, 2);
    CHECK(mean.value() == doctest::Approx((3 + 2 + 10) / 6.0));
    MeanMetric ignoring(MeanMetric::Nan::Ignore), keeping(MeanMetric::Nan::Keep), strict(MeanMetric::Nan::Error);
    ignoring.update(tensor({1.0, std::nan(""), 3.0}, kDouble));
    keeping.update(tensor({1.0, std::nan(""), 3.0}, kDouble));
    CHECK(ignoring.value() == 2);
    CHECK(std::isnan(keeping.value()));
    CHECK(mentions(message_of([&] { strict.update(NAN); }), "E006: MeanMetric: a value is nan"));
  }

  TEST_CASE("metrics: the reliability diagram's bins") {
    CalibrationError calibration({.n_bins = 4});
    calibration.update(tensor({0.1, 0.2, 0.25, 0.9, 1.0}, kDouble), tensor({0, 1, 1, 1, 0}, kLong));
    const auto bins = calibration.bins();
    REQUIRE(bins.size() == 5);
    CHECK(bins[0].count == 2);
    CHECK(bins[0].confidence == doctest::Approx(0.15));
    CHECK(bins[0].accuracy == 0.5);
    CHECK(bins[1].count == 1);
    CHECK(bins[1].low == 0.25);
    CHECK(bins[2].count == 0);
    CHECK(bins[4].count == 1);
  }

  TEST_CASE("metrics say what is wrong") {
    const auto says = [](auto&& action, const char* text) {
      const std::string message = message_of(action);
      CAPTURE(message);
      CHECK(mentions(message, text));
    };
    const Tensor scores = zeros({3, 4}), labels = tensor({0, 5, 1}, kLong);
    Accuracy accuracy({.num_classes = 4});
    says([&] { accuracy.update(scores, labels); }, "E008: Accuracy: expected labels 0..3; got 5 at row 1");
    says(
        [&] {
          accuracy.update(zeros({3, 5}), labels);
        },
        "Accuracy: expected scores [samples, 4, ...] and a target [samples, ...]; got float32[3, 5] on cpu");
    says([&] { Recall().update(zeros({3, 1}), labels); }, "E007: Recall: expected prediction and target of the same");
    says([&] { F1Score({.num_classes = 1}); }, "E016: num_classes is 1");
    says([&] { F1Score({.num_classes = 3, .top_k = 4}); }, "E016: top_k is 4 of 3 classes");
    says([&] { ConfusionMatrix({.num_classes = 2, .num_labels = 3}); }, "E016: ConfusionMatrix");
    says([&] { AUROC({.num_classes = 3, .average = Average::Micro}); }, "no micro average");
    says([&] { R2Score(2).update(zeros({3}), zeros({3})); }, "R2Score: expected [n], or [n, 2]");
    says([&] { MeanSquaredError().update(zeros({3, 1}), zeros({3})); }, "E007: MeanSquaredError");
    says([&] { Perplexity().update(zeros({2, 3}), zeros({2, 3})); }, "E007: Perplexity");
    says([&] { Accuracy({.num_classes = 3, .average = Average::None}).value(); },
         "E012: Accuracy: expected one number");
    says([&] { accuracy.merge(Accuracy().state()); }, "E013: Accuracy: a state of 4 numbers; expected 16");
    says([&] { AUROC().merge(std::vector<double>{1, 0, 1}); }, "E013: AUROC");
  }
}

}  // namespace fulmen::trainer::metric
