#include <doctest/doctest.h>
#include <fulmen/data/text/byte_level_bpe.h>
#include <fulmen/data/text/scored_bpe.h>
#include <fulmen/data/text/word_piece.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/data/random_text.h"
#include "tests/message_of.h"
#include "tests/paths.h"

using namespace fulmen;
using namespace fulmen::data;
using namespace fulmen::testing;

namespace {

using Json = nlohmann::json;

const Json& recorded() {
  static const Json json = Json::parse(std::ifstream(source_dir() + "/tests/data/tokenizers.json"));
  return json;
}

uint64_t hash_of(const std::string& text) {
  return fnv(std::span(reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

/// Compares all token numbers of the 10,000 random texts with the reference tokenizer's.
void check_against_reference(const Tokenizer& tokenizer, const Json& reference, bool comes_back,
                             std::string (*change)(const std::string&) = nullptr) {
  LinearRandom random{1};
  uint64_t state = fnv_begin;
  for (size_t i = 0; i < 10'000; ++i) {
    std::string text = random_text(random);
    if (change) text = change(text);
    const std::vector<int64_t> ids = tokenizer.encode(text);
    if (i < reference["first"].size()) CHECK(ids == reference["first"][i].get<std::vector<int64_t>>());
    state = fnv(std::vector<int64_t>{static_cast<int64_t>(ids.size())}, state);
    state = fnv(ids, state);
    if (comes_back && tokenizer.decode(ids) != text) FAIL("text ", i, " did not come back: ", text);
  }
  CHECK(std::to_string(state) == reference["hash"].get<std::string>());
}

std::string training_text() {
  LinearRandom random{7};
  const char* stems[] = {"walk", "talk", "jump", "über", "naïve", "cat", "dog", "日本", "run", "don't", "12", "aaaa"};
  const char* ends[] = {"ing", "ed", "s", "", "'ll", "er"};
  std::string text;
  for (int word = 0; word < 3000; ++word) {
    if (word > 0) text += ' ';
    text += stems[random.below(12)];
    text += ends[random.below(6)];
    text += std::string(",.\n").substr(0, random.below(3));
  }
  return text;
}

std::string word_pieces() {
  std::string tokens = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n##the\ning\n##ing\nend\n##of\n##text\n##oft\n";
  const char32_t ranges[][2] = {{0x21, 0x7F},     {0xA1, 0x180},      {0x391, 0x450},
                                {0x1100, 0x1113}, {0x1161, 0x1176},   {0x11A8, 0x11C3},
                                {0x4E00, 0x4F00}, {0x1F300, 0x1F600}, {0x2010, 0x2040}};
  for (const auto& [first, last] : ranges) {
    for (char32_t c = first; c < last; ++c) {
      for (const char* prefix : {"", "##"}) {
        tokens += prefix;
        unicode::append(tokens, c);
        tokens += '\n';
      }
    }
  }
  return tokens;
}

/// With an x in the place of characters that the reference, whose tables are of Unicode 8, groups differently.
std::string without_newer(const std::string& text) {
  static const auto newer = recorded()["newer"].get<std::vector<std::pair<char32_t, char32_t>>>();
  std::string changed;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = unicode::next(text, at);
    const bool is_newer = std::any_of(newer.begin(), newer.end(),
                                      [&](const auto& range) { return range.first <= c && c <= range.second; });
    unicode::append(changed, is_newer ? U'x' : c);
  }
  return changed;
}

/// A copy that knows only what a checkpoint would keep.
template <class T>
T stored(const T& tokenizer) {
  T copy;
  CHECK_FALSE(copy.fitted());
  copy.load_state(tokenizer.state());
  return copy;
}

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("tokenizers: the random texts are those of the recording") {
    LinearRandom random{1};
    std::string all;
    for (int i = 0; i < 10'000; ++i) all += random_text(random);
    CHECK(std::to_string(hash_of(all)) == recorded()["texts"].get<std::string>());
    CHECK(std::to_string(hash_of(training_text())) == recorded()["trained_bpe"]["text_hash"].get<std::string>());
  }

  TEST_CASE("tokenizers: byte-level BPE learns the merges that Hugging Face's trainer learns, and encodes the same") {
    const ByteLevelBpe bpe = ByteLevelBpe::train(training_text(), 400, {});
    CHECK(bpe.size() <= 400);
    const std::string folder = bin_dir() + "/tokenizer_test";
    bpe.save(folder + ".bpe", folder + ".json");
    std::ifstream file(folder + ".bpe");
    std::string line;
    std::getline(file, line);
    CHECK(line == "#version: 0.2");
    size_t merge = 0;
    for (const Json& expected : recorded()["trained_bpe"]["merges"]) {
      if (!std::getline(file, line)) line = "(none)";
      if (line != expected.get<std::string>())
        FAIL("merge ", merge, ": ", line, " where ", expected.dump(), " is expected");
      ++merge;
    }
    CHECK_FALSE(std::getline(file, line));
    check_against_reference(bpe, recorded()["trained_bpe"], true);
    check_against_reference(stored(bpe), recorded()["trained_bpe"], true);
    check_against_reference(ByteLevelBpe::load(folder + ".bpe", folder + ".json"), recorded()["trained_bpe"], true);
  }

  TEST_CASE("tokenizers: WordPiece encodes as Hugging Face's BertTokenizer") {
    const WordPiece uncased = WordPiece::parse(word_pieces());
    check_against_reference(uncased, recorded()["word_piece"], false, without_newer);
    check_against_reference(stored(uncased), recorded()["word_piece"], false, without_newer);
    check_against_reference(WordPiece::parse(word_pieces(), {.lowercase = false}), recorded()["word_piece_cased"],
                            false, without_newer);
  }

  TEST_CASE("tokenizers: GPT-2's own files encode as tiktoken") {
    if (shared_dir().empty()) return;
    const std::string folder = shared_dir() + "/data/gpt2_bpe";
    const ByteLevelBpe bpe = ByteLevelBpe::load(folder + "/vocab.bpe", folder + "/encoder.json");
    CHECK(bpe.size() == 50257);
    CHECK(bpe.end_token() == 50256);
    CHECK(bpe.encode("Hello world") == std::vector<int64_t>{15496, 995});
    CHECK(bpe.decode({50256}) == "<|endoftext|>");
    check_against_reference(bpe, recorded()["gpt2"], true);
    check_against_reference(stored(bpe), recorded()["gpt2"], true);
  }
}
