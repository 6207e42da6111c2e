#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/text/pair_merges.h>
#include <fulmen/data/text/scored_bpe.h>
#include <fulmen/data/text/unicode.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>

namespace fulmen::data {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little endian");

namespace {
constexpr int32_t first_byte_token = 3, byte_tokens_end = 259;
}

struct ScoredBpe::Learnt {
  std::string file;
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::unordered_map<std::string_view, int32_t> numbers;  // of `tokens`, which never changes

  int32_t find(std::string_view text) const {
    const auto found = numbers.find(text);
    return found == numbers.end() ? -1 : found->second;
  }
};

ScoredBpe::ScoredBpe() : learnt_(std::make_shared<Learnt>()) {}

ScoredBpe ScoredBpe::parse(std::string_view file, const std::string& name) {
  ScoredBpe made;
  Learnt& learnt = *made.learnt_;
  size_t at = 0;
  const auto refuse = [&](const std::string& what) {
    fail_data(name, str(what, " at byte ", at, " (token ", learnt.tokens.size(), ")"),
              "give the tokenizer file of llama2.c that belongs to the model");
  };
  const auto read = [&](auto& value) {
    if (file.size() - at < sizeof(value)) refuse("the file ends too soon,");
    std::memcpy(&value, file.data() + at, sizeof(value));
    at += sizeof(value);
  };
  int32_t longest = 0;
  read(longest);
  while (at < file.size()) {
    float score = 0;
    int32_t length = 0;
    read(score);
    read(length);
    if (!std::isfinite(score)) refuse("a score that is not finite,");
    if (length < 0 || static_cast<size_t>(length) > file.size() - at) refuse(str("a token of ", length, " bytes,"));
    learnt.tokens.emplace_back(file.substr(at, static_cast<size_t>(length)));
    learnt.scores.push_back(score);
    at += static_cast<size_t>(length);
  }
  if (learnt.tokens.size() < byte_tokens_end) refuse("fewer tokens than <unk>, <s>, </s> and the 256 bytes:");
  for (int32_t byte = 0; byte < 256; ++byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    const std::string expected = str("<0x", digits[byte >> 4], digits[byte & 15], ">");
    std::string& token = learnt.tokens[static_cast<size_t>(first_byte_token + byte)];
    if (token != expected) refuse(str("'", token, "' in the place of ", expected, ","));
    token = std::string(1, static_cast<char>(byte));
  }
  // Bytes come in by fallback only, so the written tokens are those behind them.
  for (size_t i = byte_tokens_end; i < learnt.tokens.size(); ++i) {
    learnt.numbers.emplace(learnt.tokens[i], static_cast<int32_t>(i));
  }
  learnt.file = std::string(file);
  return made;
}

ScoredBpe ScoredBpe::load(const std::string& path) { return parse(read_file(path, int64_t{1} << 30), path); }

int64_t ScoredBpe::size() const { return static_cast<int64_t>(learnt_->tokens.size()); }

std::vector<int64_t> ScoredBpe::encode(std::string_view text) const {
  const Learnt& learnt = *learnt_;
  FULMEN_CHECK(fitted(), "ScoredBpe: it has no tokens yet; load it");
  FULMEN_CHECK(text.size() < size_t{1} << 30, "ScoredBpe: a text of 1 GiB or more; encode it in parts");
  std::vector<int64_t> ids = {begin_token};
  if (text.empty()) return ids;
  std::vector<int32_t> tokens;
  const auto add = [&](std::string_view character) {
    const int32_t id = learnt.find(character);
    if (id >= 0) return tokens.push_back(id);
    for (char byte : character) tokens.push_back(first_byte_token + static_cast<unsigned char>(byte));
  };
  add(" ");
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    unicode::next(text, at);
    add(text.substr(begin, at - begin));
  }
  std::string joined;
  merge_pairs(tokens, [&](int32_t left, int32_t right) {
    if (left < byte_tokens_end || right < byte_tokens_end) return PairMerge{};
    joined = learnt.tokens[static_cast<size_t>(left)];
    joined += learnt.tokens[static_cast<size_t>(right)];
    const int32_t id = learnt.find(joined);
    return id < 0 ? PairMerge{} : PairMerge{-static_cast<double>(learnt.scores[static_cast<size_t>(id)]), id};
  });
  ids.insert(ids.end(), tokens.begin(), tokens.end());
  return ids;
}

std::string ScoredBpe::decode(std::span<const int64_t> ids) const {
  std::string text;
  bool at_begin = false;
  for (int64_t id : ids) {
    check_id(id);
    if (id == begin_token) {
      at_begin = true;
      continue;
    }
    if (id == *end_token()) break;
    std::string_view token = learnt_->tokens[static_cast<size_t>(id)];
    if (at_begin && token.starts_with(' ')) token.remove_prefix(1);
    at_begin = false;
    text += token;
  }
  return text;
}

PreprocessorState ScoredBpe::state() const {
  return {.json = "{}", .tensors = {{"file", bytes_tensor(learnt_->file)}}};
}

void ScoredBpe::load_state(const PreprocessorState& state) {
  ScoredBpe loaded = parse(tensor_bytes(state.tensors.find("file"), "scored_bpe, 'file'"), "the stored tokenizer");
  *learnt_ = std::move(*loaded.learnt_);
}

}  // namespace fulmen::data
