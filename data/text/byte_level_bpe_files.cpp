#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/text/byte_level_bpe_model.h>
#include <fulmen/data/text/unicode.h>
#include <fulmen/tensor/atomic_file.h>

#include <nlohmann/json.hpp>

namespace fulmen::data {

namespace {

using Json = nlohmann::json;

bool is_printable(int byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD); }

struct ByteCharacters {
  char32_t of_byte[256];
  int16_t of_character[0x100 + 68];
  unsigned char order[256];
  ByteCharacters() {
    char32_t other = 0x100;
    int printable = 0;
    for (int16_t& byte : of_character) byte = -1;
    for (int byte = 0; byte < 256; ++byte) {
      of_byte[byte] = is_printable(byte) ? static_cast<char32_t>(byte) : other++;
      of_character[of_byte[byte]] = static_cast<int16_t>(byte);
      if (is_printable(byte)) order[printable++] = static_cast<unsigned char>(byte);
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (!is_printable(byte)) order[printable++] = static_cast<unsigned char>(byte);
    }
  }
};
const ByteCharacters& byte_characters() {
  static const ByteCharacters characters;
  return characters;
}

std::string as_characters(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) unicode::append(text, byte_as_character(static_cast<unsigned char>(byte)));
  return text;
}

/// The bytes that `text` stands for, unless a character of it stands for none.
std::optional<std::string> as_bytes(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const int byte = character_as_byte(unicode::next(text, at));
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

/// The tokens as encoder.json writes them, by number.
std::vector<std::string> read_names(std::string_view text, const std::string& name) {
  constexpr int64_t most = int64_t{1} << 28;
  check_json_depth(name, text);
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.empty()) {
    fail_data(name, "it is not a JSON object of tokens and their numbers", "give GPT-2's encoder.json");
  }
  const auto count = static_cast<int64_t>(json.size());
  if (count > most) fail_data(name, str(count, " tokens; the limit is ", most), "use fewer");
  std::vector<std::string> names(json.size());
  for (const auto& [token, id] : json.items()) {
    const int64_t number = id.is_number_integer() && id <= most ? id.get<int64_t>() : -1;
    if (number < 0 || number >= count) {
      fail_data(name, str("the number of token '", token, "' is ", id.dump(), "; expected 0..", count - 1),
                "number the tokens from 0, without gaps");
    }
    std::string& place = names[static_cast<size_t>(number)];
    if (!place.empty()) fail_data(name, str("'", place, "' and '", token, "' are both ", number), "number them apart");
    if (token.empty()) fail_data(name, "a token without characters", "remove it");
    place = token;
  }
  return names;
}

struct MergeLine {
  std::string left, right;
  int64_t line;
};

std::vector<MergeLine> read_merge_lines(std::string_view text, const std::string& name) {
  std::vector<MergeLine> merges;
  int64_t line = 0;
  while (!text.empty()) {
    ++line;
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty() || (line == 1 && row.starts_with("#version"))) continue;
    const size_t blank = row.find(' ');
    const auto left = blank == row.npos ? std::nullopt : as_bytes(row.substr(0, blank));
    const auto right = blank == row.npos ? std::nullopt : as_bytes(row.substr(blank + 1));
    if (!left || !right || left->empty() || right->empty()) {
      fail_data(str(name, ":", line), str("'", row.substr(0, 40), "' is not two tokens with a blank between them"),
                "give GPT-2's vocab.bpe");
    }
    merges.push_back({*left, *right, line});
  }
  return merges;
}

}  // namespace

char32_t byte_as_character(unsigned char byte) { return byte_characters().of_byte[byte]; }

int character_as_byte(char32_t character) {
  return character < std::size(byte_characters().of_character) ? byte_characters().of_character[character] : -1;
}

const unsigned char* bytes_in_order() { return byte_characters().order; }

ByteLevelBpe::Learnt ByteLevelBpe::parse(std::string_view merges, const std::string& merges_name, std::string_view ids,
                                         const std::string& ids_name) {
  Learnt learnt;
  const std::vector<std::string> names = read_names(ids, ids_name);
  std::unordered_map<std::string_view, int32_t> numbers;
  for (size_t i = 0; i < names.size(); ++i) numbers.emplace(names[i], static_cast<int32_t>(i));
  const auto number_of = [&](const std::string& bytes, const std::string& place) {
    const std::string name = as_characters(bytes);
    const auto found = numbers.find(name);
    if (found == numbers.end()) {
      fail_data(place, str("the token '", name, "' is missing in ", ids_name), "give two files of one tokenizer");
    }
    return found->second;
  };
  std::vector<bool> made(names.size());  // from bytes, so not special
  learnt.tokens = names;
  const auto make = [&](int32_t id, std::string bytes) {
    made[static_cast<size_t>(id)] = true;
    learnt.tokens[static_cast<size_t>(id)] = std::move(bytes);
  };
  for (int byte = 0; byte < 256; ++byte) {
    std::string bytes(1, static_cast<char>(byte));
    learnt.byte_tokens[byte] = number_of(bytes, ids_name);
    make(learnt.byte_tokens[byte], std::move(bytes));
  }
  std::vector<int32_t> results;
  const std::vector<MergeLine> rows = read_merge_lines(merges, merges_name);
  PairTable seen(rows.size());
  for (const MergeLine& row : rows) {
    const std::string place = str(merges_name, ":", row.line);
    const int32_t left = number_of(row.left, place), right = number_of(row.right, place);
    results.push_back(number_of(row.left + row.right, place));
    if (!seen.add(left, right, 0, 0)) fail_data(place, "this pair was merged before", "remove the line");
    learnt.merges.emplace_back(left, right);
    make(results.back(), row.left + row.right);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!made[i]) learnt.special.emplace_back(names[i], static_cast<int32_t>(i));
  }
  learnt.index(results);
  return learnt;
}

ByteLevelBpe ByteLevelBpe::load(const std::string& merges_path, const std::string& ids_path) {
  ByteLevelBpe bpe;
  *bpe.learnt_ = parse(read_file(merges_path), merges_path, read_file(ids_path), ids_path);
  return bpe;
}

std::string ByteLevelBpe::merges_file() const {
  std::string text = "#version: 0.2\n";
  for (const auto& [left, right] : learnt_->merges) {
    text += as_characters(learnt_->tokens[static_cast<size_t>(left)]) + " " +
            as_characters(learnt_->tokens[static_cast<size_t>(right)]) + "\n";
  }
  return text;
}

std::string ByteLevelBpe::ids_file() const {
  std::string text = "{";
  for (size_t i = 0, special = 0; i < learnt_->tokens.size(); ++i) {
    const bool is_special =
        special < learnt_->special.size() && learnt_->special[special].second == static_cast<int32_t>(i);
    if (is_special) ++special;
    const std::string name = is_special ? learnt_->tokens[i] : as_characters(learnt_->tokens[i]);
    text += str(i == 0 ? "" : ", ", Json(name).dump(-1, ' ', true), ": ", i);
  }
  return text + "}";
}

void ByteLevelBpe::save(const std::string& merges_path, const std::string& ids_path) const {
  FULMEN_CHECK(fitted(), "ByteLevelBpe: it has no tokens to save; train or load it");
  AtomicFile merges(merges_path), ids(ids_path);
  merges.write(merges_file());
  ids.write(ids_file());
  merges.commit();
  ids.commit();
}

}  // namespace fulmen::data
