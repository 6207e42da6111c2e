#pragma once
#include <fulmen/data/text/byte_level_bpe.h>
#include <fulmen/data/text/pair_merges.h>

#include <unordered_map>

// What a ByteLevelBpe learnt; shared by its sources, not for users.
namespace fulmen::data {

/// Pairs of tokens and what they become, as one table with open addressing: encoding looks up little else.
class PairTable {
 public:
  /// Makes room for `pairs` entries.
  explicit PairTable(size_t pairs = 0);
  /// False if the pair was there already.
  bool add(int32_t left, int32_t right, int32_t rank, int32_t result);
  PairMerge find(int32_t left, int32_t right) const {
    for (size_t slot = slot_of(left, right);; slot = (slot + 1) & mask_) {
      const Entry& entry = entries_[slot];
      if (entry.result < 0) return {};
      if (entry.left == left && entry.right == right) return {static_cast<double>(entry.rank), entry.result};
    }
  }

 private:
  struct Entry {
    int32_t left, right, rank, result = -1;
  };
  size_t slot_of(int32_t left, int32_t right) const {
    const uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    return static_cast<size_t>(key * 0x9E3779B97F4A7C15u >> 32) & mask_;
  }
  std::vector<Entry> entries_;
  size_t mask_;
};

struct ByteLevelBpe::Learnt {
  std::vector<std::string> tokens;                       // the bytes of each; special ones as they are named
  int32_t byte_tokens[256] = {};                         // number of each single byte
  std::vector<std::pair<int32_t, int32_t>> merges;       // best first
  std::vector<std::pair<std::string, int32_t>> special;  // by number
  PairTable table;

  /// Fills `table`, of merges whose results are the tokens `results`.
  void index(const std::vector<int32_t>& results);
};

/// GPT-2's files are text, so each byte is written as a character: printable ones of Latin-1 as themselves, the others
/// as U+0100, U+0101, ... in order.
char32_t byte_as_character(unsigned char byte);
/// The way back; -1 for a character that stands for no byte.
int character_as_byte(char32_t character);
/// The bytes in the order of their characters: the order in which GPT-2 numbers them.
const unsigned char* bytes_in_order();

}  // namespace fulmen::data
