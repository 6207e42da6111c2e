#pragma once
#include <fulmen/tensor/tensor.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

// The files of PredictionWriter. Private to the trainer's sources.
namespace fulmen::trainer {

/// The tensors of a prediction, each [rows, ...] on the CPU, under their names.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// A file of predictions, a row per sample. Whatever cannot be written is an Error that names the file.
class PredictionFile {
 public:
  /// By the path's ending: .csv, .jsonl or .npy.
  static std::unique_ptr<PredictionFile> create(const std::string& path);
  static bool knows(const std::string& path);

  virtual ~PredictionFile();
  PredictionFile(const PredictionFile&) = delete;
  /// The rows of one batch; `samples`: their indices in the dataset.
  virtual void write(const NamedTensors& prediction, std::span<const int64_t> samples) = 0;
  /// Everything is in the file after this.
  virtual void finish();

 protected:
  explicit PredictionFile(const std::string& path);
  void put(const void* data, size_t bytes);
  void put(const std::string& text) { put(text.data(), text.size()); }
  void go_to(int64_t position);

 private:
  [[noreturn]] void failed() const;
  std::string path_;
  std::FILE* file_;
};

}  // namespace fulmen::trainer
