#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/data/loader.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/text/text_data.h>

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
    CHECK(numbers<double>(scores.labels) == std::vector<double>{4.5, 1});
    CHECK(scores.label_names.empty());
    const LabelledTexts names = read_labelled_texts(written("n.csv", "label,text\npos,NA\nneg,12\npos,x\n"));
    CHECK(names.texts == std::vector<std::string>{"NA", "12", "x"});
    CHECK(numbers<double>(names.labels) == std::vector<double>{1, 0, 1});
    CHECK(names.label_names == std::vector<std::string>{"neg", "pos"});
    CHECK(mentions(message_of([] { read_labelled_texts(written("w.csv", "txt,label\na,1\n")); }), "no column 'text'"));
    CHECK(mentions(message_of([] { read_labelled_texts(written("m.csv", "text,label\na,1\n,2\n")); }),
                   "m.csv:3, column 'text': there is no text"));

    const std::string bad = written("bad.txt", "awful\r\n\n  \nboring"), good = written("good.txt", "fine\n");
    const LabelledTexts two = read_two_files(bad, good);
    CHECK(two.texts == std::vector<std::string>{"awful", "boring", "fine"});
    CHECK(numbers<double>(two.labels) == std::vector<double>{0, 0, 1});
    CHECK(mentions(message_of([&] { read_two_files(bad, written("latin.txt", "ok\ncaf\xE9\n")); }),
                   "latin.txt:2: the line is not UTF-8"));
    CHECK(mentions(message_of([&] { read_two_files(written("empty.txt", "\n"), good); }), "there is no text in it"));
    CHECK(mentions(message_of([&] { read_two_files(bin_dir() + "/none.txt", good); }), "cannot open the file"));
  }
}
