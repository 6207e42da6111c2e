#include <doctest/doctest.h>

#include <algorithm>

#include "tests/examples/house_prices_process.h"
#include "tests/message_of.h"

using namespace fulmen::testing;

namespace {

Finished text_generation(const Folder& folder, const std::string& arguments) {
  const std::string command = "cd " + folder.path.string() + " && " + bin_dir() + "/text_generation " + arguments +
                              " >.out 2>.error </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder.path / ".out"), text_of(folder.path / ".error")};
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

/// The one line that the program ends with, or nothing if it wrote more.
std::string complaint(const Finished& run) {
  CHECK(run.status == 2);
  return std::count(run.error.begin(), run.error.end(), '\n') == 1 ? run.error : "several lines: " + run.error;
}

std::string small_sales() {
  std::string csv = "kind,area,price\n";
  for (int i = 0; i < 40; ++i)
    csv += (i % 3 ? "house," : "flat,") + std::to_string(50 + i) + ",1" + std::to_string(i) + "\n";
  return csv;
}

}  // namespace

TEST_SUITE("examples") {
  TEST_CASE("text_generation: learns a text by heart, and writes on in a new process") {
    if (!fs::exists(bin_dir() + "/text_generation")) return;
    const Folder folder;
    std::string text;
    for (int i = 0; i < 300; ++i) text += "the quick brown fox jumps over the lazy dog; ";
    write(folder.path / "fox.txt", text);
    const std::string small =
        " --layers 1 --heads 2 --width 32 --context 32 --lr 1e-2 --warmup 10"
        " --val_check_interval 20 --enable_progress_bar=false --temperature 0 --tokens 90";
    for (const std::string kind : {"bytes", "bpe --vocabulary 280", "bytes --arch lstm"}) {
      const Finished fit = text_generation(folder, "fit --data fox.txt --max_steps 20 --tokenizer " + kind + small);
      CHECK_MESSAGE(fit.status == 0, fit.error);
      CHECK(mentions(last_line(fit.output), "\"val_loss\""));
      CHECK(mentions(text_of(folder.path / "text_generation_run/report.html"), "step 20"));
      CHECK(text_generation(folder, "generate --prompt \"brown\" --tokens 20").status == 0);
    }
    write(folder.path / "prompts.txt", "the quick brown\nlazy\n");
    for (const std::string arch : {"gpt", "lstm"}) {
      CAPTURE(arch);
      const Finished fit =
          text_generation(folder, "fit --data fox.txt --max_steps 150 --prompt \"the quick\" --arch " + arch + small);
      CHECK_MESSAGE(fit.status == 0, fit.error);
      CHECK(mentions(last_line(fit.output), "\"seconds\""));
      CHECK(mentions(fit.output, "the quick brown fox jumps over the lazy dog; the quick"));
      // From here on the checkpoint says which it is.
      const std::string brown = "generate --prompt \"brown\" --tokens 60 ";
      const Finished more = text_generation(folder, brown + "--temperature 0");
      CHECK_MESSAGE(more.status == 0, more.error);
      CHECK(mentions(more.output, "brown fox jumps over the lazy dog"));
      CHECK(text_generation(folder, brown + "--temperature 0 --cache false").output == more.output);
      CHECK(mentions(text_generation(folder, brown + "--beams 3").output, "brown fox jumps over the lazy dog"));
      const Finished lines = text_generation(folder, "predict --data prompts.txt --temperature 0 --tokens 20");
      CHECK(mentions(lines.output, "lazy dog; the"));
      CHECK(mentions(text_generation(folder, "test --data fox.txt").output, "\"test_loss\""));
      CHECK(mentions(text_generation(folder, "validate --data fox.txt").output, "\"val_loss\""));
    }
    write(folder.path / "latin.txt", text + "\xE9");
    write(folder.path / "short.txt", "the quick");
    const auto refused = [&](const std::string& arguments) { return complaint(text_generation(folder, arguments)); };
    CHECK(mentions(refused("generate --prompt \"the \xE7\x8B\x90\""), "the character '\xE7\x8B\x90' at byte 4"));
    CHECK(mentions(refused("generate --prompt="), "prompt 0 is empty"));
    CHECK(mentions(refused("test --data latin.txt"), "a byte that is not UTF-8"));
    CHECK(mentions(refused("predict --data latin.txt"), "latin.txt:1: the line is not UTF-8"));
    CHECK(mentions(refused("validate --data short.txt"), "a context of 32 needs"));
    if (!has_house_prices()) return;
    write(folder.path / "sales.csv", small_sales());
    REQUIRE(house_prices(folder, "fit --data sales.csv --target price --max-epochs 1").status == 0);
    CHECK(mentions(refused("generate --ckpt house_prices_run/best.ckpt"), "unknown hyperparameter target"));
    const Finished other = house_prices(folder, "predict --ckpt text_generation_run/best.ckpt --data sales.csv");
    CHECK(mentions(complaint(other), "unknown hyperparameter arch"));
  }

  TEST_CASE("text_generation: one seed, for what is learned and for what is drawn") {
    if (!fs::exists(bin_dir() + "/text_generation")) return;
    const Folder folder;
    std::string text;
    for (int i = 0; i < 100; ++i) text += "line " + std::to_string(i * i) + "\n";
    write(folder.path / "squares.txt", text);
    const auto fit = [&](const std::string& seed) {
      const Finished run =
          text_generation(folder,
                          "fit --data squares.txt --layers 1 --heads 1 --width 8 --context 8 --max_steps 5 --tokens 1"
                          " --val_check_interval 5 --enable_progress_bar=false" +
                              seed);
      REQUIRE_MESSAGE(run.status == 0, run.error);
      const std::string line = last_line(run.output);
      return line.substr(0, line.find("seconds"));
    };
    const std::string first = fit(" --seed 1");
    CHECK(fit(" --seed 1") == first);
    CHECK(fit(" --seed 2") != first);
    const auto drawn = [&](const std::string& seed) {
      return text_generation(folder, "generate --temperature 1 --tokens 30" + seed).output;
    };
    CHECK(drawn(" --seed 1") == drawn(" --seed 1"));
    CHECK(drawn(" --seed 1") != drawn(" --seed 2"));
    CHECK(drawn("") == drawn(" --seed 0"));
    const std::string help = text_generation(folder, "--help").output;
    CHECK(mentions(help, "--seed "));
    CHECK(help.find("seed ") == help.rfind("seed "));
    CHECK(mentions(complaint(text_generation(folder, "fit --model.seed 1")), "model.seed"));
  }

  TEST_CASE("text_generation: wrong data ends with one clear line") {
    if (!fs::exists(bin_dir() + "/text_generation")) return;
    const Folder folder;
    write(folder.path / "empty.txt", "");
    write(folder.path / "short.txt", "too short");
    write(folder.path / "latin.txt", "caf\xE9 and more of it");
    CHECK(mentions(complaint(text_generation(folder, "fit --data none.txt")), "cannot open the file"));
    CHECK(mentions(complaint(text_generation(folder, "fit --data empty.txt")), "the text is empty"));
    CHECK(mentions(complaint(text_generation(folder, "fit --data short.txt")), "a context of 64 needs"));
    CHECK(mentions(complaint(text_generation(folder, "fit --data latin.txt")), "the text is not UTF-8: byte 3"));
    CHECK(mentions(complaint(text_generation(folder, "fit --data short.txt --tokenizer words")),
                   "expected characters, bytes"));
    CHECK(mentions(complaint(text_generation(folder, "fit --data short.txt --arch rnn")), "expected gpt or lstm"));
    CHECK(mentions(complaint(text_generation(folder, "generate --ckpt none.ckpt")), "none.ckpt"));
    CHECK(mentions(complaint(text_generation(folder, "generate --ckpt short.txt")), "not a whole checkpoint"));
    CHECK(mentions(complaint(text_generation(folder, "predict --data empty.txt --ckpt short.txt")), "short.txt"));
    CHECK(mentions(complaint(text_generation(folder, "fit --temprature 1")), "temperature"));
  }
}
