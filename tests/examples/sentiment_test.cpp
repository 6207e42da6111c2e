#include <doctest/doctest.h>
#include <fulmen/nn/models/bert.h>
#include <fulmen/tensor/safetensors.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/examples/house_prices_process.h"
#include "tests/message_of.h"

using namespace fulmen::testing;

namespace {

Finished sentiment(const Folder& folder, const std::string& arguments) {
  const std::string command =
      "cd " + folder.path.string() + " && " + bin_dir() + "/sentiment " + arguments + " >.out 2>.error </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder.path / ".out"), text_of(folder.path / ".error")};
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

double metric(const Finished& run, const std::string& name) {
  REQUIRE_MESSAGE(run.status == 0, run.error);
  return nlohmann::json::parse(last_line(run.output)).at(name).get<double>();
}

const std::string quiet = " --enable_progress_bar=false ";

/// 200 texts, whose stars are 1 + the number of times they say "good".
std::string stars() {
  std::string file = "text,label\n";
  for (int i = 0; i < 200; ++i) {
    file += "thing " + std::to_string(i % 7);
    for (int j = 0; j < 4; ++j) file += j < i % 5 ? (j % 2 ? " good" : " nice") : (j % 2 ? " bad" : " poor");
    file += "," + std::to_string(1 + i % 5) + "\n";
  }
  return file;
}

/// A folder as MiniLM's, with a small model of random weights whose tokens are letters.
void write_encoder(const fs::path& folder, int64_t width) {
  fs::create_directories(folder);
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  for (char letter = 'a'; letter <= 'z'; ++letter) (vocabulary += letter) += std::string("\n##") + letter + "\n";
  write(folder / "vocab.txt", vocabulary);
  write(folder / "config.json", R"({"model_type": "bert", "vocab_size": 56, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 512})");
  fulmen::manual_seed(1);
  fulmen::Safetensors file;
  fulmen::nn::Bert model(fulmen::nn::BertOptions(56, width, 2, 2, 24));
  for (const auto& item : model->state_dict()) file.tensors.emplace_back(item.key(), item.value());
  fulmen::save_safetensors((folder / "model.safetensors").string(), file);
}

}  // namespace

TEST_SUITE("examples") {
  TEST_CASE("sentiment: learns the default reviews, and scores texts in a new process") {
    if (!fs::exists(bin_dir() + "/sentiment")) return;
    const Folder folder;
    const Finished fit = sentiment(folder, "fit" + quiet);
    const double accuracy = metric(fit, "test_accuracy");
    CHECK(accuracy > 0.7);
    CHECK(mentions(fit.output, " positive (is "));
    CHECK(mentions(text_of(folder.path / "sentiment_run/report.html"), "onfusion"));
    CHECK(metric(sentiment(folder, "test"), "test_accuracy") == doctest::Approx(accuracy));
    CHECK(metric(sentiment(folder, "validate"), "val_mae") < 0.5);
    const Finished good = sentiment(folder, "predict --text \"A lovely film, wonderful and delightful.\"");
    CHECK(mentions(good.output, " positive\tA lovely film"));
    write(folder.path / "new.txt", "terrible, rude and boring\n\nan excellent, comfortable chair\n");
    const Finished lines = sentiment(folder, "predict --data new.txt");
    CHECK(mentions(lines.output, " negative\tterrible"));
    CHECK(mentions(lines.output, " positive\tan excellent"));
    for (const std::string arch : {"lstm", "transformer"}) {
      const std::string small = " --width 16 --inside 32 --tokens 2000 --max_epochs 1 --out " + arch;
      CHECK(metric(sentiment(folder, "fit --arch " + arch + small + quiet), "test_accuracy") >= 0);
      CHECK(sentiment(folder, "predict --text \"\xF0\x9F\x98\x80\" --ckpt " + arch + "/best.ckpt").status == 0);
    }
  }

  TEST_CASE("sentiment: scores are on the scale of the labels") {
    if (!fs::exists(bin_dir() + "/sentiment")) return;
    const Folder folder;
    write(folder.path / "stars.csv", stars());
    CHECK(metric(sentiment(folder, "fit --data stars.csv --max_epochs 40" + quiet), "test_mae") < 0.5);
    const auto score = [&](const std::string& text) {
      return std::stod(sentiment(folder, "predict --text \"" + text + "\"").output);
    };
    CHECK(score("thing 1 nice good nice good") > 4);
    CHECK(score("thing 1 poor bad poor bad") < 2);
    CHECK(std::abs(score("thing 1 nice good poor bad") - 3) < 1.5);
    write(folder.path / "good.txt", "good thing\nvery good\nnice and good\ngood good\n");
    write(folder.path / "bad.txt", "bad thing\nvery bad\npoor and bad\nbad bad\n");
    const std::string two = " --positive good.txt --negative bad.txt --test_fraction 0.25 --val_fraction 0.2";
    CHECK(metric(sentiment(folder, "fit" + two + quiet), "test_accuracy") >= 0);
  }

  TEST_CASE("sentiment: on a pretrained encoder, its head or all of it") {
    if (!fs::exists(bin_dir() + "/sentiment")) return;
    const Folder folder;
    write_encoder(folder.path / "encoder", 16);
    for (const std::string tune : {"head", "all"}) {
      const std::string out = " --out " + tune;
      const Finished fit =
          sentiment(folder, "fit --minilm encoder --max_epochs 2 --batch 16 --tune " + tune + out + quiet);
      const double accuracy = metric(fit, "test_accuracy");
      // The checkpoint holds encoder and vocabulary.
      const Finished again = sentiment(folder, "test --ckpt " + tune + "/best.ckpt");
      CHECK(metric(again, "test_accuracy") == doctest::Approx(accuracy));
      const Finished one = sentiment(folder, "predict --text \"Very good\" --ckpt " + tune + "/best.ckpt");
      CHECK(mentions(one.output, "tive\tVery good"));
    }
    const auto complaint = [&](const std::string& arguments) {
      const Finished run = sentiment(folder, "fit --minilm encoder " + arguments);
      CHECK(run.status == 2);
      return std::count(run.error.begin(), run.error.end(), '\n') == 1 ? run.error : "several lines: " + run.error;
    };
    CHECK(mentions(complaint("--tune half"), "expected head or all"));
    const std::string vocabulary = text_of(folder.path / "encoder/vocab.txt");
    write(folder.path / "encoder/vocab.txt", vocabulary + "more\n");
    CHECK(mentions(complaint(""), "encoder/vocab.txt: 57 tokens; expected 56"));
    write(folder.path / "encoder/vocab.txt", vocabulary.substr(0, vocabulary.size() - 4));
    CHECK(mentions(complaint(""), "encoder/vocab.txt: 55 tokens; expected 56"));
    write_encoder(folder.path / "encoder", 8);
    CHECK(mentions(complaint(""), "of another shape"));
    fs::remove(folder.path / "encoder/model.safetensors");
    CHECK(mentions(complaint(""), "encoder/model.safetensors"));
    write_encoder(folder.path / "encoder", 16);
    fs::remove(folder.path / "encoder/vocab.txt");
    CHECK(mentions(complaint(""), "encoder/vocab.txt"));
  }

  TEST_CASE("sentiment: wrong data ends with one clear line") {
    if (!fs::exists(bin_dir() + "/sentiment")) return;
    const Folder folder;
    write(folder.path / "stars.csv", stars());
    write(folder.path / "columns.csv", "review,label\nfine,1\n");
    write(folder.path / "one.csv", "text,label\nfine,1\ngood,1\n");
    write(folder.path / "words.csv", "text,label\nfine,good\nso,fair\nno,bad\n");
    write(folder.path / "empty.csv", "text,label\nfine,1\n,0\n");
    write(folder.path / "latin.csv", "text,label\ncaf\xE9,1\nfine,0\n");
    write(folder.path / "few.csv", "text,label\nfine,1\nbad,0\n");
    write(folder.path / "nothing.txt", "");
    write(folder.path / "lines.txt", "fine\n");
    const auto complaint = [&](const std::string& arguments) {
      const Finished run = sentiment(folder, arguments);
      CHECK_MESSAGE(run.status == 2, arguments);
      return std::count(run.error.begin(), run.error.end(), '\n') == 1 ? run.error : "several lines: " + run.error;
    };
    CHECK(mentions(complaint("fit --data none.csv"), "none.csv: cannot open the file"));
    CHECK(mentions(complaint("fit --data columns.csv"), "no column 'text'"));
    CHECK(mentions(complaint("fit --data one.csv"), "all texts have the same label"));
    CHECK(mentions(complaint("fit --data words.csv"), "words of 3 kinds"));
    CHECK(mentions(complaint("fit --data empty.csv"), "empty.csv:3, column 'text': there is no text"));
    CHECK(mentions(complaint("fit --data latin.csv"), "latin.csv:2"));
    CHECK(mentions(complaint("fit --data few.csv"), "too few"));
    CHECK(mentions(complaint("fit --positive lines.txt"), "go together"));
    CHECK(
        mentions(complaint("fit --positive lines.txt --negative nothing.txt"), "nothing.txt: there is no text in it"));
    CHECK(mentions(complaint("fit --arch tree"), "expected bag, lstm or transformer"));
    CHECK(mentions(complaint("fit --minilm nowhere"), "nowhere/config.json: cannot open the file"));
    CHECK(mentions(complaint("predict --text fine --ckpt none.ckpt"), "none.ckpt"));
    CHECK(mentions(complaint("predict --text fine --ckpt stars.csv"), "stars.csv"));
    if (fs::exists(bin_dir() + "/anomaly_detection")) {
      const std::string other = "cd " + folder.path.string() + " && " + bin_dir() +
                                "/anomaly_detection fit --max_epochs 1 --out other >/dev/null 2>&1";
      REQUIRE(std::system(other.c_str()) == 0);
      CHECK(mentions(complaint("predict --text fine --ckpt other/best.ckpt"), "other/best.ckpt"));
    }
  }
}
