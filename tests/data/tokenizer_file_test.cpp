#include <doctest/doctest.h>
#include <fulmen/data/text/byte_level_bpe.h>
#include <fulmen/data/text/scored_bpe.h>
#include <fulmen/data/text/word_piece.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/data/random_text.h"
#include "tests/message_of.h"
#include "tests/paths.h"

using namespace fulmen;
using namespace fulmen::data;
using namespace fulmen::testing;

namespace {

std::string file_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string written(const std::string& name, const std::string& text) {
  const std::string path = bin_dir() + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

/// A tokenizer file in llama2.c's form: the bytes, and these tokens with scores.
std::string scored_file(const std::vector<std::pair<std::string, float>>& tokens) {
  std::string file(4, '\0');
  const auto add = [&](const std::string& token, float score) {
    const auto length = static_cast<int32_t>(token.size());
    file.append(reinterpret_cast<const char*>(&score), 4);
    file.append(reinterpret_cast<const char*>(&length), 4);
    file += token;
  };
  for (const char* token : {"<unk>", "\n<s>\n", "\n</s>\n"}) add(token, 0);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
    add(name, 0);
  }
  for (const auto& [token, score] : tokens) add(token, score);
  return file;
}

const std::vector<std::pair<std::string, float>> letters = {{" ", -1},  {"a", -2},  {"b", -3},   {"c", -4},
                                                            {"ab", -5}, {"bc", -4}, {" a", -10}, {"é", -7}};

std::string random_bytes(LinearRandom& random, uint32_t longest) {
  std::string bytes;
  for (uint32_t left = random.below(longest); left > 0; --left) bytes += static_cast<char>(random.below(256));
  return bytes;
}

/// Loads damaged files: whatever happens, it is an Error or a tokenizer that works.
template <class Load>
void damage(const std::string& file, Load load, int times) {
  LinearRandom random{3};
  for (int i = 0; i < times; ++i) {
    std::string damaged = file;
    if (i % 3 == 0) damaged.resize(random.below(static_cast<uint32_t>(file.size())));
    for (uint32_t changes = i % 3 == 0 ? 0 : 1 + random.below(4); changes > 0; --changes) {
      const uint32_t at = random.below(static_cast<uint32_t>(damaged.size()));
      if (i % 3 == 1) damaged[at] = static_cast<char>(random.below(256));
      if (i % 3 == 2) damaged.insert(at, random_bytes(random, 6));
    }
    message_of([&] { load(damaged); });
  }
}

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("tokenizers: every byte comes back") {
    const ByteLevelBpe bpe = ByteLevelBpe::train("low lower lowest low low newer newest wide widest", 280);
    const ScoredBpe scored = ScoredBpe::parse(scored_file(letters));
    LinearRandom random{5};
    for (int i = 0; i < 500; ++i) {
      const std::string text = random_bytes(random, 60);
      CHECK(Bytes().decode(Bytes().encode(text)) == text);
      CHECK(bpe.decode(bpe.encode(text)) == text);
      CHECK(scored.decode(scored.encode(text)) == text);
    }
    CHECK(bpe.end_token() == bpe.size() - 1);
    CHECK(bpe.encode("<|endoftext|>").size() > 1);
    CHECK(mentions(message_of([&] { bpe.decode({bpe.size()}); }), "there is no token"));
    CHECK(mentions(message_of([&] { Bytes().decode({-1}); }), "there is no token -1; the tokens are 0..255"));
    // One word without a blank takes no quadratic time.
    CHECK(bpe.decode(bpe.encode(std::string(300'000, 'w'))).size() == 300'000);
  }

  TEST_CASE("tokenizers: Characters") {
    const Characters letters_of("héllo wörld\n");
    CHECK(letters_of.size() == 10);
    CHECK(letters_of.decode(letters_of.encode("wörld\n")) == "wörld\n");
    CHECK(letters_of.encode("\n ") == std::vector<int64_t>{0, 1});
    CHECK(mentions(message_of([&] { letters_of.encode("hex"); }), "the character 'e' at byte 1 is not among the 10"));
    CHECK(mentions(message_of([&] { letters_of.encode("h\xFF"); }), "a byte that is not UTF-8 at byte 1"));
    CHECK(mentions(message_of([] { Characters("ab\xC3"); }), "the text is not UTF-8: byte 2"));
    CHECK(mentions(message_of([] { Characters(""); }), "the text is empty"));
    const Characters lenient("abc", true);
    CHECK(lenient.encode("axb") == std::vector<int64_t>{0, 3, 1});
    CHECK(lenient.decode({0, 3}) == "a\uFFFD");
    AnyTokenizer any;
    CHECK_FALSE(any.fitted());
    any.load_state(AnyTokenizer(lenient).state());
    CHECK(any.encode("cx") == std::vector<int64_t>{2, 3});
    CHECK(any.get().kind() == "characters");
    CHECK(mentions(message_of([&] { any.load_state({.json = R"({"kind":"clip","state":{}})", .tensors = {}}); }),
                   "'clip' is no kind of tokenizer"));
    CHECK(mentions(message_of([&] { any.load_state({.json = R"({"kind":"tokenizer","state":{}})", .tensors = {}}); }),
                   "no kind of tokenizer"));
    CHECK(any.size() == 4);
  }

  TEST_CASE("tokenizers: what comes token by token ends at whole characters") {
    const Bytes bytes;
    TextStream text(bytes);
    std::string all;
    for (unsigned char byte : std::string("a€é\xE2\x82")) {
      const std::string part = text.add(byte);
      CHECK(unicode::find_invalid(part) == std::string::npos);
      all += part;
    }
    CHECK(all == "a€é");
    CHECK(text.finish() == "\xE2\x82");
    CHECK(text.finish().empty());
  }

  TEST_CASE("tokenizers: scores decide which pair is joined first") {
    const ScoredBpe scored = ScoredBpe::parse(scored_file(letters));
    // " abc": "bc" (-4) before "ab" (-5) and " a" (-10), which then still fits.
    CHECK(scored.encode("abc") == std::vector<int64_t>{1, 265, 264});
    CHECK(scored.encode("é") == std::vector<int64_t>{1, 259, 266});
    CHECK(scored.encode("x") == std::vector<int64_t>{1, 259, 3 + 'x'});
    CHECK(scored.encode("") == std::vector<int64_t>{1});
    CHECK(scored.decode({1, 265, 264, 2, 260}) == "abc");
    if (shared_dir().empty()) return;
    const ScoredBpe stories = ScoredBpe::load(shared_dir() + "/data/stories260K/tok512.bin");
    CHECK(stories.size() == 512);
    CHECK(stories.encode("Once upon a time, there was a little girl") ==
          std::vector<int64_t>{1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421});
  }

  TEST_CASE("tokenizers: WordPiece cuts, cleans and limits") {
    const std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##able\n##aff\ncafe\n,\n##e\n";
    const WordPiece pieces = WordPiece::parse(vocabulary, {.special_tokens = false});
    CHECK(pieces.encode("Unaffable, CAFÉ") == std::vector<int64_t>{4, 6, 5, 8, 7});
    CHECK(pieces.decode({2, 4, 6, 5, 8, 7, 3}) == "unaffable , cafe");
    CHECK(pieces.encode("unx un").front() == 1);
    CHECK(pieces.encode(std::string(101, 'e')) == std::vector<int64_t>{1});
    CHECK(WordPiece::parse(vocabulary, {.max_length = 4}).encode("un , cafe") == std::vector<int64_t>{2, 4, 8, 3});
    CHECK(WordPiece::parse(vocabulary, {.max_length = 4}).encode("") == std::vector<int64_t>{2, 3});
    CHECK(mentions(message_of([&] { pieces.encode("ok\xFFno"); }), "the text is not UTF-8: byte 2"));
    CHECK(mentions(message_of([&] { WordPiece::parse(vocabulary, {.max_length = 2}); }), "leaves no room for text"));
    const std::string path = written("pieces.txt", vocabulary);
    pieces.save(path + ".again");
    CHECK(file_of(path + ".again") == vocabulary);
    CHECK(WordPiece::parse(vocabulary, {.vocab_size = 10}).size() == 10);
    CHECK(mentions(message_of([&] { WordPiece::parse(vocabulary, {.vocab_size = 12}); }), "10 tokens; expected 12"));
    CHECK(mentions(message_of([&] { WordPiece::parse("[UNK]\n\n[CLS]\n"); }), "vocabulary:2: a line without a token"));
    CHECK(
        mentions(message_of([&] { WordPiece::parse("[UNK]\na\na\n"); }), "vocabulary:3: 'a' stands on line 2 already"));
    CHECK(mentions(message_of([&] { WordPiece::parse("[UNK]\n[CLS]\n"); }), "there is no token [SEP]"));
  }

  TEST_CASE("tokenizers: damaged files end with an error, or work") {
    const ByteLevelBpe bpe = ByteLevelBpe::train("low lower lowest low low newer newest wide widest", 280);
    bpe.save(bin_dir() + "/good.bpe", bin_dir() + "/good.json");
    const std::string merges = file_of(bin_dir() + "/good.bpe"), ids = file_of(bin_dir() + "/good.json");
    damage(
        merges,
        [&](const std::string& bytes) {
          ByteLevelBpe::load(written("bad.bpe", bytes), bin_dir() + "/good.json").encode("lowest\xFF");
        },
        300);
    damage(
        ids,
        [&](const std::string& bytes) {
          ByteLevelBpe::load(bin_dir() + "/good.bpe", written("bad.json", bytes)).encode("lowest\xFF");
        },
        300);
    damage(
        scored_file(letters), [&](const std::string& bytes) { ScoredBpe::parse(bytes).encode("abc é\xFF"); }, 600);
    damage(
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##able\n",
        [&](const std::string& bytes) { WordPiece::parse(bytes).encode("unable"); }, 600);
    const auto message = [&](const std::string& text) {
      return message_of([&] { ByteLevelBpe::load(written("bad.bpe", text), bin_dir() + "/good.json"); });
    };
    CHECK(mentions(message("#version: 0.2\nl o\nlow\n"), "bad.bpe:3: 'low' is not two tokens"));
    CHECK(mentions(message("l o\nl o\n"), "bad.bpe:2: this pair was merged before"));
    CHECK(mentions(message("q x\n"), "bad.bpe:1: the token 'qx' is missing in"));
    CHECK(mentions(message_of([&] { ScoredBpe::parse(scored_file(letters).substr(0, 300)); }), "byte"));
    CHECK(mentions(message_of([] { ByteLevelBpe::train("abc", 200); }), "the 256 bytes are tokens, too"));
    CHECK(mentions(message_of([] { ByteLevelBpe::load("/nowhere/a", "/nowhere/b"); }), "cannot open the file"));
    CHECK(mentions(message_of([] { ByteLevelBpe().encode("a"); }), "no tokens yet"));
  }
}
