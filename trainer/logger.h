#pragma once
#include <fulmen/trainer/metrics.h>

#include <memory>
#include <string>

namespace fulmen::trainer {

/// Receives what a run logs. Write one to send metrics anywhere else.
class Logger {
 public:
  virtual ~Logger() = default;
  /// One row. `step` is the index of the last optimizer step (0 for the first).
  virtual void log_metrics(const Metrics& row, int64_t step) = 0;
  virtual void log_hyperparams(const std::string& /*json*/) {}
  virtual void after_save_checkpoint(const std::string& /*path*/) {}
  /// Writes out what is still held back.
  virtual void save() {}
  /// The end of a run: "success" or "failed".
  virtual void finalize(const std::string& /*status*/) {}
  /// Where its files are; empty if it has none. Checkpoints go there if nothing else says where.
  virtual std::string log_dir() { return {}; }
};

/// One JSON object per row in `<save_dir>/<name>/version_<k>/metrics.jsonl`, appended and never rewritten: constant
/// time a row, and a run that dies leaves all its rows behind. Hyperparameters go into `hparams.json` beside it. The
/// folder is made when the first row (or checkpoint) needs it; without a version it is the first free one.
class JsonLinesLogger : public Logger {
 public:
  explicit JsonLinesLogger(std::string save_dir, std::string name = "fulmen_logs", std::string version = "");
  ~JsonLinesLogger() override;
  void log_metrics(const Metrics& row, int64_t step) override;
  void log_hyperparams(const std::string& json) override;
  void save() override;
  void finalize(const std::string& status) override;
  std::string log_dir() override;

 protected:
  /// The folder, made if it is not there yet.
  const std::string& folder();
  std::string rows_path() { return folder() + "/metrics.jsonl"; }
  bool has_rows() const { return file_ != nullptr; }

 private:
  struct File;
  void write_hyperparams() const;
  std::string save_dir_, name_, version_, folder_, hparams_;
  std::unique_ptr<File> file_;
};

/// JsonLinesLogger, which at the end of the run also writes `metrics.csv`: one column per metric, empty where a row has
/// no value for it.
class CsvLogger : public JsonLinesLogger {
 public:
  using JsonLinesLogger::JsonLinesLogger;
  void finalize(const std::string& status) override;
};

}  // namespace fulmen::trainer
