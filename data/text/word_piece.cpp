#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/text/unicode.h>
#include <fulmen/data/text/word_piece.h>
#include <fulmen/tensor/atomic_file.h>

#include <nlohmann/json.hpp>
#include <unordered_map>

namespace fulmen::data {

namespace {

using Json = nlohmann::json;
using unicode::Kind;

/// CJK ideographs, which BERT treats as words of their own. (Not Hangul or Kana: those are written with blanks, or so
/// BERT says.)
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return c > ' ' && c < 0x7F && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
  return unicode::kind(c) == Kind::Punctuation;
}

/// Without control characters, every space a blank, ideographs between blanks.
std::u32string clean(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = unicode::next(text, at);
    if (c == unicode::invalid) {
      fail_data("WordPiece", str("the text is not UTF-8: byte ", begin),
                "save it as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8");
    }
    if (unicode::is_space(c) && c != 0x85 && c != '\v' && c != '\f') {
      out += U' ';
    } else if (c == 0 || c == 0xFFFD || (c < 0x80 ? c < ' ' || c == 0x7F : unicode::kind(c) == Kind::Other)) {
      continue;
    } else if (is_ideograph(c)) {
      out += U' ', out += c, out += U' ';
    } else {
      out += c;
    }
  }
  return out;
}

std::u32string lowercase_without_accents(const std::u32string& text) {
  std::u32string out;
  out.reserve(text.size());
  for (char32_t c : unicode::decompose(text)) {
    if (c < 0x300 || unicode::kind(c) != Kind::NonspacingMark) unicode::append_lower(out, c);
  }
  return out;
}

}  // namespace

struct WordPiece::Learnt {
  WordPieceOptions options;
  std::vector<std::string> tokens;
  std::unordered_map<std::string_view, int64_t> numbers;  // of `tokens`, which never changes
  size_t longest = 0;                                     // bytes of the longest token
  int64_t unknown = 0, begin = 0, end = 0;

  int64_t find(std::string_view token) const {
    const auto found = numbers.find(token);
    return found == numbers.end() ? -1 : found->second;
  }
  void index() {
    for (size_t i = 0; i < tokens.size(); ++i) {
      numbers.emplace(tokens[i], static_cast<int64_t>(i));
      longest = std::max(longest, tokens[i].size());
    }
    unknown = find("[UNK]"), begin = find("[CLS]"), end = find("[SEP]");
  }
  void add_word(std::string_view word, std::vector<int64_t>& ids) const;
};

// The longest piece first; a word of which any part is in no vocabulary is unknown as a whole.
void WordPiece::Learnt::add_word(std::string_view word, std::vector<int64_t>& ids) const {
  const size_t before = ids.size();
  const auto characters = std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; });
  std::string piece;
  for (size_t at = 0; at < word.size() && characters <= options.max_word_characters;) {
    piece.assign(at == 0 ? "" : "##");
    const size_t prefix = piece.size();
    piece += word.substr(at, longest);
    int64_t id = -1;
    while (piece.size() > prefix) {
      if ((id = find(piece)) >= 0) break;
      do piece.pop_back();  // one character
      while (at + piece.size() - prefix < word.size() && (word[at + piece.size() - prefix] & 0xC0) == 0x80);
    }
    if (id < 0) break;
    ids.push_back(id);
    at += piece.size() - prefix;
    if (at == word.size()) return;
  }
  ids.resize(before);
  ids.push_back(unknown);
}

WordPiece::WordPiece() : learnt_(std::make_shared<Learnt>()) {}

WordPiece WordPiece::parse(std::string_view vocabulary, const WordPieceOptions& options, const std::string& name) {
  FULMEN_CHECK(options.max_length == 0 || options.max_length > (options.special_tokens ? 2 : 0),
               "WordPiece: max_length leaves no room for text: ", options.max_length);
  WordPiece made;
  Learnt& learnt = *made.learnt_;
  learnt.options = options;
  std::unordered_map<std::string, size_t> lines;
  while (!vocabulary.empty()) {
    const size_t end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view token = vocabulary.substr(0, end);
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
    if (token.ends_with('\r')) token.remove_suffix(1);
    const size_t line = learnt.tokens.size() + 1;
    const auto [other, is_new] = lines.emplace(token, line);
    if (token.empty() || unicode::find_invalid(token) != token.npos || !is_new) {
      fail_data(str(name, ":", line),
                token.empty() ? "a line without a token"
                : !is_new     ? str("'", token, "' stands on line ", other->second, " already")
                              : "the token is not UTF-8",
                "give BERT's vocab.txt, one token a line");
    }
    learnt.tokens.emplace_back(token);
  }
  const auto found = static_cast<int64_t>(learnt.tokens.size());
  if (options.vocab_size != 0 && found != options.vocab_size) {
    fail_data(name, str(found, " tokens; expected ", options.vocab_size, ", which is the vocabulary of the model"),
              "give the vocab.txt that came with the model");
  }
  learnt.index();
  for (const char* needed : {"[UNK]", "[CLS]", "[SEP]"}) {
    if (learnt.find(needed) < 0) fail_data(name, str("there is no token ", needed), "give BERT's vocab.txt");
  }
  return made;
}

