#include <fulmen/data/text/unicode.h>
#include <fulmen/data/text/unicode_tables.h>

#include <algorithm>
#include <span>
#include <vector>

namespace fulmen::data::unicode {

namespace {

/// Value of the run that holds `character`.
uint32_t run_value(std::span<const uint32_t> runs, int bits, char32_t character) {
  const uint32_t limit = static_cast<uint32_t>((static_cast<uint64_t>(character) + 1) << bits);
  return *(std::lower_bound(runs.begin(), runs.end(), limit) - 1) & ((1u << bits) - 1);
}

uint32_t combining_class(char32_t character) {
  if (character < 0x300) return 0;
  return run_value({combining_runs, static_cast<size_t>(combining_runs_count)}, 8, character);
}

/// {character, first, second} of the table, or null.
const uint32_t* decomposition(char32_t character) {
  int low = 0, high = decompositions_count / 3;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (decompositions[middle * 3] < character) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const uint32_t* found = decompositions + low * 3;
  return low < decompositions_count / 3 && *found == character ? found : nullptr;
}

void append_decomposed(std::u32string& out, char32_t character) {
  constexpr char32_t hangul = 0xAC00, leads = 19, vowels = 21, tails = 28;
  if (character < 0xC0) {
    out += character;
  } else if (character - hangul < leads * vowels * tails) {
    const char32_t syllable = character - hangul;
    out += 0x1100 + syllable / (vowels * tails);
    out += 0x1161 + syllable / tails % vowels;
    if (syllable % tails != 0) out += 0x11A7 + syllable % tails;
  } else if (const uint32_t* parts = decomposition(character)) {
    append_decomposed(out, parts[1]);
    if (parts[2] != 0) append_decomposed(out, parts[2]);
  } else {
    out += character;
  }
}

}  // namespace

// Well-formed sequences as in table 3-7 of the Unicode standard: what the second byte may be depends on the first.
char32_t next(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at++);
  if (lead < 0x80) return lead;
  if (lead < 0xC2 || lead > 0xF4) return invalid;
  const size_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  unsigned char low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  char32_t character = lead & (0x3Fu >> more);
  if (text.size() - at < more) return invalid;
  for (size_t i = 0; i < more; ++i) {
    const unsigned char b = byte(at + i);
    if (b < low || b > high) return invalid;
    character = character << 6 | (b & 0x3Fu);
    low = 0x80, high = 0xBF;
  }
  at += more;
  return character;
}

void append(std::string& text, char32_t c) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  const auto continuation = [&](int shift) { add(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    add(c);
  } else if (c < 0x800) {
    add(0xC0 | c >> 6), continuation(0);
  } else if (c < 0x10000) {
    add(0xE0 | c >> 12), continuation(6), continuation(0);
  } else {
    add(0xF0 | c >> 18), continuation(12), continuation(6), continuation(0);
  }
}

size_t find_invalid(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (next(text, at) == invalid) return begin;
  }
  return std::string_view::npos;
}

size_t unfinished_tail(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(3, text.size()); ++length) {
    const auto lead = static_cast<unsigned char>(text[text.size() - length]);
    if ((lead & 0xC0) == 0x80) continue;  // not where a character begins
    const size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
    return lead <= 0xF4 && wanted > length ? length : 0;
  }
  return 0;
}

Kind kind(char32_t character) {
  if (character > 0x10FFFF) return Kind::Other;
  return static_cast<Kind>(run_value({kind_runs, static_cast<size_t>(kind_runs_count)}, 4, character));
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

void append_lower(std::u32string& text, char32_t character) {
  if (character < 0x80) {
    text += character >= 'A' && character <= 'Z' ? character + 32 : character;
    return;
  }
  if (character == 0x130) {
    text += U"i\u0307";
    return;
  }
  const auto code = static_cast<int32_t>(character);
  // Runs may interleave (every other letter of two alphabets), so a run that begins before is only a candidate.
  for (const int32_t* run = lower_runs; run < lower_runs + lower_runs_count && run[0] <= code; run += 4) {
    if (code <= run[1] && (code - run[0]) % run[2] == 0) {
      text += static_cast<char32_t>(code + run[3]);
      return;
    }
  }
  text += character;
}

std::u32string decompose(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (char32_t character : text) append_decomposed(out, character);
  // Marks that follow a base character are sorted by their class, equal classes staying in order.
  for (size_t i = 0; i < out.size();) {
    if (combining_class(out[i]) == 0) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < out.size() && combining_class(out[i]) != 0) ++i;
    if (i - begin > 1) {
      std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(begin), out.begin() + static_cast<std::ptrdiff_t>(i),
                       [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    }
  }
  return out;
}

}  // namespace fulmen::data::unicode
