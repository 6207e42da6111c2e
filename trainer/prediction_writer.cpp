#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/prediction_writer.h>
#include <fulmen/trainer/trainer.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

/// One member of a prediction: rows of numbers under a name.
struct Column {
  std::string name;
  Tensor values;  // float64 [rows, width]
};

void add_column(std::vector<Column>& columns, const std::string& name, const Tensor& tensor) {
  FULMEN_CHECK(tensor.dim() > 0, "PredictionWriter: \"", name, "\" has no dimension of samples: ", tensor);
  const int64_t rows = tensor.size(0);
  columns.push_back(
      {name, tensor.detach().to(kDouble).reshape({rows, rows > 0 ? tensor.numel() / rows : 1}).contiguous()});
}

}  // namespace

struct PredictionWriter::File {
  explicit File(const std::string& path) : handle(std::fopen(path.c_str(), "w")) {
    FULMEN_CHECK(handle, "PredictionWriter: cannot write ", path, ": ", std::strerror(errno));
  }
  ~File() { std::fclose(handle); }
  void line(const std::string& text) { std::fprintf(handle, "%s\n", text.c_str()); }
  std::FILE* handle;
};

PredictionWriter::PredictionWriter(std::string path) : path_(std::move(path)), json_(path_.ends_with(".jsonl")) {
  if (!json_ && !path_.ends_with(".csv")) {
    throw Error("E016", "PredictionWriter: the path is " + path_, "let it end in .csv or .jsonl");
  }
}
PredictionWriter::~PredictionWriter() = default;

void PredictionWriter::on_predict_start(Trainer&, Module&) {
  file_.reset();
  written_ = 0;
}

void PredictionWriter::on_predict_end(Trainer&, Module&) { file_.reset(); }

void PredictionWriter::on_predict_batch_end(Trainer& trainer, Module&, const AnyRef& prediction, const AnyRef&, int64_t,
                                            int64_t) {
  write(prediction, trainer.batch_indices());
}

void PredictionWriter::write(const AnyRef& prediction, std::span<const int64_t> samples) {
  std::vector<Column> columns;
  if (const Tensor* tensor = prediction.as<Tensor>()) {
    add_column(columns, "prediction", *tensor);
  } else if (const Dict* dict = prediction.as<Dict>()) {
    for (const auto& [name, tensor] : *dict) add_column(columns, name, tensor);
  } else {
    fail(str("PredictionWriter: a ", nn::type_name(prediction.type()),
             " is neither a Tensor nor a Dict; override write() for it"));
  }
  const bool begins = !file_;
  if (begins) file_ = std::make_unique<File>(path_);
  if (begins && !json_) {
    std::string header = "index";
    for (const Column& column : columns) {
      const int64_t width = column.values.size(1);
      for (int64_t k = 0; k < width; ++k) header += "," + column.name + (width > 1 ? "_" + std::to_string(k) : "");
    }
    file_->line(header);
  }
  const int64_t rows = columns.empty() ? 0 : columns[0].values.size(0);
  for (int64_t row = 0; row < rows; ++row, ++written_) {
    const int64_t index = samples.empty() ? written_ : samples[static_cast<size_t>(row)];
    nlohmann::ordered_json object = {{"index", index}};
    std::string line = std::to_string(index);
    for (const Column& column : columns) {
      FULMEN_CHECK(column.values.size(0) == rows, "PredictionWriter: \"", column.name, "\" has ", column.values.size(0),
                   " rows, \"", columns[0].name, "\" ", rows);
      const int64_t width = column.values.size(1);
      const double* values = static_cast<const double*>(column.values.const_data_ptr()) + row * width;
      if (json_ && width > 1) object[column.name] = std::vector<double>(values, values + width);
      if (json_ && width == 1) object[column.name] = values[0];
      for (int64_t k = 0; k < width; ++k) line += "," + str(values[k]);
    }
    file_->line(json_ ? object.dump() : line);
  }
}

}  // namespace fulmen::trainer
