#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/data/loader.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/text/hashed_ngrams.h>
#include <fulmen/data/text/text_data.h>

#include <cmath>
#include <fstream>

#include "tests/message_of.h"
#include "tests/paths.h"

using namespace fulmen;
using namespace fulmen::data;
using namespace fulmen::testing;

namespace {

std::string written(const std::string& name, const std::string& text) {
  const std::string path = bin_dir() + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

template <class T>
std::vector<T> numbers(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return std::vector<T>(flat.data_ptr<T>(), flat.data_ptr<T>() + flat.numel());
}

Tensor counting(int64_t n) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(i);
  return rows_of(tokens);
}

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("text: windows of tokens and the tokens that follow") {
    const TokenWindows windows(counting(10), 4);
    CHECK(windows.size() == 6);
    CHECK(numbers<int64_t>(windows.get(5).data) == std::vector<int64_t>{5, 6, 7, 8});
    CHECK(numbers<int64_t>(windows.get(5).target) == std::vector<int64_t>{6, 7, 8, 9});
    CHECK(TokenWindows(counting(10), 4, 4).size() == 2);
    CHECK(TokenWindows(counting(9), 4, 4).size() == 2);
    CHECK(TokenWindows(counting(8), 4, 4).size() == 1);
    CHECK(TokenWindows(counting(5), 4).size() == 1);
    CHECK(mentions(message_of([] { TokenWindows(counting(4), 4); }), "the text has 4 tokens"));
    CHECK(mentions(message_of([&] { windows.get(6); }), "there is no window 6 of 6"));
    DataLoader<> loader(windows, {.batch_size = 4});
    int64_t batches = 0;
    for (const Example<>& batch : loader) {
      CHECK(batch.data.sizes() == IntArrayRef({batches == 0 ? 4 : 2, 4}));
      CHECK(batch.target.equal(batch.data + 1));
      ++batches;
    }
    CHECK(batches == 2);
  }

  TEST_CASE("text: padded batches") {
    const std::vector<std::vector<int64_t>> rows = {{1, 2, 3}, {4}, {}};
    const TokenBatch right = pad_tokens(rows, 9);
    CHECK(numbers<int64_t>(right.ids) == std::vector<int64_t>{1, 2, 3, 4, 9, 9, 9, 9, 9});
    CHECK(numbers<bool>(right.mask) == std::vector<bool>{1, 1, 1, 1, 0, 0, 0, 0, 0});
    CHECK(numbers<int64_t>(right.lengths) == std::vector<int64_t>{3, 1, 0});
    const TokenBatch left = pad_tokens(rows, 9, PadSide::Left);
    CHECK(numbers<int64_t>(left.ids) == std::vector<int64_t>{1, 2, 3, 9, 9, 4, 9, 9, 9});
    CHECK(numbers<bool>(left.mask) == std::vector<bool>{1, 1, 1, 0, 0, 1, 0, 0, 0});
    CHECK(mentions(message_of([] { pad_tokens({}, 0); }), "there are no texts"));
    DataLoader loader(TokenRows(rows, rows_of(std::vector<double>{0, 1, 2}, kFloat), 0), {.batch_size = 2});
    std::vector<int64_t> widths;
    for (const TextExample& batch : loader) {
      widths.push_back(batch.ids.size(1));
      CHECK(batch.target.size(0) == batch.ids.size(0));
      CHECK(batch.mask.sizes() == batch.ids.sizes());
    }
    CHECK(widths == std::vector<int64_t>{3, 0});
    CHECK(
        mentions(message_of([&] { TokenRows(rows, rows_of(std::vector<double>{0}, kFloat), 0); }), "as many targets"));
  }

  TEST_CASE("text: labelled texts") {
    const LabelledTexts scores = read_labelled_texts(written("scores.tsv", "text\tlabel\ngood, yes\t4.5\nbad\t1\n"));
    CHECK(scores.texts == std::vector<std::string>{"good, yes", "bad"});
    CHECK(numbers<float>(scores.labels) == std::vector<float>{4.5, 1});
    CHECK(scores.label_names.empty());
    const LabelledTexts names = read_labelled_texts(written("n.csv", "label,text\npos,NA\nneg,12\npos,x\n"));
    CHECK(names.texts == std::vector<std::string>{"NA", "12", "x"});
    CHECK(numbers<float>(names.labels) == std::vector<float>{1, 0, 1});
    CHECK(names.label_names == std::vector<std::string>{"neg", "pos"});
    CHECK(mentions(message_of([] { read_labelled_texts(written("w.csv", "txt,label\na,1\n")); }), "no column 'text'"));
    CHECK(mentions(message_of([] { read_labelled_texts(written("m.csv", "text,label\na,1\n,2\n")); }),
                   "m.csv:3, column 'text': there is no text"));

    const std::string bad = written("bad.txt", "awful\r\n\n  \nboring"), good = written("good.txt", "fine\n");
    const LabelledTexts two = read_two_files(bad, good);
    CHECK(two.texts == std::vector<std::string>{"awful", "boring", "fine"});
    CHECK(numbers<float>(two.labels) == std::vector<float>{0, 0, 1});
    CHECK(mentions(message_of([&] { read_two_files(bad, written("latin.txt", "ok\ncaf\xE9\n")); }),
                   "latin.txt:2: the line is not UTF-8"));
    CHECK(mentions(message_of([&] { read_two_files(written("empty.txt", "\n"), good); }), "there is no text in it"));
    CHECK(mentions(message_of([&] { read_two_files(bin_dir() + "/none.txt", good); }), "cannot open the file"));
  }

