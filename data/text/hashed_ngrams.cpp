#include <fulmen/data/csv.h>
#include <fulmen/data/text/hashed_ngrams.h>
#include <fulmen/data/text/unicode.h>

#include <nlohmann/json.hpp>
#include <unordered_set>

namespace fulmen::data {

namespace {

using Json = nlohmann::json;

/// FNV-1a (Fowler, Noll, Vo) over the bytes of a word, continued from `hash`.
uint64_t hashed(std::string_view word, uint64_t hash = 0xCBF29CE484222325) {
  for (const char byte : word) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return hash;
}

/// Spreads the bits, so that the low ones depend on all (the last steps of MurmurHash3, Appleby 2011).
uint64_t mixed(uint64_t hash) {
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCD;
  hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53;
  return hash ^ (hash >> 33);
}

bool in_word(char32_t character) {
  const unicode::Kind kind = unicode::kind(character);
  return kind == unicode::Kind::Letter || kind == unicode::Kind::Number || kind == unicode::Kind::NonspacingMark ||
         kind == unicode::Kind::Mark || character == U'\'' || character == U'\u2019';
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool open = false;  // the last word may go on
  std::u32string lower;
  for (size_t at = 0; at < text.size();) {
    const size_t from = at;
    const char32_t character = unicode::next(text, at);
    if (character == unicode::invalid) {
      fail_data("HashedNgrams", str("the text is not UTF-8: byte ", from),
                "save the file as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8");
    }
    const bool goes_on = in_word(character);
    if (!goes_on && unicode::is_space(character)) {
      open = false;
      continue;
    }
    if (!goes_on || !open) words.emplace_back();
    open = goes_on;
    lower.clear();
    unicode::append_lower(lower, character == U'\u2019' ? U'\'' : character);
    for (const char32_t c : lower) unicode::append(words.back(), c);
  }
  return words;
}

void check(const HashedNgramsOptions& options) {
  FULMEN_CHECK(options.words >= 1 && options.words <= 16, "HashedNgrams: words must be 1 to 16; got ", options.words);
  FULMEN_CHECK(options.buckets >= 2, "HashedNgrams: buckets must be at least 2; got ", options.buckets);
}

}  // namespace

HashedNgrams::HashedNgrams(const HashedNgramsOptions& options)
    : options_(std::make_shared<HashedNgramsOptions>(options)) {
  check(options);
}

std::vector<int64_t> HashedNgrams::encode(std::string_view text) const {
  const std::vector<std::string> words = words_of(text);
  std::vector<int64_t> ids;
  std::unordered_set<int64_t> seen;
  for (size_t run = 1; run <= static_cast<size_t>(options_->words); ++run) {
    for (size_t first = 0; first + run <= words.size(); ++first) {
      uint64_t hash = hashed(words[first]);
      for (size_t i = 1; i < run; ++i) hash = hashed(words[first + i], hashed(" ", hash));
      const auto id = 1 + static_cast<int64_t>(mixed(hash) % static_cast<uint64_t>(options_->buckets - 1));
      if (!options_->distinct || seen.insert(id).second) ids.push_back(id);
    }
  }
  return ids;
}

std::string HashedNgrams::decode(std::span<const int64_t>) const {
  fail("HashedNgrams: tokens are hashes of words; there is no way back to text");
}

PreprocessorState HashedNgrams::state() const {
  const Json json = {{"words", options_->words}, {"buckets", options_->buckets}, {"distinct", options_->distinct}};
  return {.json = json.dump(), .tensors = {}};
}

void HashedNgrams::load_state(const PreprocessorState& state) {
  check_json_depth("hashed_ngrams", state.json);
  const Json json = Json::parse(state.json, nullptr, false);
  const auto has = [&](const char* name) { return json.is_object() && json.contains(name); };
  FULMEN_CHECK(has("words") && json["words"].is_number_integer() && has("buckets") &&
                   json["buckets"].is_number_integer() && has("distinct") && json["distinct"].is_boolean(),
               "hashed_ngrams: the stored state lacks 'words', 'buckets' and 'distinct'");
  const HashedNgramsOptions options{json["words"].get<int64_t>(), json["buckets"].get<int64_t>(),
                                    json["distinct"].get<bool>()};
  check(options);
  *options_ = options;
}

}  // namespace fulmen::data
