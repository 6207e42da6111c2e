#pragma once
#include <fulmen/data/dict.h>
#include <fulmen/trainer/callback.h>

#include <memory>
#include <span>
#include <string>

namespace fulmen::trainer {

/// Writes predictions to a file while they are made, one line per sample: CSV ("predictions.csv"), or JSON Lines
/// ("predictions.jsonl"). Every line begins with the sample's index in its dataset. Predictions are a Tensor [n, ...]
/// or a Dict of such tensors; for another type override write().
class PredictionWriter : public Callback {
 public:
  /// Throws E016 unless the path ends in .csv or .jsonl. The file is made when the first prediction comes.
  explicit PredictionWriter(std::string path);
  ~PredictionWriter() override;
  void on_predict_start(Trainer&, Module&) override;
  void on_predict_batch_end(Trainer&, Module&, const AnyRef& prediction, const AnyRef&, int64_t, int64_t) override;
  void on_predict_end(Trainer&, Module&) override;

 protected:
  /// The prediction of one batch; `samples` are the indices of its rows (empty for a stream).
  virtual void write(const AnyRef& prediction, std::span<const int64_t> samples);

 private:
  struct File;
  std::string path_;
  bool json_;
  int64_t written_ = 0;
  std::unique_ptr<File> file_;
};

}  // namespace fulmen::trainer
