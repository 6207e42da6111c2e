#include <fulmen/data/csv.h>
#include <fulmen/data/text/byte_level_bpe_model.h>
#include <fulmen/data/text/gpt2_words.h>
#include <fulmen/data/text/unicode.h>

#include <queue>

namespace fulmen::data {

namespace {

struct Word {
  std::vector<int32_t> tokens;
  int64_t count;
};

uint64_t key_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

/// How often every pair of neighbours comes in a text's words, while pairs become tokens.
class PairCounts {
 public:
  explicit PairCounts(std::vector<Word> words) : words_(std::move(words)) {
    for (size_t w = 0; w < words_.size(); ++w) {
      const std::vector<int32_t>& tokens = words_[w].tokens;
      for (size_t i = 0; i + 1 < tokens.size(); ++i) count(tokens[i], tokens[i + 1], words_[w].count, w);
    }
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
  }

  /// The most frequent pair, of equal ones that of the smaller numbers; false when none comes twice.
  bool best(int32_t& left, int32_t& right) {
    while (!queue_.empty()) {
      const auto [count, key] = queue_.top();
      queue_.pop();
      const int64_t now = pairs_[key].count;
      if (now != count) {  // it became rarer since it was queued
        if (now > 0) queue_.push({now, key});
        continue;
      }
      left = static_cast<int32_t>(key >> 32), right = static_cast<int32_t>(key & 0xFFFFFFFFu);
      return count >= 2;
    }
    return false;
  }

  void merge(int32_t left, int32_t right, int32_t result) {
    Pair merged = std::move(pairs_[key_of(left, right)]);
    changed_.clear();
    for (size_t w : merged.words) merge_in(w, left, right, result);
    pairs_[key_of(left, right)] = {};
    for (uint64_t key : changed_) {
      if (const int64_t count = pairs_[key].count; count > 0) queue_.push({count, key});
    }
  }

 private:
  struct Pair {
    int64_t count = 0;
    std::vector<size_t> words;  // where it came at some time
  };
  struct Queued {
    int64_t count;
    uint64_t key;
    bool operator<(const Queued& other) const { return count != other.count ? count < other.count : key > other.key; }
  };

  void count(int32_t left, int32_t right, int64_t by, size_t word) {
    Pair& pair = pairs_[key_of(left, right)];
    pair.count += by;
    if (by > 0 && (pair.words.empty() || pair.words.back() != word)) pair.words.push_back(word);
  }

  void merge_in(size_t w, int32_t left, int32_t right, int32_t result) {
    std::vector<int32_t>& tokens = words_[w].tokens;
    const int64_t times = words_[w].count;
    size_t to = 0;
    for (size_t from = 0; from < tokens.size(); ++from) {
      if (tokens[from] != left || from + 1 == tokens.size() || tokens[from + 1] != right) {
        tokens[to++] = tokens[from];
        continue;
      }
      if (to > 0) {
        count(tokens[to - 1], left, -times, w);
        count(tokens[to - 1], result, times, w);
        changed_.push_back(key_of(tokens[to - 1], result));
      }
      if (from + 2 < tokens.size()) {
        count(right, tokens[from + 2], -times, w);
        count(result, tokens[from + 2], times, w);
        changed_.push_back(key_of(result, tokens[from + 2]));
      }
      tokens[to++] = result;
      ++from;
    }
    tokens.resize(to);
  }

  std::vector<Word> words_;
  std::unordered_map<uint64_t, Pair> pairs_;
  std::priority_queue<Queued> queue_;
  std::vector<uint64_t> changed_;
};

std::vector<Word> count_words(std::string_view text, const int32_t* byte_tokens) {
  std::vector<Word> words;
  std::unordered_map<std::string_view, size_t> places;
  for (size_t at = 0; at < text.size();) {
    const size_t end = gpt2_word_end(text, at);
    const std::string_view bytes = text.substr(at, end - at);
    at = end;
    const auto [found, is_new] = places.try_emplace(bytes, words.size());
    if (is_new) {
      words.push_back({{}, 0});
      for (char c : bytes) words.back().tokens.push_back(byte_tokens[static_cast<unsigned char>(c)]);
    }
    ++words[found->second].count;
  }
  return words;
}

}  // namespace

ByteLevelBpe ByteLevelBpe::train(std::string_view text, int64_t tokens, const std::vector<std::string>& special) {
  const int64_t room = tokens - static_cast<int64_t>(special.size());
  if (text.empty()) fail_data("ByteLevelBpe", "the text is empty", "give a text to learn from");
  if (room < 256) {
    fail_data("ByteLevelBpe", str(tokens, " tokens, ", special.size(), " of them special"),
              "the 256 bytes are tokens, too: ask for more");
  }
  ByteLevelBpe bpe;
  Learnt& learnt = *bpe.learnt_;
  std::unordered_map<std::string, int32_t> numbers;
  for (int i = 0; i < 256; ++i) {
    const unsigned char byte = bytes_in_order()[i];
    learnt.byte_tokens[byte] = i;
    learnt.tokens.emplace_back(1, static_cast<char>(byte));
    numbers.emplace(learnt.tokens.back(), i);
  }
  PairCounts pairs(count_words(text, learnt.byte_tokens));
  std::vector<int32_t> results;
  int32_t left, right;
  while (static_cast<int64_t>(learnt.tokens.size()) < room && pairs.best(left, right)) {
    std::string bytes = learnt.tokens[static_cast<size_t>(left)] + learnt.tokens[static_cast<size_t>(right)];
    // Two ways may lead to the same bytes: then they are the same token.
    const auto [found, is_new] = numbers.emplace(bytes, static_cast<int32_t>(learnt.tokens.size()));
    if (is_new) learnt.tokens.push_back(std::move(bytes));
    learnt.merges.emplace_back(left, right);
    results.push_back(found->second);
    pairs.merge(left, right, found->second);
  }
  for (const std::string& name : special) {
    FULMEN_CHECK(
        !name.empty() && unicode::find_invalid(name) == std::string::npos && bpe.special_token(name) == std::nullopt,
        "ByteLevelBpe: a special token is empty, comes twice or is not UTF-8: '", name, "'");
    learnt.special.emplace_back(name, static_cast<int32_t>(learnt.tokens.size()));
    learnt.tokens.push_back(name);
  }
  learnt.index(results);
  return bpe;
}

}  // namespace fulmen::data
