#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/prediction_file.h>
#include <fulmen/trainer/prediction_writer.h>
#include <fulmen/trainer/run.h>
#include <fulmen/trainer/trainer.h>

#include <numeric>

namespace fulmen::trainer {

PredictionWriter::PredictionWriter(std::string path) : path_(std::move(path)) {
  if (!PredictionFile::knows(path_)) {
    throw Error("E016", "PredictionWriter: the path is " + path_, "let it end in .csv, .jsonl or .npy");
  }
}
PredictionWriter::~PredictionWriter() = default;

void PredictionWriter::on_predict_start(Trainer& trainer, Module&) {
  trainer_ = &trainer;
  file_.reset();
  written_ = 0;
}

void PredictionWriter::on_predict_end(Trainer&, Module&) {
  if (file_) file_->finish();
  file_.reset();
}

void PredictionWriter::on_predict_batch_end(Trainer& trainer, Module&, const AnyRef& prediction, const AnyRef&, int64_t,
                                            int64_t) {
  write(prediction, trainer.batch_indices());
}

void PredictionWriter::write(const AnyRef& prediction, std::span<const int64_t> samples) {
  const NamedTensors tensors = trainer_->run_->steps->prediction_tensors();
  FULMEN_CHECK(!tensors.empty(), "PredictionWriter: a ", nn::type_name(prediction.type()),
               " holds no tensor; override write() for it");
  const auto& [first_name, first] = tensors[0];
  for (const auto& [name, tensor] : tensors) {
    FULMEN_CHECK(tensor.dim() > 0, "PredictionWriter: \"", name, "\" has no dimension of samples: ", tensor);
    FULMEN_CHECK(tensor.size(0) == first.size(0), "PredictionWriter: \"", name, "\" has ", tensor.size(0), " rows, \"",
                 first_name, "\" ", first.size(0));
  }
  const auto rows = static_cast<size_t>(first.size(0));
  std::vector<int64_t> numbers(samples.begin(), samples.end());
  if (samples.empty()) {  // a stream: in the order of its coming
    numbers.resize(rows);
    std::iota(numbers.begin(), numbers.end(), written_);
  }
  FULMEN_CHECK(numbers.size() == rows, "PredictionWriter: a prediction of ", rows, " rows for a batch of ",
               numbers.size(), " samples; override write() for it");
  written_ += first.size(0);
  if (!file_) file_ = PredictionFile::create(path_);
  file_->write(tensors, numbers);
}

}  // namespace fulmen::trainer
