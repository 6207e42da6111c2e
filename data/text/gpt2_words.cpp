#include <fulmen/data/text/gpt2_words.h>
#include <fulmen/data/text/unicode.h>

namespace fulmen::data {

namespace {

enum class Group { Letters, Numbers, Spaces, Others };

Group group_of(char32_t c) {
  if (c < 0x80) {
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return Group::Letters;
    if (c >= '0' && c <= '9') return Group::Numbers;
    return unicode::is_space(c) ? Group::Spaces : Group::Others;
  }
  const unicode::Kind kind = unicode::kind(c);
  if (kind == unicode::Kind::Letter) return Group::Letters;
  if (kind == unicode::Kind::Number) return Group::Numbers;
  return unicode::is_space(c) ? Group::Spaces : Group::Others;
}

/// Length of an English contraction behind an apostrophe, the apostrophe included; 0 if there is none.
size_t contraction(std::string_view rest) {
  if (rest.size() < 2) return 0;
  const char first = rest[1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const std::string_view two = rest.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

/// The end of the run of one group that begins at `at`; `last` becomes where its last character begins.
size_t run_end(std::string_view text, size_t at, Group group, size_t& last) {
  while (at < text.size()) {
    size_t after = at;
    if (group_of(unicode::next(text, after)) != group) break;
    last = at;
    at = after;
  }
  return at;
}

}  // namespace

size_t gpt2_word_end(std::string_view text, size_t at) {
  if (text[at] == '\'') {
    if (const size_t length = contraction(text.substr(at))) return at + length;
  }
  size_t last = at, begin = at;
  Group group = group_of(unicode::next(text, begin));
  if (text[at] == ' ' && begin < text.size()) {
    size_t after = begin;
    const Group following = group_of(unicode::next(text, after));
    if (following != Group::Spaces) return run_end(text, after, following, last);
  }
  const size_t end = run_end(text, begin, group, last);
  // The last space of several belongs to the word behind them.
  return group == Group::Spaces && end < text.size() && last > at ? last : end;
}

}  // namespace fulmen::data
