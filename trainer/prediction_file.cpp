#include <fulmen/tensor/error.h>
#include <fulmen/tensor/npy.h>
#include <fulmen/trainer/prediction_file.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

/// Numbers in a row of [rows, ...]; also if there is no row.
int64_t row_numel(const Tensor& tensor) {
  int64_t numbers = 1;
  for (int64_t d = 1; d < tensor.dim(); ++d) numbers *= tensor.size(d);
  return numbers;
}

/// [rows, width] of float64.
Tensor as_numbers(const Tensor& tensor) {
  return tensor.to(kDouble).reshape({tensor.size(0), row_numel(tensor)}).contiguous();
}
std::span<const double> numbers_of_row(const Tensor& numbers, size_t row) {
  const auto width = static_cast<size_t>(numbers.size(1));
  return {static_cast<const double*>(numbers.const_data_ptr()) + row * width, width};
}

/// One line per sample: index, then every number.
class CsvFile final : public PredictionFile {
 public:
  explicit CsvFile(const std::string& path) : PredictionFile(path) {}

 private:
  void write_rows(const NamedTensors& prediction, std::span<const int64_t> samples) override {
    std::vector<Tensor> columns;
    std::string header = "index";
    for (const auto& [name, tensor] : prediction) {
      columns.push_back(as_numbers(tensor));
      const int64_t width = columns.back().size(1);
      for (int64_t k = 0; k < width; ++k) header += "," + name + (width > 1 ? "_" + std::to_string(k) : "");
    }
    check_layout(header);
    std::string text = std::exchange(begun_, true) ? "" : header + "\n";
    for (size_t row = 0; row < samples.size(); ++row) {
      text += std::to_string(samples[row]);
      for (const Tensor& column : columns) {
        for (const double number : numbers_of_row(column, row)) text += "," + str(number);
      }
      text += "\n";
    }
    put(text);
  }

  bool begun_ = false;
};

/// One object per sample.
class JsonLinesFile final : public PredictionFile {
 public:
  explicit JsonLinesFile(const std::string& path) : PredictionFile(path) {}

 private:
  void write_rows(const NamedTensors& prediction, std::span<const int64_t> samples) override {
    std::vector<Tensor> columns;
    for (const auto& named : prediction) columns.push_back(as_numbers(named.second));
    for (size_t row = 0; row < samples.size(); ++row) {
      nlohmann::ordered_json object = {{"index", samples[row]}};
      for (size_t k = 0; k < columns.size(); ++k) {
        const std::span<const double> numbers = numbers_of_row(columns[k], row);
        auto& value = object[prediction[k].first];
        if (numbers.size() == 1) {
          value = numbers[0];
        } else {
          value = std::vector<double>(numbers.begin(), numbers.end());
        }
      }
      put(object.dump() + "\n");
    }
  }
};

/// NumPy's format, version 1.0. Row i of the array is sample i of the dataset; samples that were not predicted are
/// zeros. A prediction of several tensors is a structured array. The number of rows is written at the end: until then
/// the array has none.
class NpyFile final : public PredictionFile {
 public:
  explicit NpyFile(const std::string& path) : PredictionFile(path) {}

 private:
  void write_rows(const NamedTensors& prediction, std::span<const int64_t> samples) override {
    std::vector<Tensor> columns;
    for (const auto& named : prediction) {
      const Tensor& tensor = named.second;
      columns.push_back((tensor.scalar_type() == kBFloat16 ? tensor.to(kFloat) : tensor).contiguous());
    }
    begin(prediction, columns);
    for (size_t row = 0; row < samples.size(); ++row) {
      if (samples[row] != next_) go_to(header_bytes_ + samples[row] * row_bytes_);
      for (const Tensor& column : columns) {
        const size_t bytes = bytes_of_row(column);
        put(static_cast<const char*>(column.const_data_ptr()) + row * bytes, bytes);
      }
      next_ = samples[row] + 1;
      rows_ = std::max(rows_, next_);
    }
  }
  void complete() override {
    if (header_bytes_ == 0) return;
    go_to(0);
    put(header());
  }
  static size_t bytes_of_row(const Tensor& column) {
    return static_cast<size_t>(row_numel(column) * column.element_size());
  }
  /// "3, 4, " of a column whose rows are [3, 4].
  static std::string sizes_of_row(const Tensor& column) {
    std::string text;
    for (int64_t d = 1; d < column.dim(); ++d) text += std::to_string(column.size(d)) + ", ";
    return text;
  }
  void begin(const NamedTensors& prediction, const std::vector<Tensor>& columns) {
    std::string type, sizes;
    if (columns.size() == 1) {
      type = npy_type(columns[0].scalar_type());
      sizes = sizes_of_row(columns[0]);
    } else {
      for (size_t k = 0; k < columns.size(); ++k) {
        type += str(k == 0 ? "[" : ", ", "('", prediction[k].first, "', ", npy_type(columns[k].scalar_type()), ", (",
                    sizes_of_row(columns[k]), "))");
      }
      type += "]";
    }
    check_layout(sizes.empty() ? type : type + " x " + sizes);
    if (header_bytes_ > 0) return;
    type_ = type, sizes_ = sizes;
    for (const Tensor& column : columns) row_bytes_ += static_cast<int64_t>(bytes_of_row(column));
    header_bytes_ = static_cast<int64_t>(header().size());
    put(header());
  }
  /// As long for every number of rows.
  std::string header() const {
    const std::string rows = std::to_string(rows_);
    return npy_header(type_, str(rows, ", ", sizes_), 20 - rows.size());
  }

  std::string type_, sizes_;
  int64_t header_bytes_ = 0, row_bytes_ = 0, rows_ = 0, next_ = 0;
};

}  // namespace

std::unique_ptr<PredictionFile> PredictionFile::create(const std::string& path) {
  if (path.ends_with(".jsonl")) return std::make_unique<JsonLinesFile>(path);
  if (path.ends_with(".npy")) return std::make_unique<NpyFile>(path);
  return std::make_unique<CsvFile>(path);
}
bool PredictionFile::knows(const std::string& path) {
  return path.ends_with(".csv") || path.ends_with(".jsonl") || path.ends_with(".npy");
}

PredictionFile::PredictionFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
  if (!file_) failed();
}
PredictionFile::~PredictionFile() {
  if (file_) std::fclose(file_);
}
void PredictionFile::failed() const { fail(str("PredictionWriter: cannot write ", path_, ": ", std::strerror(errno))); }
void PredictionFile::put(const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_) != bytes) failed();
}
void PredictionFile::go_to(int64_t position) {
  if (::fseeko(file_, position, SEEK_SET) != 0) failed();
}
void PredictionFile::write(const NamedTensors& prediction, std::span<const int64_t> samples) {
  if (samples.empty()) {
    if (!has_rows_) rowless_ = prediction;
    return;
  }
  has_rows_ = true;
  rowless_.clear();
  write_rows(prediction, samples);
}
void PredictionFile::check_layout(const std::string& layout) {
  if (layout_.empty()) layout_ = layout;
  FULMEN_CHECK(layout == layout_, "PredictionWriter: ", path_, ": the rows of this batch are ", layout,
               "; those before were ", layout_);
}
void PredictionFile::finish() {
  if (!rowless_.empty()) write_rows(rowless_, {});
  complete();
  if (std::fclose(std::exchange(file_, nullptr)) != 0) failed();
}

}  // namespace fulmen::trainer
