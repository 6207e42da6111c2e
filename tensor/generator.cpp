#include <fulmen/kernels/random.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/generator.h>

#include <bit>

namespace fulmen {

namespace {
constexpr int shift = 397;  // the recurrence's middle word
constexpr size_t extras = 4;

uint32_t twist(uint32_t high, uint32_t low) {
  const uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
  return (mixed >> 1) ^ (low & 1u ? 0x9908b0dfu : 0u);
}
}  // namespace

// Knuth's linear generator fills the state, as in the reference code of Matsumoto and Nishimura.
void GeneratorImpl::set_seed(uint64_t seed) {
  seed_ = seed;
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < words; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  position_ = words;
  has_spare_ = false;
}

RandomStream GeneratorImpl::stream() { return {state_, &position_, &spare_normal_, &has_spare_}; }

void GeneratorImpl::refill() {
  for (int i = 0; i < words - shift; ++i) state_[i] = state_[i + shift] ^ twist(state_[i], state_[i + 1]);
  for (int i = words - shift; i < words - 1; ++i) {
    state_[i] = state_[i + shift - words] ^ twist(state_[i], state_[i + 1]);
  }
  state_[words - 1] = state_[shift - 1] ^ twist(state_[words - 1], state_[0]);
  position_ = 0;
}

// seed, position, whether a normal number waits, that number, then the 624 words.
std::vector<uint64_t> GeneratorImpl::state() const {
  std::vector<uint64_t> all = {seed_, static_cast<uint64_t>(position_), has_spare_,
                               std::bit_cast<uint64_t>(has_spare_ ? spare_normal_ : 0.0)};
  all.insert(all.end(), state_, state_ + words);
  return all;
}

void GeneratorImpl::set_state(const std::vector<uint64_t>& all) {
  FULMEN_CHECK(all.size() == extras + words, "set_state: a random state has ", extras + words, " words; got ",
               all.size());
  bool valid = all[1] <= words && all[2] <= 1;
  for (size_t i = extras; i < all.size(); ++i) valid = valid && all[i] <= 0xffffffffu;
  FULMEN_CHECK(valid, "set_state: these words are not a random state (they do not come from state())");
  seed_ = all[0];
  position_ = static_cast<int32_t>(all[1]);
  has_spare_ = all[2] != 0;
  spare_normal_ = std::bit_cast<double>(all[3]);
  for (int i = 0; i < words; ++i) state_[i] = static_cast<uint32_t>(all[extras + static_cast<size_t>(i)]);
}

Generator& default_generator() {
  static auto* generator = new Generator;
  return *generator;
}

void manual_seed(uint64_t seed) { default_generator().set_current_seed(seed); }

}  // namespace fulmen
