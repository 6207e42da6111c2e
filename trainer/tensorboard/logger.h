#pragma once
#include <fulmen/tensor/tensor.h>
#include <fulmen/trainer/logger.h>

#include <string_view>

namespace fulmen::trainer {

namespace tensorboard {
class Message;
}

/// Event files that TensorBoard opens (`tensorboard --logdir <save_dir>`): metrics as scalars, hyperparameters for its
/// table of runs, and what a program adds itself. Methods have the names of PyTorch's SummaryWriter.
class TensorBoardLogger : public FolderLogger {
 public:
  using FolderLogger::FolderLogger;
  ~TensorBoardLogger() override;
  void log_metrics(const Metrics& row, int64_t step) override;
  void save() override;
  void finalize(const std::string& status) override;

  void add_scalar(std::string_view tag, double value, int64_t step);
  /// Text, as Markdown.
  void add_text(std::string_view tag, std::string_view text, int64_t step);
  /// [height, width] or [channels, height, width] with 1, 3 or 4 channels: bytes, or floating-point values from 0 to 1.
  void add_image(std::string_view tag, const Tensor& image, int64_t step);
  /// The distribution of a tensor's values; those that are not finite are left out.
  void add_histogram(std::string_view tag, const Tensor& values, int64_t step);

 private:
  void open();
  void write_event(const tensorboard::Message& summary, int64_t step);
  GrowingFile file_;
  std::vector<std::string> tags_;  // metrics that were logged
};

}  // namespace fulmen::trainer
