#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/logger.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

struct JsonLinesLogger::File {
  explicit File(const std::string& path) : handle(std::fopen(path.c_str(), "a")) {
    FULMEN_CHECK(handle, "logger: cannot write ", path, ": ", std::strerror(errno));
  }
  ~File() { std::fclose(handle); }
  std::FILE* handle;
};

JsonLinesLogger::JsonLinesLogger(std::string save_dir, std::string name, std::string version)
    : save_dir_(std::move(save_dir)), name_(std::move(name)), version_(std::move(version)) {}
JsonLinesLogger::~JsonLinesLogger() = default;

const std::string& JsonLinesLogger::folder() {
  namespace fs = std::filesystem;
  if (!folder_.empty()) return folder_;
  const fs::path root = fs::path(save_dir_) / name_;
  std::error_code error;
  fs::create_directories(root, error);
  if (!version_.empty()) {
    fs::create_directories(root / version_, error);
    FULMEN_CHECK(!error, "logger: cannot make the folder ", (root / version_).string(), ": ", error.message());
    folder_ = (root / version_).string();
    write_hyperparams();
    return folder_;
  }
  // create_directory tells whether it made the folder, so two runs never share a version.
  for (int version = 0;; ++version) {
    const fs::path candidate = root / ("version_" + std::to_string(version));
    const bool made = fs::create_directory(candidate, error);
    FULMEN_CHECK(!error || fs::exists(candidate), "logger: cannot make the folder ", candidate.string(), ": ",
                 error.message());
    if (!made) continue;
    folder_ = candidate.string();
    write_hyperparams();
    return folder_;
  }
}

std::string JsonLinesLogger::log_dir() { return folder(); }

void JsonLinesLogger::log_metrics(const Metrics& row, int64_t step) {
  if (!file_) file_ = std::make_unique<File>(rows_path());
  std::string line = str("{\"step\": ", static_cast<long long>(step));
  if (!row.empty()) line += ", " + row.to_json().substr(1);
  line += row.empty() ? "}\n" : "\n";
  std::fwrite(line.data(), 1, line.size(), file_->handle);
}

void JsonLinesLogger::log_hyperparams(const std::string& json) {
  hparams_ = json;
  if (!folder_.empty()) write_hyperparams();
}

void JsonLinesLogger::write_hyperparams() const {
  if (!hparams_.empty() && hparams_ != "{}") std::ofstream(folder_ + "/hparams.json") << hparams_ << '\n';
}

void JsonLinesLogger::save() {
  if (file_) std::fflush(file_->handle);
}

void JsonLinesLogger::finalize(const std::string&) { save(); }

void CsvLogger::finalize(const std::string& status) {
  JsonLinesLogger::finalize(status);
  if (!has_rows()) return;
  // Two passes over the rows: the columns first, then the cells.
  std::vector<std::string> columns{"epoch", "step"};
  auto each_row = [&](auto&& f) {
    std::ifstream rows(rows_path());
    for (std::string line; std::getline(rows, line);) {
      const nlohmann::ordered_json row = nlohmann::ordered_json::parse(line, nullptr, false);
      if (!row.is_discarded()) f(row);
    }
  };
  each_row([&](const auto& row) {
    for (const auto& item : row.items()) {
      if (std::find(columns.begin(), columns.end(), item.key()) == columns.end()) columns.push_back(item.key());
    }
  });
  std::ofstream csv(log_dir() + "/metrics.csv");
  for (size_t i = 0; i < columns.size(); ++i) csv << (i ? "," : "") << csv_cell(columns[i]);
  csv << '\n';
  each_row([&](const auto& row) {
    for (size_t i = 0; i < columns.size(); ++i) {
      csv << (i ? "," : "");
      const auto cell = row.find(columns[i]);
      if (cell != row.end()) csv << (cell->is_string() ? cell->template get<std::string>() : cell->dump());
    }
    csv << '\n';
  });
}

}  // namespace fulmen::trainer
