#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/examples/house_prices_process.h"
#include "tests/message_of.h"

using namespace fulmen::testing;

namespace {

Finished image_classification(const Folder& folder, const std::string& arguments) {
  const std::string command = "cd " + folder.path.string() + " && " + bin_dir() + "/image_classification " + arguments +
                              " >.out 2>.error </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder.path / ".out"), text_of(folder.path / ".error")};
}

void write(const Folder& folder, const std::string& name, const std::string& bytes) {
  fs::create_directories((folder.path / name).parent_path());
  std::ofstream(folder.path / name, std::ios::binary) << bytes;
}

/// A PGM of `side` x `side` pixels: dark or bright, with some grain.
std::string picture(int side, bool bright, int number) {
  std::string text = "P5 " + std::to_string(side) + " " + std::to_string(side) + " 255\n";
  for (int i = 0; i < side * side; ++i) text += static_cast<char>((bright ? 180 : 20) + (i * 7 + number * 13) % 40);
  return text;
}

int64_t lines_of(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace

TEST_SUITE("examples") {
  TEST_CASE("image_classification: learns digits, and names pictures in a new process") {
    if (!fs::exists(bin_dir() + "/image_classification")) return;
    const Folder folder;
    const Finished fit =
        image_classification(folder, "fit --max_epochs 8 --batch 16 --widths 8,16 --enable_progress_bar=false");
    REQUIRE_MESSAGE(fit.status == 0, fit.error);
    const auto metrics = nlohmann::json::parse(last_line(fit.output));
    CHECK(metrics.at("test_accuracy").get<double>() > 0.85);
    CHECK(metrics.at("test_calibration_error").get<double>() < 0.08);
    CHECK(lines_of(fit.output) == 12);  // a sentence, ten rows, the metrics
    const std::string report = text_of(folder.path / "image_classification_run/report.html");
    for (const char* part : {"onfusion", "alibration", "val_accuracy"}) CHECK(mentions(report, part));

    const auto tested = nlohmann::json::parse(last_line(image_classification(folder, "test").output));
    CHECK(tested.at("test_accuracy") == metrics.at("test_accuracy"));
    CHECK(tested.at("test_loss") == metrics.at("test_loss"));
    const Finished validated = image_classification(folder, "validate");
    CHECK(nlohmann::json::parse(last_line(validated.output)).at("val_accuracy").get<double>() > 0.8);

    write(folder, "new.pgm", picture(8, true, 1));
    const Finished one = image_classification(folder, "predict --data new.pgm --unsure 1.01");
    CHECK_MESSAGE(one.status == 0, one.error);
    CHECK(one.output.starts_with("new.pgm\t"));
    CHECK(one.output.ends_with("\tunsure\n"));
    CHECK(lines_of(image_classification(folder, "predict").output) == 1797);
  }

  TEST_CASE("image_classification: a folder of pictures for each class") {
    if (!fs::exists(bin_dir() + "/image_classification")) return;
    const Folder folder;
    for (int i = 0; i < 60; ++i) {
      write(folder, "sky/night/" + std::to_string(i) + ".pgm", picture(12, false, i));
      write(folder, "sky/day/" + std::to_string(i) + ".pgm", picture(12, true, i));
    }
    const Finished fit = image_classification(folder, "fit --data sky --max_epochs 10 --batch 8 --widths 4,8 --flip");
    REQUIRE_MESSAGE(fit.status == 0, fit.error);
    CHECK(nlohmann::json::parse(last_line(fit.output)).at("test_accuracy").get<double>() > 0.9);
    const Finished one = image_classification(folder, "predict --data sky/day/3.pgm");
    CHECK(mentions(one.output, "sky/day/3.pgm\tday\t"));
    CHECK(lines_of(image_classification(folder, "predict --data sky/night").output) == 60);
    write(folder, "large.pgm", picture(20, false, 1));
    const Finished wrong = image_classification(folder, "predict --data large.pgm");
    CHECK(wrong.status == 2);
    CHECK(lines_of(wrong.error) == 1);
    CHECK(mentions(wrong.error, "[1, 20, 20], but the model learned from [1, 12, 12]"));
  }

  TEST_CASE("image_classification: wrong data ends with one clear line") {
    if (!fs::exists(bin_dir() + "/image_classification")) return;
    const Folder folder;
    const auto complaint = [&](const std::string& arguments) {
      const Finished run = image_classification(folder, arguments);
      CHECK(run.status == 2);
      CHECK_MESSAGE(lines_of(run.error) == 1, run.error);
      CHECK(run.output.empty());
      return run.error;
    };
    CHECK(mentions(complaint("fit --data none"), "none: cannot open the file"));
    for (int i = 0; i < 9; ++i) write(folder, "one/cats/" + std::to_string(i) + ".pgm", picture(8, false, i));
    CHECK(mentions(complaint("fit --data one"), "all pictures are of one class"));
    CHECK(mentions(complaint("fit --data one/cats"), "these pictures have no labels"));
    write(folder, "two/cats/a.pgm", picture(8, false, 0));
    write(folder, "two/dogs/a.pgm", picture(9, false, 0));
    CHECK(mentions(complaint("fit --data two"), "two/dogs/a.pgm: the picture is [1, 9, 9], but"));
    write(folder, "two/dogs/a.pgm", picture(8, false, 0));
    CHECK(mentions(complaint("fit --data two"), "2 rows are too few"));
    write(folder, "two/dogs/a.pgm", "GIF89a");
    CHECK(mentions(complaint("fit --data two"), "this is no PNG, JPEG, PGM or PPM picture"));
    write(folder, "cut/train-images-idx3-ubyte.gz", "\x1f\x8b\x08");
    write(folder, "cut/train-labels-idx1-ubyte.gz", "\x1f\x8b\x08");
    CHECK(mentions(complaint("fit --data cut"), "ends early"));
    fs::create_directories(folder.path / "empty");
    CHECK(mentions(complaint("fit --data empty"), "the folder is empty"));
    CHECK(mentions(complaint("predict --ckpt none.ckpt"), "none.ckpt"));
    CHECK(mentions(complaint("fit --widhts 3"), "widths"));
    // A checkpoint of another example.
    write(folder, "sales.csv", "area,price\n1,2\n2,4\n3,6\n4,8\n5,10\n6,12\n7,14\n8,16\n9,18\n10,20\n11,22\n12,24\n");
    REQUIRE(house_prices(folder, "fit --data sales.csv --target price --max_epochs 1").status == 0);
    CHECK(mentions(complaint("predict --ckpt house_prices_run/best.ckpt"), "best.ckpt"));
  }
}
