#pragma once
#include <fulmen/data/preprocessor.h>
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/metrics.h>

#include <string>
#include <vector>

namespace fulmen::trainer {

/// What a classifier says about each of n samples: a batch's prediction, and one struct for all after concat().
struct ClassPrediction {
  Tensor probabilities;  ///< float [n, classes], rows sum to 1
  Tensor label;          ///< int64 [n], the most probable class
  Tensor confidence;     ///< float [n], its probability
  Tensor entropy;        ///< float [n], in nats: 0 when certain, log(classes) when nothing is known

  void fields(auto&& f) {
    f("label", label), f("confidence", confidence), f("entropy", entropy), f("probabilities", probabilities);
  }
};

/// The number by which logits are divided so that confidence is the share of right answers (Guo et al. 2017,
/// temperature scaling). Registered as a transform it travels in the checkpoint: `Temperature temperature =
/// register_transform("temperature", Temperature());`. It is 1 until it is fitted.
class Temperature final : public data::Preprocessor {
 public:
  Temperature() : learnt_(std::make_shared<Learnt>()) {}
  /// Finds the value with the least negative log likelihood of int64 labels [n] under logits [n, classes], each label
  /// being held for right with a probability of (n + 1) / (n + 2), so that it is no 0 where all answers are right.
  void fit(const Tensor& logits, const Tensor& labels);
  double value() const { return learnt_->value; }

  std::string kind() const override { return "temperature"; }
  data::PreprocessorState state() const override;
  void load_state(const data::PreprocessorState& state) override;
  bool fitted() const override { return learnt_->fitted; }

 private:
  struct Learnt {
    double value = 1;
    bool fitted = false;
  };
  std::shared_ptr<Learnt> learnt_;
};

/// Probabilities, label, confidence and entropy from logits [n, classes].
ClassPrediction classify(const Tensor& logits, double temperature = 1.0);
inline ClassPrediction classify(const Tensor& logits, const Temperature& temperature) {
  return classify(logits, temperature.value());
}

/// How well predictions match int64 labels [n]: `<prefix>accuracy`, `<prefix>loss`, the mean negative log likelihood in
/// nats, and `<prefix>calibration_error`, the expected one of 15 bins (metric/probability.h).
Metrics classification_score(const ClassPrediction& prediction, const Tensor& labels, const std::string& prefix = "");

/// Fits a Temperature to every validation of a fit, so that each checkpoint holds the one that belongs to its weights.
/// validation_step returns its logits and labels: `return Dict{{"logits", logits}, {"target", batch.target}}`.
class CalibrateTemperature : public Callback {
 public:
  explicit CalibrateTemperature(Temperature temperature) : temperature_(std::move(temperature)) {}
  void on_validation_start(Trainer&, Module&) override;
  void on_validation_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t, int64_t) override;
  void on_validation_epoch_end(Trainer&, Module&) override;

 private:
  Temperature temperature_;
  std::vector<Tensor> logits_, targets_;
};

}  // namespace fulmen::trainer
