#pragma once
#include <fulmen/data/text/unicode.h>

#include <cstdint>
#include <span>
#include <string>

// The texts of record_tokenizers.py, made again.
namespace fulmen::testing {

/// Knuth's 64-bit linear congruential generator (MMIX).
struct LinearRandom {
  uint64_t state;
  uint32_t below(uint32_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state >> 33) % limit);
  }
};

inline void append_random_character(std::string& text, LinearRandom& random) {
  static constexpr char32_t spaces[] = U" \n\t\r\u00a0\u2003\u3000\u0085\u2028\u200b\u000b";
  static constexpr const char* pieces[] = {
      "'s", "'t",   "'re", "'ve", "'m",      "'ll", "'d", "'S", "the ", " the", "ing", " 1234", "<|endoftext|>",
      "  ", "\r\n", "...", "é",   "e\u0301", "İ",   "Σ",  "각", "ﬁ"};
  const uint32_t choice = random.below(10);
  if (choice == 9) {
    text += pieces[random.below(std::size(pieces))];
    return;
  }
  char32_t c = 0;
  switch (choice) {
    case 0:
    case 1:
    case 2:
      c = 32 + random.below(95);
      break;
    case 3:
      c = spaces[random.below(std::size(spaces) - 1)];
      break;
    case 4:
      c = random.below(0x3000);
      break;
    case 5:
      c = random.below(0x110000);
      break;
    case 6:
      c = 0x300 + random.below(0x70);
      break;
    case 7:
      c = 0xAC00 + random.below(11172);
      break;
    default:
      c = 0x1F300 + random.below(0x300);
      break;
  }
  if (c >= 0xD800 && c <= 0xDFFF) c = 0x4E00 + c % 256;
  data::unicode::append(text, c);
}

inline std::string random_text(LinearRandom& random) {
  std::string text;
  for (uint32_t left = random.below(30); left > 0; --left) append_random_character(text, random);
  return text;
}

constexpr uint64_t fnv_begin = 0xcbf29ce484222325u;
inline uint64_t fnv(std::span<const unsigned char> bytes, uint64_t state = fnv_begin) {
  for (unsigned char byte : bytes) state = (state ^ byte) * 0x100000001b3u;
  return state;
}
/// Over the numbers' bytes, 4 each, lowest first.
inline uint64_t fnv(std::span<const int64_t> numbers, uint64_t state) {
  for (int64_t number : numbers) {
    for (int shift = 0; shift < 32; shift += 8) {
      state = (state ^ (static_cast<uint64_t>(number) >> shift & 0xFF)) * 0x100000001b3u;
    }
  }
  return state;
}

}  // namespace fulmen::testing