WordPiece WordPiece::load(const std::string& path, const WordPieceOptions& options) {
  return parse(read_file(path), options, path);
}

std::string WordPiece::vocabulary_file() const {
  std::string text;
  for (const std::string& token : learnt_->tokens) text += token + "\n";
  return text;
}

void WordPiece::save(const std::string& path) const {
  FULMEN_CHECK(fitted(), "WordPiece: it has no tokens to save; load it");
  AtomicFile file(path);
  file.write(vocabulary_file());
  file.commit();
}

int64_t WordPiece::size() const { return static_cast<int64_t>(learnt_->tokens.size()); }

std::optional<int64_t> WordPiece::token(std::string_view name) const {
  const int64_t id = learnt_->find(name);
  return id < 0 ? std::nullopt : std::optional(id);
}

const WordPieceOptions& WordPiece::options() const { return learnt_->options; }

std::vector<int64_t> WordPiece::encode(std::string_view text) const {
  const Learnt& learnt = *learnt_;
  FULMEN_CHECK(fitted(), "WordPiece: it has no tokens yet; load it");
  std::u32string characters = clean(text);
  if (learnt.options.lowercase) characters = lowercase_without_accents(characters);
  const auto most = static_cast<size_t>(learnt.options.max_length > 0 ? learnt.options.max_length : INT64_MAX) -
                    (learnt.options.special_tokens ? 1 : 0);
  std::vector<int64_t> ids;
  if (learnt.options.special_tokens) ids.push_back(learnt.begin);
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) learnt.add_word(word, ids);
    word.clear();
  };
  for (char32_t c : characters) {
    if (ids.size() >= most) break;
    if (unicode::is_space(c)) {
      end_word();
    } else if (is_punctuation(c)) {
      end_word();
      unicode::append(word, c);
      end_word();
    } else {
      unicode::append(word, c);
    }
  }
  end_word();
  if (ids.size() > most) ids.resize(most);
  if (learnt.options.special_tokens) ids.push_back(learnt.end);
  return ids;
}

std::string WordPiece::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (int64_t id : ids) {
    check_id(id);
    const std::string& token = learnt_->tokens[static_cast<size_t>(id)];
    if (token == "[CLS]" || token == "[SEP]" || token == "[PAD]") continue;
    if (token.starts_with("##")) {
      text += token.substr(2);
    } else {
      text += (text.empty() ? "" : " ") + token;
    }
  }
  return text;
}

PreprocessorState WordPiece::state() const {
  const WordPieceOptions& o = learnt_->options;
  const Json json = {{"lowercase", o.lowercase},
                     {"special_tokens", o.special_tokens},
                     {"max_length", o.max_length},
                     {"max_word_characters", o.max_word_characters}};
  return {.json = json.dump(), .tensors = {{"vocabulary", bytes_tensor(vocabulary_file())}}};
}

void WordPiece::load_state(const PreprocessorState& state) {
  check_json_depth("word_piece", state.json);
  const Json json = Json::parse(state.json, nullptr, false);
  const auto truth = [&](const char* key) {
    FULMEN_CHECK(json.is_object() && json.contains(key) && json[key].is_boolean(),
                 "word_piece: the stored state lacks '", key, "'");
    return json[key].get<bool>();
  };
  const auto number = [&](const char* key) {
    FULMEN_CHECK(json.is_object() && json.contains(key) && json[key].is_number_integer(),
                 "word_piece: the stored state lacks '", key, "'");
    return json[key].get<int64_t>();
  };
  const WordPieceOptions options{.lowercase = truth("lowercase"),
                                 .special_tokens = truth("special_tokens"),
                                 .max_length = number("max_length"),
                                 .max_word_characters = number("max_word_characters")};
  const std::string vocabulary = tensor_bytes(state.tensors.find("vocabulary"), "word_piece, 'vocabulary'");
  WordPiece loaded = parse(vocabulary, options, "the stored vocabulary");
  *learnt_ = std::move(*loaded.learnt_);
}

}  // namespace fulmen::data
