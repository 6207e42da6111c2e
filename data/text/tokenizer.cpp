#include <fulmen/data/csv.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/text/tokenizer.h>
#include <fulmen/data/text/unicode.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fulmen::data {

using Json = nlohmann::json;

Tensor Tokenizer::encode_tensor(std::string_view text) const { return rows_of(encode(text)); }

void Tokenizer::check_id(int64_t id) const {
  FULMEN_CHECK_INDEX(id >= 0 && id < size(), kind(), ": there is no token ", id, "; the tokens are 0..", size() - 1);
}

std::vector<int64_t> Bytes::encode(std::string_view text) const {
  std::vector<int64_t> ids(text.size());
  std::transform(text.begin(), text.end(), ids.begin(), [](char c) { return static_cast<unsigned char>(c); });
  return ids;
}

std::string Bytes::decode(std::span<const int64_t> ids) const {
  std::string text;
  text.reserve(ids.size());
  for (int64_t id : ids) {
    check_id(id);
    text += static_cast<char>(id);
  }
  return text;
}

struct Characters::Learnt {
  std::u32string characters;  // ascending
  bool unknown = false;

  /// Number of a character; -1 if there is none.
  int64_t find(char32_t character) const {
    auto at = std::lower_bound(characters.begin(), characters.end(), character);
    return at != characters.end() && *at == character ? at - characters.begin() : -1;
  }
};

Characters::Characters() : learnt_(std::make_shared<Learnt>()) {}

Characters::Characters(std::string_view text, bool unknown) : Characters() {
  if (text.empty()) fail_data("Characters", "the text is empty", "give a text to learn the characters of");
  if (const size_t wrong = unicode::find_invalid(text); wrong != std::string_view::npos) {
    fail_data("Characters", str("the text is not UTF-8: byte ", wrong),
              "save it as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8; or use Bytes");
  }
  std::vector<bool> seen(0x110000);
  for (size_t at = 0; at < text.size();) seen[unicode::next(text, at)] = true;
  for (char32_t c = 0; c < seen.size(); ++c) {
    if (seen[c]) learnt_->characters += c;
  }
  learnt_->unknown = unknown;
}

int64_t Characters::size() const {
  return static_cast<int64_t>(learnt_->characters.size()) + (learnt_->unknown ? 1 : 0);
}

std::vector<int64_t> Characters::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  ids.reserve(text.size());
  int64_t ascii[128];
  for (char32_t c = 0; c < 128; ++c) ascii[c] = learnt_->find(c);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = unicode::next(text, at);
    int64_t id = character < 128 ? ascii[character] : learnt_->find(character);
    if (id < 0) {
      if (!learnt_->unknown) {
        std::string shown = character == unicode::invalid ? "a byte that is not UTF-8" : "the character '";
        if (character != unicode::invalid) unicode::append(shown, character), shown += "'";
        fail_data("Characters", str(shown, " at byte ", begin, " is not among the ", size(), " that were learnt"),
                  "remove it, or learn from a text that has it, or let unknown characters be a token");
      }
      id = size() - 1;
    }
    ids.push_back(id);
  }
  return ids;
}

std::string Characters::decode(std::span<const int64_t> ids) const {
  std::string text;
  text.reserve(ids.size());
  for (int64_t id : ids) {
    check_id(id);
    const auto i = static_cast<size_t>(id);
    unicode::append(text, i < learnt_->characters.size() ? learnt_->characters[i] : U'\uFFFD');
  }
  return text;
}

PreprocessorState Characters::state() const {
  std::string all;
  for (char32_t character : learnt_->characters) unicode::append(all, character);
  return {.json = Json{{"characters", all}, {"unknown", learnt_->unknown}}.dump(), .tensors = {}};
}

void Characters::load_state(const PreprocessorState& state) {
  check_json_depth("characters", state.json);
  const Json json = Json::parse(state.json, nullptr, false);
  FULMEN_CHECK(json.is_object() && json.contains("characters") && json["characters"].is_string() &&
                   json.contains("unknown") && json["unknown"].is_boolean(),
               "characters: the stored state lacks 'characters' and 'unknown'");
  const auto text = json["characters"].get<std::string>();
  FULMEN_CHECK(unicode::find_invalid(text) == std::string::npos, "characters: the stored characters are not UTF-8");
  Learnt learnt{.characters = {}, .unknown = json["unknown"].get<bool>()};
  for (size_t at = 0; at < text.size();) learnt.characters += unicode::next(text, at);
  FULMEN_CHECK(std::adjacent_find(learnt.characters.begin(), learnt.characters.end(), std::greater_equal<>()) ==
                   learnt.characters.end(),
               "characters: the stored characters are not in order");
  *learnt_ = std::move(learnt);
}

AnyTokenizer::AnyTokenizer() : chosen_(std::make_shared<std::shared_ptr<Tokenizer>>()) {}

const Tokenizer& AnyTokenizer::get() const {
  FULMEN_CHECK(*chosen_, "AnyTokenizer: no tokenizer was chosen yet");
  return **chosen_;
}

PreprocessorState AnyTokenizer::state() const {
  PreprocessorState state = get().state();
  state.json = Json{{"kind", get().kind()}, {"state", Json::parse(state.json)}}.dump();
  return state;
}

void AnyTokenizer::load_state(const PreprocessorState& state) {
  check_json_depth("tokenizer", state.json);
  const Json json = Json::parse(state.json, nullptr, false);
  FULMEN_CHECK(json.is_object() && json.contains("kind") && json["kind"].is_string() && json.contains("state"),
               "tokenizer: the stored state lacks 'kind' and 'state'");
  const auto kind = json["kind"].get<std::string>();
  const auto made = kind == "tokenizer" ? nullptr : std::dynamic_pointer_cast<Tokenizer>(make_preprocessor(kind));
  FULMEN_CHECK(made, "tokenizer: '", kind, "' is no kind of tokenizer");
  made->load_state({.json = json["state"].dump(), .tensors = state.tensors});
  *chosen_ = made;
}

std::string TextStream::add(int64_t id) {
  ids_.push_back(id);
  const std::string all = tokenizer_.decode(ids_);
  const size_t whole = all.size() - unicode::unfinished_tail(all);
  if (whole <= given_) return {};
  std::string text = all.substr(given_, whole - given_);
  given_ = whole;
  return text;
}

std::string TextStream::finish() {
  const std::string all = tokenizer_.decode(ids_);
  std::string text = all.substr(std::min(given_, all.size()));
  given_ = all.size();
  return text;
}

}  // namespace fulmen::data
