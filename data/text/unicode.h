#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Characters of UTF-8 text and what tokenizers ask about them. The answers are those of one version of Unicode,
// compiled in (see docs/decisions/0010-unicode-tables.md), so that a text has the same tokens on every machine.
namespace fulmen::data::unicode {

/// General categories as tokenizers group them: Mn, L*, N*, P*, S*, Z*, C* (controls, formats, private use), the other
/// M*, and Cn.
enum class Kind : uint8_t { NonspacingMark, Letter, Number, Punctuation, Symbol, Separator, Other, Mark, Unassigned };

/// What next() gives for a byte that is not part of a well-formed character.
inline constexpr char32_t invalid = 0xFFFFFFFF;

/// The character that begins at text[at], and moves `at` behind it. A byte with which no well-formed character begins
/// (overlong forms, surrogates and everything above U+10FFFF included) counts alone and is `invalid`.
char32_t next(std::string_view text, size_t& at);
/// Appends a character as UTF-8.
void append(std::string& text, char32_t character);
/// Position of the first byte that is not part of well-formed UTF-8; npos if there is none.
size_t find_invalid(std::string_view text);
/// How many bytes at the end begin a character whose other bytes may still come (0..3).
size_t unfinished_tail(std::string_view text);

/// `invalid` is Other.
Kind kind(char32_t character);
/// White_Space: blanks, line breaks, tabs, and Unicode's spaces.
bool is_space(char32_t character);
/// Appends the lowercase of a character; İ alone becomes two.
void append_lower(std::u32string& text, char32_t character);
/// Canonical decomposition (NFD): é becomes e and a combining accent, 각 its three letters; accents in canonical order.
std::u32string decompose(std::u32string_view text);

}  // namespace fulmen::data::unicode
