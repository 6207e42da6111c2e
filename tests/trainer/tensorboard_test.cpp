#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/tensorboard/logger.h>
#include <fulmen/trainer/tensorboard/message.h>
#include <fulmen/trainer/tensorboard/png.h>
#include <fulmen/trainer/tensorboard/record.h>
#include <tests/message_of.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>

#include "recording.h"

// What the logger writes, read by a parser of this file's own. tests/checks/tensorboard_test lets TensorBoard read it.

namespace fulmen::trainer::testing {
namespace {

using namespace fulmen::trainer::tensorboard;
using fulmen::testing::mentions;
using fulmen::testing::message_of;

template <class T>
T raw(std::string_view bytes, size_t at) {
  T value;
  REQUIRE(at + sizeof value <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// The records of a file, up to the first that is cut short; fails on a wrong checksum.
std::vector<std::string> records(std::string_view bytes, bool* whole = nullptr) {
  std::vector<std::string> out;
  size_t at = 0;
  while (at + 12 <= bytes.size()) {
    const auto length = static_cast<size_t>(raw<uint64_t>(bytes, at));
    CHECK(raw<uint32_t>(bytes, at + 8) == masked_crc32c(bytes.substr(at, 8)));
    if (at + 16 + length > bytes.size()) break;
    const std::string_view body = bytes.substr(at + 12, length);
    CHECK(raw<uint32_t>(bytes, at + 12 + length) == masked_crc32c(body));
    out.emplace_back(body);
    at += 16 + length;
  }
  if (whole) *whole = at == bytes.size();
  return out;
}

/// A protocol buffer: the values of each field, in order, as bytes.
struct Parsed {
  explicit Parsed(std::string_view bytes) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        REQUIRE(at < bytes.size());
        const auto byte = static_cast<unsigned char>(bytes[at++]);
        value |= static_cast<uint64_t>(byte & 0x7F) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < bytes.size()) {
      const uint64_t key = varint();
      const auto begin = at;
      size_t length = key % 8 == 1 ? 8 : key % 8 == 5 ? 4 : 0;
      if (key % 8 == 0) {
        const uint64_t value = varint();
        fields[key / 8].emplace_back(reinterpret_cast<const char*>(&value), sizeof value);
        continue;
      }
      if (key % 8 == 2) length = varint();
      const size_t from = key % 8 == 2 ? at : begin;
      REQUIRE(from + length <= bytes.size());
      fields[key / 8].emplace_back(bytes.substr(from, length));
      at = from + length;
    }
  }
  Parsed inner(uint64_t field, size_t i = 0) const { return Parsed(fields.at(field).at(i)); }
  std::string text(uint64_t field) const { return fields.at(field).at(0); }
  template <class T>
  T get(uint64_t field) const {
    return raw<T>(fields.at(field).at(0), 0);
  }
  bool has(uint64_t field) const { return fields.count(field) > 0; }
  std::map<uint64_t, std::vector<std::string>> fields;
};

/// Everything the logger can write.
void write_everything(TensorBoardLogger& logger) {
  logger.log_hyperparams("{\"lr\": 0.5, \"layers\": 3, \"name\": \"adam\", \"bias\": true, \"widths\": [4, 5]}");
  for (int i = 0; i < 5; ++i) logger.log_metrics({{"train_loss", 1.0 / (1 + i)}, {"epoch", 0}}, i);
  logger.log_metrics({{"val_loss", std::nan("")}}, 4);
  logger.add_scalar("extra", 2.5, 7);
  logger.add_text("sample", "To be, or *not* to be", 3);
  Tensor image = zeros({3, 4, 5});
  image.select(0, 0).fill_(1.0);
  logger.add_image("picture", image, 2);
  const double x[] = {-1.0, 0.0, 0.25, 0.25, 3.0};
  Tensor values = zeros({6}, kDouble);
  for (int i = 0; i < 5; ++i) values.data_ptr<double>()[i] = x[i];
  values.data_ptr<double>()[5] = std::nan("");
  logger.add_histogram("weights", values, 1);
  logger.finalize("success");
}

std::string event_file(const TemporaryFolder& folder) {
  for (const std::string& name : folder.files()) {
    if (name.find("events.out.tfevents.") != std::string::npos) return folder.path(name);
  }
  return {};
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("tensorboard: checksums of known texts (RFC 3720, B.4)") {
    CHECK(crc32c("123456789") == 0xE3069283u);
    CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
    CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
    CHECK(crc32c("") == 0);
  }

  TEST_CASE("tensorboard: every record of a file is sound, and holds what was logged") {
    TemporaryFolder folder;
    TensorBoardLogger logger(folder.path(), "logs");
    write_everything(logger);
    bool whole = false;
    const std::vector<std::string> all = records(contents(event_file(folder)), &whole);
    CHECK(whole);
    REQUIRE(all.size() == 14);
    CHECK(Parsed(all[0]).text(3) == "brain.Event:2");
    std::map<std::string, std::vector<Parsed>> values;
    std::map<std::string, int64_t> steps;
    for (size_t i = 1; i < all.size(); ++i) {
      const Parsed event(all[i]);
      CHECK(event.get<double>(1) > 1.7e9);
      const Parsed summary = event.inner(5);
      for (size_t k = 0; k < summary.fields.at(1).size(); ++k) {
        const Parsed value = summary.inner(1, k);
        values[value.text(1)].push_back(value);
        steps[value.text(1)] = event.get<int64_t>(2);
      }
    }
    REQUIRE(values["train_loss"].size() == 5);
    CHECK(values["train_loss"][3].get<float>(2) == 0.25f);
    CHECK(steps["train_loss"] == 4);
    CHECK(std::isnan(values["val_loss"].at(0).get<float>(2)));
    CHECK(values["extra"].at(0).get<float>(2) == 2.5f);
    CHECK(steps["extra"] == 7);
    const Parsed text = values["sample"].at(0);
    CHECK(text.inner(8).text(8) == "To be, or *not* to be");
    CHECK(text.inner(9).inner(1).text(1) == "text");
    const Parsed image = values["picture"].at(0).inner(4);
    CHECK(image.get<uint64_t>(1) == 4);
    CHECK(image.get<uint64_t>(2) == 5);
    CHECK(image.text(4).substr(0, 8) == "\x89PNG\r\n\x1a\n");
    const Parsed histogram = values["weights"].at(0).inner(5);
    CHECK(histogram.get<double>(1) == -1);
    CHECK(histogram.get<double>(2) == 3);
    CHECK(histogram.get<double>(3) == 5);
    CHECK(histogram.get<double>(4) == 2.5);
    double counted = 0;
    for (size_t at = 0; at < histogram.text(7).size(); at += 8) counted += raw<double>(histogram.text(7), at);
    CHECK(counted == 5);
    CHECK(histogram.text(6).size() == histogram.text(7).size());
    const Parsed start = values["_hparams_/session_start_info"].at(0).inner(9).inner(1);
    CHECK(start.text(1) == "hparams");
    const Parsed hparam = Parsed(start.text(2)).inner(3).inner(1);
    CHECK(hparam.text(1) == "lr");
    CHECK(hparam.inner(2).get<double>(2) == 0.5);
    CHECK(values.count("_hparams_/experiment") == 1);
    CHECK(values.count("_hparams_/session_end_info") == 1);
  }

  TEST_CASE("tensorboard: a file that was cut anywhere gives the records before the cut") {
    TemporaryFolder folder;
    TensorBoardLogger logger(folder.path(), "logs");
    for (int i = 0; i < 4; ++i) logger.log_metrics({{"loss", i}}, i);
    logger.save();
    const std::string bytes = contents(event_file(folder));
    size_t before = 0;
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      bool whole = false;
      const size_t count = records(std::string_view(bytes).substr(0, cut), &whole).size();
      CHECK((count == before || count == before + 1));
      before = count;
    }
    CHECK(before == 5);
  }

  TEST_CASE("tensorboard: PNG images") {
    const std::string png = encode_png({0, 255, 128, 64}, 2, 2, 1);
    // Header of 33 bytes; a chunk of 2 + 5 + 6 + 4 bytes: zlib's head, a block's head, two rows, a checksum.
    CHECK(png.size() == 33 + 12 + 17 + 12);
    CHECK(png.substr(12, 4) == "IHDR");
    CHECK(png.substr(37, 4) == "IDAT");
    CHECK(png.substr(48, 6) == std::string("\0\0\xFF\0\x80\x40", 6));
    CHECK(png.substr(png.size() - 8) == std::string("IEND\xAE\x42\x60\x82"));
    TemporaryFolder folder;
    TensorBoardLogger logger(folder.path());
    CHECK(mentions(message_of([&] { logger.add_image("x", zeros({2, 3, 3}), 0); }), "add_image: expected [height"));
  }

  TEST_CASE("tensorboard: a sample for its own reader") {
    const char* folder = std::getenv("FULMEN_TENSORBOARD_SAMPLE");
    if (!folder) return;
    TensorBoardLogger logger(folder, "logs", "sample");
    write_everything(logger);
  }
}

}  // namespace fulmen::trainer::testing
