#pragma once
#include <fulmen/kernels/dtype.h>

namespace fulmen {

/// Where a CUDA kernel draws its random numbers: a key and the first of the blocks that belong to this launch. Every
/// launch owns `philox_words` words of every subsequence.
struct PhiloxPlace {
  uint64_t seed = 0;
  uint64_t offset = 0;  ///< in 32-bit words, a multiple of 4
  /// In a captured graph: {seed, offset} in device memory, which take the place of `seed` and are added to `offset`.
  const uint64_t* live = nullptr;
};
/// Words of each subsequence that one launch may use: blocks 0 and 1.
inline constexpr uint64_t philox_words = 8;

struct PhiloxBlock {
  uint32_t word[4];
};

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011: "Parallel random numbers: as easy as 1, 2, 3"): four words that
/// depend on nothing but the 64-bit key and the 128-bit counter {block, subsequence}.
FULMEN_HD FULMEN_INLINE PhiloxBlock philox(uint64_t seed, uint64_t subsequence, uint64_t block) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = static_cast<uint32_t>(subsequence), c3 = static_cast<uint32_t>(subsequence >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = static_cast<uint32_t>(p1);
    c2 = n2;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Block 0 or 1 of a subsequence of this launch; on the device where `place.live` is set.
FULMEN_HD FULMEN_INLINE PhiloxBlock philox(const PhiloxPlace& place, uint64_t subsequence, uint64_t block) {
  const uint64_t seed = place.live ? place.live[0] : place.seed;
  const uint64_t offset = place.offset + (place.live ? place.live[1] : 0);
  return philox(seed, subsequence, offset / 4 + block);
}

}  // namespace fulmen
