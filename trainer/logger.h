#pragma once
#include <fulmen/trainer/metrics.h>

#include <memory>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// Receives what a run logs. Write one to send metrics anywhere else; a trainer takes several.
class Logger {
 public:
  virtual ~Logger() = default;
  /// One row. `step` is the index of the last optimizer step (0 for the first).
  virtual void log_metrics(const Metrics& row, int64_t step) = 0;
  virtual void log_hyperparams(const std::string& /*json*/) {}
  virtual void after_save_checkpoint(const std::string& /*path*/) {}
  /// Writes out what is still held back: after every validation and with every checkpoint.
  virtual void save() {}
  /// The end of a run: "success" or "failed".
  virtual void finalize(const std::string& /*status*/) {}
  /// Where its files are; empty if it has none. Checkpoints go there if nothing else says where.
  virtual std::string log_dir() { return {}; }
};

/// A logger whose files are in `<save_dir>/<name>/version_<k>`. The folder is made when the first row (or checkpoint)
/// needs it; without a version it is the first free one. Hyperparameters go into `hparams.json` in it. With a version
/// that is there already, rows are added to those of the earlier run.
class FolderLogger : public Logger {
 public:
  explicit FolderLogger(std::string save_dir, std::string name = "fulmen_logs", std::string version = "");
  void log_hyperparams(const std::string& json) override;
  void after_save_checkpoint(const std::string&) override { save(); }
  void finalize(const std::string&) override { save(); }
  std::string log_dir() override { return folder(); }

 protected:
  /// The folder, made if it is not there yet.
  const std::string& folder();
  /// What log_hyperparams was given; empty without.
  const std::string& hyperparams() const { return hparams_; }

 private:
  void write_hyperparams() const;
  std::string save_dir_, name_, version_, folder_, hparams_;
};

/// A file that grows: text is collected in memory and written in large pieces, so that a row costs no system call.
/// Throws, naming the file, if it cannot be written.
class GrowingFile {
 public:
  GrowingFile() = default;
  GrowingFile(const GrowingFile&) = delete;
  ~GrowingFile();
  bool is_open() const { return descriptor_ >= 0; }
  /// Opens for appending; makes the file if there is none.
  void open(const std::string& path);
  /// The same for a text file: a last line without an end is cut off first.
  void open_lines(const std::string& path);
  const std::string& path() const { return path_; }
  /// Text to be written; call appended() after that to it.
  std::string& pending() { return pending_; }
  void appended() {
    if (pending_.size() >= 1 << 16) flush();
  }
  void flush();
  void close();

 private:
  std::string path_, pending_;
  int descriptor_ = -1;
};

/// One JSON object per row in `metrics.jsonl`.
class JsonLinesLogger : public FolderLogger {
 public:
  using FolderLogger::FolderLogger;
  ~JsonLinesLogger() override;
  void log_metrics(const Metrics& row, int64_t step) override;
  void save() override;

 private:
  GrowingFile file_;
  std::vector<std::pair<std::string, std::string>> keys_;  // of the row before, plain and as JSON
};

/// `metrics.csv`: one column per metric, empty where a row has no value for it. A metric that appears later adds a
/// column, for which the file is written anew.
class CsvLogger : public FolderLogger {
 public:
  using FolderLogger::FolderLogger;
  ~CsvLogger() override;
  void log_metrics(const Metrics& row, int64_t step) override;
  void save() override;

 private:
  void open();
  void place(const Metrics& row);
  void add_columns(const std::vector<std::string>& added);

  GrowingFile file_;
  std::vector<std::string> columns_;
  std::vector<size_t> places_;  // column of each value of the row before
  std::vector<const double*> cells_;
};

}  // namespace fulmen::trainer
