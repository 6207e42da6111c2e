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
  /// The rows of one batch; `samples`: their indices in the dataset. What the rows look like is taken from the first
  /// batch that has any.
  void write(const NamedTensors& prediction, std::span<const int64_t> samples);
  /// Everything is in the file after this.
  void finish();

 protected:
  explicit PredictionFile(const std::string& path);
  virtual void write_rows(const NamedTensors& prediction, std::span<const int64_t> samples) = 0;
  virtual void complete() {}
  /// `layout` says what the rows of this batch look like: throws if those before looked different.
  void check_layout(const std::string& layout);
  void put(const void* data, size_t bytes);
  void put(const std::string& text) { put(text.data(), text.size()); }
  void go_to(int64_t position);

 private:
  [[noreturn]] void failed() const;
  std::string path_, layout_;
  std::FILE* file_;
  bool has_rows_ = false;
  NamedTensors rowless_;  ///< a batch without rows, for a file that never gets any
};

}  // namespace fulmen::trainer
