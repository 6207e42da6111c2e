#pragma once
#include <fulmen/trainer/callback.h>

#include <memory>
#include <span>
#include <string>

namespace fulmen::trainer {

class PredictionFile;

/// Writes predictions to a file while they are made, a row per sample: CSV ("predictions.csv"), JSON Lines
/// ("predictions.jsonl") or NumPy ("predictions.npy"). Lines begin with the sample's index in its dataset; in the .npy
/// file row i is sample i. A prediction is a Tensor [n, ...], a Dict of such tensors or a struct of them, whose members
/// are named by its fields() if it has one; several tensors make a structured array in a .npy file. For another type
/// override write().
class PredictionWriter : public Callback {
 public:
  /// Throws E016 unless the path ends in .csv, .jsonl or .npy. The file is made when the first prediction comes.
  explicit PredictionWriter(std::string path);
  ~PredictionWriter() override;
  void on_predict_start(Trainer&, Module&) override;
  void on_predict_batch_end(Trainer&, Module&, const AnyRef& prediction, const AnyRef&, int64_t, int64_t) override;
  void on_predict_end(Trainer&, Module&) override;

 protected:
  /// The prediction of one batch; `samples` are the indices of its rows (empty for a stream).
  virtual void write(const AnyRef& prediction, std::span<const int64_t> samples);

 private:
  std::string path_;
  int64_t written_ = 0;
  std::unique_ptr<PredictionFile> file_;
  Trainer* trainer_ = nullptr;
};

}  // namespace fulmen::trainer
