#include <fcntl.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/warning.h>
#include <fulmen/trainer/logger.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

/// The fewest digits that give the number back; a number that came from a float, as that float.
void append_number(std::string& out, double value) {
  char text[40];
  const auto single = static_cast<float>(value);
  const auto end = static_cast<double>(single) == value ? std::to_chars(text, text + sizeof text, single)
                                                        : std::to_chars(text, text + sizeof text, value);
  out.append(text, end.ptr);
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// The cells of a header line.
std::vector<std::string> csv_cells(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

[[noreturn]] void cannot(const char* what, const std::string& path) {
  fail(str("logger: cannot ", what, " ", path, ": ", std::strerror(errno)));
}

}  // namespace

FolderLogger::FolderLogger(std::string save_dir, std::string name, std::string version)
    : save_dir_(std::move(save_dir)), name_(std::move(name)), version_(std::move(version)) {}

const std::string& FolderLogger::folder() {
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

void FolderLogger::log_hyperparams(const std::string& json) {
  hparams_ = json;
  if (!folder_.empty()) write_hyperparams();
}

void FolderLogger::write_hyperparams() const {
  if (!hparams_.empty() && hparams_ != "{}") std::ofstream(folder_ + "/hparams.json") << hparams_ << '\n';
}

GrowingFile::~GrowingFile() {
  try {
    close();
  } catch (const std::exception& problem) {
    warn(problem.what());
  }
}

void GrowingFile::open(const std::string& path) {
  path_ = path;
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) cannot("write", path_);
}

void GrowingFile::open_lines(const std::string& path) {
  // The run before may have died within a line.
  if (std::ifstream file(path, std::ios::binary); std::filesystem::is_regular_file(path) && file) {
    std::string tail;
    file.seekg(0, std::ios::end);
    const std::streamoff size = file.tellg(), from = std::max<std::streamoff>(0, size - (1 << 16));
    file.seekg(from);
    tail.assign(std::istreambuf_iterator<char>(file), {});
    const size_t last = tail.rfind('\n');
    const std::streamoff whole = last == std::string::npos ? (from == 0 ? 0 : size) : from + std::streamoff(last) + 1;
    std::error_code ignored;
    if (whole < size) std::filesystem::resize_file(path, static_cast<uintmax_t>(whole), ignored);
  }
  open(path);
}

void GrowingFile::flush() {
  size_t done = 0;
  while (done < pending_.size() && is_open()) {
    const ssize_t count = ::write(descriptor_, pending_.data() + done, pending_.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      pending_.erase(0, done);  // what was written is not written twice
      cannot("write", path_);
    }
    done += static_cast<size_t>(count);
  }
  pending_.clear();
}

void GrowingFile::close() {
  if (!is_open()) return;
  const int descriptor = descriptor_;
  try {
    flush();
  } catch (...) {
    descriptor_ = -1;
    ::close(descriptor);
    throw;
  }
  descriptor_ = -1;
  ::close(descriptor);
}

JsonLinesLogger::~JsonLinesLogger() = default;

void JsonLinesLogger::log_metrics(const Metrics& row, int64_t step) {
  if (!file_.is_open()) file_.open_lines(folder() + "/metrics.jsonl");
  keys_.resize(std::max(keys_.size(), row.size()));
  std::string& out = file_.pending();
  char number[24];
  out += "{\"step\": ";
  out.append(number, std::to_chars(number, number + sizeof number, step).ptr);
  size_t i = 0;
  for (const auto& [name, value] : row) {
    auto& [plain, quoted] = keys_[i++];
    if (plain != name) {
      plain = name;
      quoted = ", " + nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + ": ";
    }
    out += quoted;
    if (std::isfinite(value)) {
      append_number(out, value);
    } else {
      out += std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"";
    }
  }
  out += "}\n";
  file_.appended();
}

void JsonLinesLogger::save() { file_.flush(); }

CsvLogger::~CsvLogger() = default;

void CsvLogger::open() {
  const std::string path = folder() + "/metrics.csv";
  file_.open_lines(path);
  // Rows of an earlier run in this folder keep their columns.
  std::ifstream before(path);
  if (std::string header; std::getline(before, header)) columns_ = csv_cells(header);
}

// Rows of one kind come again and again: where their values go is remembered.
void CsvLogger::place(const Metrics& row) {
  places_.resize(std::max(places_.size(), row.size()));
  std::vector<std::string> added;
  for (const char* name : {"epoch", "step"}) {
    if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) added.emplace_back(name);
  }
  size_t i = 0;
  for (const auto& item : row) {
    size_t& place = places_[i++];
    if (place < columns_.size() && columns_[place] == item.first) continue;
    place = static_cast<size_t>(std::find(columns_.begin(), columns_.end(), item.first) - columns_.begin());
    if (place < columns_.size()) continue;
    const auto known = std::find(added.begin(), added.end(), item.first);
    place += static_cast<size_t>(known - added.begin());
    if (known == added.end()) added.push_back(item.first);
  }
  if (!added.empty()) add_columns(added);
}

void CsvLogger::add_columns(const std::vector<std::string>& added) {
  const bool first = columns_.empty();
  columns_.insert(columns_.end(), added.begin(), added.end());
  std::string header;
  for (const std::string& column : columns_) header += (header.empty() ? "" : ",") + csv_cell(column);
  if (first) {
    file_.pending() += header + "\n";
    return;
  }
  // The rows that are there get empty cells. The new file takes the old one's place when it is whole.
  const std::string path = file_.path(), fresh = path + ".new";
  file_.close();
  {
    std::ifstream from(path);
    std::ofstream to(fresh);
    to << header << '\n';
    std::string line;
    std::getline(from, line);
    const std::string empty(added.size(), ',');
    while (std::getline(from, line)) to << line << empty << '\n';
    to.flush();
    if (!to) cannot("write", fresh);
  }
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  FULMEN_CHECK(!error, "logger: cannot replace ", path, ": ", error.message());
  file_.open(path);
}

void CsvLogger::log_metrics(const Metrics& row, int64_t step) {
  if (!file_.is_open()) open();
  place(row);
  cells_.assign(columns_.size(), nullptr);
  const auto clock = static_cast<double>(step);
  cells_[static_cast<size_t>(std::find(columns_.begin(), columns_.end(), "step") - columns_.begin())] = &clock;
  size_t i = 0;
  for (const auto& item : row) cells_[places_[i++]] = &item.second;
  std::string& out = file_.pending();
  for (size_t k = 0; k < cells_.size(); ++k) {
    if (k > 0) out += ',';
    if (cells_[k]) append_number(out, *cells_[k]);
  }
  out += '\n';
  file_.appended();
}

void CsvLogger::save() { file_.flush(); }

}  // namespace fulmen::trainer