  TEST_CASE("text: labels must have something to tell, and parts are those of a table") {
    LabelledTexts texts{{"a", "b", "c", "d", "e"}, rows_of(std::vector<double>{1, 5, 3, 1, 5}, kFloat), {}};
    CHECK(texts.check_kinds() == 3);
    const auto parts = split(texts, {0.2, 0.4}, 3);
    REQUIRE(parts.size() == 3);
    const std::vector<int64_t> order = numbers<int64_t>(randperm(5, Generator(3)));
    std::vector<std::string> all;
    for (const LabelledTexts& part : parts) all.insert(all.end(), part.texts.begin(), part.texts.end());
    for (size_t i = 0; i < 5; ++i) CHECK(all[i] == texts.texts[static_cast<size_t>(order[i])]);
    CHECK(parts[1].texts.size() == 2);
    CHECK(parts[0].labels[0].item<float>() == texts.labels[order[0]].item<float>());
    CHECK(mentions(message_of([&] { split(texts, {0.1}, 0); }), "too few"));
    texts.labels.fill_(2);
    CHECK(mentions(message_of([&] { texts.check_kinds(); }), "the same label"));
    const LabelledTexts words{{"a", "b", "c"}, rows_of(std::vector<double>{0, 1, 2}, kFloat), {"bad", "fair", "good"}};
    CHECK(mentions(message_of([&] { words.check_kinds(); }), "words of 3 kinds: bad, fair, ..."));
  }

  TEST_CASE("text: hashed words and pairs of words") {
    const HashedNgrams words({.words = 1, .buckets = 1000, .distinct = false});
    const auto ids = words.encode("Don't stop. don\u2019t STOP!");
    REQUIRE(ids.size() == 6);  // don't stop . don't stop !
    CHECK(ids[0] == ids[3]);
    CHECK(ids[1] == ids[4]);
    CHECK(ids[2] != ids[5]);
    for (const int64_t id : ids) CHECK((id > 0 && id < 1000));
    const HashedNgrams pairs({.words = 2, .buckets = int64_t{1} << 20});
    CHECK(pairs.encode("a b a b").size() == 4);  // a, b, a b, b a
    CHECK(pairs.encode("a b") != pairs.encode("b a"));
    CHECK(pairs.encode("\u00C9t\u00E9 1,5") == pairs.encode(" \u00E9t\u00E9\t1 ,5\n"));
    CHECK(pairs.encode("").empty());
    CHECK(pairs.encode(" \n").empty());
    AnyTokenizer stored{HashedNgrams({.words = 3, .buckets = 50, .distinct = false})}, loaded;
    loaded.load_state(stored.state());
    CHECK(loaded.size() == 50);
    CHECK(loaded.encode("one two three four") == stored.encode("one two three four"));
    CHECK(loaded.encode("one two three four").size() == 4 + 3 + 2);
    CHECK(mentions(message_of([&] { words.encode("caf\xE9"); }), "not UTF-8: byte 3"));
    CHECK(mentions(message_of([&] { words.decode(ids); }), "no way back"));
    CHECK(mentions(message_of([] { HashedNgrams({.words = 0}); }), "words must be 1 to 16"));
    CHECK(mentions(message_of([] { HashedNgrams({.buckets = 1}); }), "at least 2"));
    HashedNgrams other;
    for (const char* json :
         {"{}", "[]", "3", R"({"words": 1, "buckets": 5})", R"({"words": 99, "buckets": 5, "distinct": true})"}) {
      CHECK(message_of([&] { other.load_state({.json = json, .tensors = {}}); }) != "no error");
    }
    CHECK(other.size() == int64_t{1} << 17);
    const std::vector<std::string> texts = {"one two three", "", "four"};
    const auto rows = encode_texts(words, texts, 2);
    CHECK(rows[0].size() == 2);
    CHECK(rows[1] == std::vector<int64_t>{0});
    CHECK(rows[2] == words.encode("four"));
  }

  TEST_CASE("text: log-count ratios") {
    const std::vector<std::vector<int64_t>> rows = {{1, 2, 2}, {1, 3}, {1, 3}};
    const Tensor ratios = log_count_ratios(rows, rows_of(std::vector<double>{1, 0, 0.5}, kFloat), 5);
    const double usual = std::log(2.5 / 2.5);
    const double expected[] = {0, std::log(2.5 / 2.5) - usual, std::log(2.0 / 1) - usual, std::log(1.5 / 2.5) - usual,
                               0};
    for (int64_t i = 0; i < 5; ++i) CHECK(ratios[i].item<double>() == doctest::Approx(expected[i]));
    CHECK(mentions(message_of([&] { log_count_ratios(rows, zeros({2}), 5); }), "3 texts need as many targets"));
    CHECK(mentions(message_of([&] { log_count_ratios(rows, full({3}, 2.0), 5); }), "between 0 and 1"));
    CHECK(mentions(message_of([&] { log_count_ratios(rows, zeros({3}), 3); }), "no token 3 of 3"));
  }
}
