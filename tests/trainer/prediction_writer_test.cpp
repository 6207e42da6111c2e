#include <doctest/doctest.h>
#include <fulmen/trainer/callbacks/calibration.h>
#include <fulmen/trainer/prediction_writer.h>

#include <cstring>
#include <filesystem>

#include "captured.h"
#include "small_model.h"

namespace fulmen::trainer::testing {

using fulmen::testing::mentions;

TEST_SUITE("trainer") {
  TEST_CASE("PredictionWriter: one line per sample with its index") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    std::vector<Tensor> predictions;
    for (const char* name : {"p.csv", "p.jsonl"}) {
      TrainerOptions options = quiet(1);
      options.callbacks = {std::make_shared<PredictionWriter>(folder.path(name))};
      manual_seed(9);
      predictions = Trainer(options).predict(model, plane(true, 3, 4));
    }
    std::string csv = "index,prediction\n", jsonl;
    manual_seed(9);
    auto loader = plane(true, 3, 4);
    loader.begin_epoch();
    Batch batch;
    for (size_t b = 0; loader.next(batch); ++b) {
      for (size_t row = 0; row < loader.indices().size(); ++row) {
        const double value = predictions[b][static_cast<int64_t>(row)].item<double>();
        csv += std::to_string(loader.indices()[row]) + "," + str(value) + "\n";
        jsonl += Json{{"index", loader.indices()[row]}, {"prediction", value}}.dump() + "\n";
      }
    }
    CHECK(contents(folder.path("p.csv")) == csv);
    CHECK(contents(folder.path("p.jsonl")) == jsonl);
    CHECK_THROWS_AS(PredictionWriter("p.txt"), Error);
  }

  TEST_CASE("PredictionWriter: NumPy's format, with row i for sample i") {
    TemporaryFolder folder;
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    TrainerOptions options = quiet(1);
    options.callbacks = {std::make_shared<PredictionWriter>(folder.path("p.npy"))};
    Trainer(options).predict(model, plane(true, 3, 10));
    const std::vector<Tensor> in_order = Trainer(quiet(1)).predict(model, plane(false, 10, 10));
    const std::string file = contents(folder.path("p.npy"));
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (10, 1, ), }";
    REQUIRE(file.size() == 128 + 10 * 4);
    CHECK(file.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
    CHECK(file.substr(10, 118) == header + std::string(117 - header.size(), ' ') + "\n");
    CHECK(std::memcmp(file.data() + 128, in_order[0].const_data_ptr(), 40) == 0);
  }

  TEST_CASE("PredictionWriter: batches without rows, and rows of another size") {
    struct Echo : LightningModule<Batch, Tensor> {
      Tensor predict_step(const Batch& batch, int64_t, int64_t) override { return batch.data; }
    };
    struct Stream {
      std::vector<Tensor> batches;
      size_t at = 0;
      bool next(Batch& batch, int64_t) {
        if (at < batches.size()) batch = Batch(batches[at], batches[at]);
        return at++ < batches.size();
      }
      void restart() { at = 0; }
    };
    TemporaryFolder folder;
    auto written = [&](const std::string& name, const std::vector<Tensor>& batches) {
      Echo model;
      TrainerOptions options = quiet(1);
      options.callbacks = {std::make_shared<PredictionWriter>(folder.path(name))};
      Trainer(options).predict(model, data::DataLoader<Batch>(Stream{batches}));
      return contents(folder.path(name));
    };
    const Tensor none = zeros({0, 3}), flat = zeros({0}), rows = ones({2, 3});
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, ), }";
    for (const Tensor& empty : {none, flat}) {
      const std::string npy = written("p.npy", {empty, rows, empty});
      REQUIRE(npy.size() == 128 + 2 * 12);
      CHECK(npy.substr(10, header.size()) == header);
      CHECK(std::memcmp(npy.data() + 128, rows.const_data_ptr(), 24) == 0);
      CHECK(written("p.csv", {empty, rows}) == "index,prediction_0,prediction_1,prediction_2\n0,1,1,1\n1,1,1,1\n");
    }
    CHECK(mentions(written("p.npy", {none}), "'shape': (0, 3, ), }"));
    CHECK(written("p.csv", {none}) == "index,prediction_0,prediction_1,prediction_2\n");
    for (const char* name : {"p.npy", "p.csv"}) {
      CHECK(mentions(message_of([&] { written(name, {rows, ones({1, 2})}); }), "; those before were "));
    }
  }

  TEST_CASE("PredictionWriter: a struct of tensors, by the names of its fields()") {
    struct Classifying : LightningModule<Batch, ClassPrediction> {
      ClassPrediction predict_step(const Batch& batch, int64_t, int64_t) override {
        return classify(batch.data.narrow(1, 0, 2));
      }
    } model;
    TemporaryFolder folder;
    std::vector<ClassPrediction> predictions;
    for (const char* name : {"p.csv", "p.npy"}) {
      TrainerOptions options = quiet(1);
      options.callbacks = {std::make_shared<PredictionWriter>(folder.path(name))};
      predictions = Trainer(options).predict(model, plane(false, 2, 2));
    }
    const ClassPrediction& p = predictions[0];
    CHECK(contents(folder.path("p.csv"))
              .find("index,label,confidence,entropy,probabilities_0,probabilities_1\n0," +
                    str(p.label[0].item<int64_t>()) + "," + str(double{p.confidence[0].item<float>()}) + ",") == 0);
    const std::string npy = contents(folder.path("p.npy"));
    CHECK(npy.find("[('label', '<i8', ()), ('confidence', '<f4', ()), ('entropy', '<f4', ()), ('probabilities', '<f4', "
                   "(2, ))], 'fortran_order': False, 'shape': (2, ), }") == 20);
    const size_t data = npy.size() - 2 * 24;
    CHECK(data % 64 == 0);
    int64_t label = -1;
    std::memcpy(&label, npy.data() + data + 24, sizeof(label));
    CHECK(label == p.label[1].item<int64_t>());
    float last = 0;
    std::memcpy(&last, npy.data() + npy.size() - 4, sizeof(last));
    CHECK(last == p.probabilities[1][1].item<float>());
  }

  TEST_CASE("PredictionWriter: what cannot be written is an error") {
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    for (const char* path : {"/dev/full/p.csv", "/nowhere/p.npy"}) {
      TrainerOptions options = quiet(1);
      options.callbacks = {std::make_shared<PredictionWriter>(path)};
      CHECK(message_of([&] {
              Trainer(options).predict(model, plane(false));
            }).find(str("PredictionWriter: cannot write ", path)) == 0);
    }
    TemporaryFolder folder;
    std::filesystem::create_symlink("/dev/full", folder.path("full.csv"));  // opens, but never takes a byte
    TrainerOptions options = quiet(1);
    options.callbacks = {std::make_shared<PredictionWriter>(folder.path("full.csv"))};
    CHECK(mentions(message_of([&] { Trainer(options).predict(model, plane(false)); }), "No space left on device"));

    struct Words : LightningModule<Batch, std::vector<std::string>> {
      std::vector<std::string> predict_step(const Batch&, int64_t, int64_t) override { return {"text"}; }
    } words;
    TrainerOptions other = quiet(1);
    other.callbacks = {std::make_shared<PredictionWriter>(folder.path("words.csv"))};
    CHECK(mentions(message_of([&] { Trainer(other).predict(words, plane(false)); }), "override write() for it"));
  }
}

}  // namespace fulmen::trainer::testing
