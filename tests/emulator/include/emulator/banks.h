#pragma once
#include <cstdint>
#include <string>
#include <vector>

// Bank conflicts of ordinary loads and stores to shared memory, in the checked build, where every access is seen.
//
// The lanes of a warp do not run in step here. Accesses count as one instruction of the warp when the same code makes
// them after as many barriers of the block, and as often before since the last barrier: what a warp does that stays
// together. Parts into which the compiler has cut one gpu::load_vec or store_vec are put together again.
//
// Shared memory has 32 banks of 4 bytes. A warp's 4-byte accesses go together, 8-byte ones 16 lanes at a time, 16-byte
// ones 8 lanes; each different word of one bank takes a cycle.
namespace emulator {

struct BankUse {
  std::string place;  ///< "rows.h:112 < softmax.cu:40"
  bool write = false;
  int bytes = 0;           ///< of a lane
  uint64_t accesses = 0;   ///< of warps, in parts that go together
  uint64_t conflicts = 0;  ///< cycles beyond one each
};

/// Forgets what was seen and looks at all launches from now on, or no more.
void watch_banks(bool on);
/// What was seen, by place in the source.
std::vector<BankUse> bank_uses();
/// "softmax.cu:40: load of 4 bytes, 31 conflicts in 1 accesses"
std::string text_of(const BankUse& use);
/// The sum of all conflicts, and a line for each place that has some.
uint64_t bank_conflicts(std::string* lines = nullptr);

}  // namespace emulator
