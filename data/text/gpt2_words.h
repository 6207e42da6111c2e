#pragma once
#include <cstddef>
#include <string_view>

namespace fulmen::data {

/// Where the piece of text that begins at `at` (< text.size()) ends, as GPT-2 cuts text before it forms tokens: by the
/// pattern
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Bytes that are not UTF-8 count as
/// characters that are no letter, number or space.
size_t gpt2_word_end(std::string_view text, size_t at);

}  // namespace fulmen::data
